package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** A server of Spark Connect with the plugin, and a client that knows the functions by name. */
class ConnectIT {
  /** What Spark's server logs when it takes clients. */
  private static final String STARTED = "Spark Connect server started";

  @Test
  void clientCallsTheFunctionsByName() throws Exception {
    SparkOnly spark = SparkOnly.lay("connect-only", ConnectJob.class);
    int port = freePort();
    Path log = SparkOnly.TARGET.resolve("connect-only/server.log");
    Process server =
        spark
            .java(List.of(jar("spark-connect_"), SparkOnly.JAR), server(port))
            .redirectOutput(log.toFile())
            .start();
    try {
      while (!Files.readString(log).contains(STARTED)) {
        assertTrue(server.isAlive(), "the server ended: " + Files.readString(log));
        Thread.sleep(100);
      }
      Process client =
          spark
              .java(
                  List.of(jar("spark-connect-client-jvm_")),
                  List.of(ConnectJob.class.getName(), "sc://localhost:" + port))
              .start();
      String output = new String(client.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      assertEquals(0, client.waitFor(), output);
      List<String> rows =
          output.lines().filter(row -> row.startsWith("ROW ")).collect(Collectors.toList());
      assertEquals(20, rows.size(), output);
      assertTrue(rows.stream().allMatch(row -> row.matches("ROW \\d+ false (raw|cooked)")), output);
      assertTrue(
          line(output, "UNKNOWN ").contains("[SAILFISH_UNKNOWN_MODEL]"), line(output, "UNKNOWN "));
      assertTrue(line(output, "UNKNOWN ").startsWith("UNKNOWN 42704 "), line(output, "UNKNOWN "));
      assertTrue(
          line(output, "TOO_LONG ").contains("[SAILFISH_ROW_FAILED]"), line(output, "TOO_LONG "));
    } finally {
      server.destroy();
      if (!server.waitFor(20, TimeUnit.SECONDS)) {
        server.destroyForcibly();
      }
    }
  }

  private static String line(String output, String start) {
    return output
        .lines()
        .filter(line -> line.startsWith(start))
        .findFirst()
        .orElseThrow(() -> new AssertionError("no " + start + "in " + output));
  }

  private static List<String> server(int port) throws IOException {
    return List.of(
        "-Dspark.master=local[2]",
        "-Dspark.app.name=ConnectIT",
        "-Dspark.ui.enabled=false",
        "-Dspark.plugins=io.sailfish.spark.SailfishPlugin",
        "-Dspark.sailfish.model.path=" + SparkOnly.model(),
        "-Dspark.sailfish.model.chatTemplate={{ messages[0]['content'] }}",
        "-Dspark.connect.grpc.binding.port=" + port,
        "org.apache.spark.sql.connect.service.SparkConnectServer");
  }

  private static Path jar(String start) throws IOException {
    try (Stream<Path> files = Files.list(SparkOnly.TARGET.resolve("connect"))) {
      return files
          .filter(file -> file.getFileName().toString().startsWith(start))
          .findFirst()
          .orElseThrow();
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }
}

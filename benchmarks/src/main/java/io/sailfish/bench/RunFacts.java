package io.sailfish.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.List;

/** Where, when and on what a benchmark ran. */
public final class RunFacts {
  private RunFacts() {}

  public static String date() {
    return LocalDateTime.now(ZoneOffset.UTC).truncatedTo(ChronoUnit.SECONDS).toString();
  }

  public static String commit() throws IOException {
    Process git = new ProcessBuilder("git", "rev-parse", "--short", "HEAD").start();
    return new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
  }

  /** This machine's cards with their driver, as nvidia-smi names them, and its processors. */
  public static String cards() throws IOException {
    Process smi =
        new ProcessBuilder("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
            .start();
    List<String> cards =
        new String(smi.getInputStream().readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    if (cards.isEmpty()) {
      throw new IOException("nvidia-smi names no card");
    }
    return "%s%s, %d processors"
        .formatted(
            cards.size() == 1 ? "" : cards.size() + " x ",
            cards.get(0).replace(", ", ", driver "),
            Runtime.getRuntime().availableProcessors());
  }

  public static String machine() throws IOException {
    String cpu =
        Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
            .filter(line -> line.startsWith("model name"))
            .map(line -> line.substring(line.indexOf(':') + 1).strip())
            .findFirst()
            .orElse("unknown processor");
    return "%s, %d processors, Java %s"
        .formatted(cpu, Runtime.getRuntime().availableProcessors(), Runtime.version().feature());
  }
}

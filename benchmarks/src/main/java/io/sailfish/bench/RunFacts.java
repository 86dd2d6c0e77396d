package io.sailfish.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

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

  /**
   * This machine's cards with their driver, as nvidia-smi names them, and its processors. Where it
   * names none, that is said: a run on a card that is over is worth keeping.
   */
  public static String cards() {
    return cards("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader");
  }

  /** The same of a run on one of them. */
  public static String card() {
    return oneOf(cards());
  }

  static String oneOf(String cards) {
    boolean several = cards.contains(" x ") || cards.contains(" and ");
    return several ? "one of " + cards : cards;
  }

  static String cards(String... smi) {
    List<String> cards = List.of();
    try {
      Process process =
          new ProcessBuilder(smi).redirectError(ProcessBuilder.Redirect.DISCARD).start();
      byte[] output = process.getInputStream().readAllBytes();
      if (process.onExit().join().exitValue() == 0) { // else it tells of its failure there
        cards = new String(output, StandardCharsets.UTF_8).lines().toList();
      }
    } catch (IOException e) {
      System.err.println("the result will not name its card: " + e.getMessage());
    }
    return cards(cards, Runtime.getRuntime().availableProcessors());
  }

  /**
   * @param cards name and driver of each, with a comma between
   */
  static String cards(List<String> cards, int processors) {
    Map<String, Long> kinds =
        cards.stream()
            .map(card -> card.replace(", ", ", driver "))
            .collect(
                Collectors.groupingBy(card -> card, LinkedHashMap::new, Collectors.counting()));
    String names =
        kinds.entrySet().stream()
            .map(kind -> (kind.getValue() == 1 ? "" : kind.getValue() + " x ") + kind.getKey())
            .collect(Collectors.joining(" and "));
    return "%s, %d processors"
        .formatted(names.isEmpty() ? "cards that nvidia-smi does not name" : names, processors);
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

package io.sailfish.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.PrintWriter;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** What a command found: facts and tables, for people or as one JSON object. */
final class Report {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private Report() {}

  /**
   * Prints in the form that was asked for.
   *
   * @param facts values, maps and lists of maps (tables: each map a row, of equal keys)
   */
  static void print(Map<String, Object> facts, boolean json, PrintWriter out) {
    if (json) {
      try {
        out.println(JSON.writeValueAsString(facts));
      } catch (JsonProcessingException e) {
        throw new IllegalStateException(e);
      }
    } else {
      facts.forEach((name, value) -> printFact(name, value, out));
    }
    out.flush();
  }

  private static void printFact(String name, Object value, PrintWriter out) {
    if (value instanceof List<?> rows) {
      out.println();
      out.println(name + ":");
      printTable(rows, out);
    } else if (value instanceof Map<?, ?> map) {
      map.forEach((key, inner) -> printFact(name + "." + key, inner, out));
    } else {
      out.printf("%-24s %s%n", name, text(value));
    }
  }

  /** Columns as wide as their widest cell; numbers to the right. */
  private static void printTable(List<?> rows, PrintWriter out) {
    if (rows.isEmpty()) {
      return;
    }
    List<String> columns =
        ((Map<?, ?>) rows.get(0)).keySet().stream().map(String::valueOf).toList();
    Map<String, Integer> widths =
        columns.stream()
            .collect(
                Collectors.toMap(
                    c -> c,
                    c ->
                        rows.stream()
                            .mapToInt(row -> text(((Map<?, ?>) row).get(c)).length())
                            .reduce(c.length(), Math::max)));
    out.println(
        columns.stream()
            .map(c -> "  " + pad(c, widths.get(c), number(rows, c)))
            .collect(Collectors.joining()));
    for (Object row : rows) {
      out.println(
          columns.stream()
              .map(c -> "  " + pad(text(((Map<?, ?>) row).get(c)), widths.get(c), number(rows, c)))
              .collect(Collectors.joining()));
    }
  }

  private static boolean number(Collection<?> rows, String column) {
    return rows.stream().allMatch(row -> ((Map<?, ?>) row).get(column) instanceof Number);
  }

  private static String pad(String text, int width, boolean right) {
    return ("%" + (right ? "" : "-") + width + "s").formatted(text);
  }

  private static String text(Object value) {
    if (value instanceof Double number) {
      double magnitude = Math.abs(number);
      boolean plain = magnitude == 0 || magnitude >= 1e-3 && magnitude < 1e7;
      return String.format(Locale.ROOT, plain ? "%.4f" : "%.3e", number);
    }
    return value instanceof Number number
        ? String.format(Locale.ROOT, "%,d", number.longValue())
        : "" + value;
  }
}

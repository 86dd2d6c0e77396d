package io.sailfish.spark.evaluate;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.util.List;
import java.util.Locale;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.sql.types.StructField;

/**
 * A column of texts that somebody names: of files that Spark reads, or of a table.
 *
 * @param path files or folder by any path that Hadoop opens; the name of a table if that is the
 *     format
 * @param format parquet, orc, json, csv, text (each file a text) or table; null = what the path
 *     ends in
 * @param column its name; null = the only column of strings
 */
public record TextColumn(String path, String format, String column) {
  private static final List<String> FORMATS =
      List.of("parquet", "orc", "json", "csv", "text", "table");

  public TextColumn {
    if (format == null) {
      format = ending(path);
    }
    if (!FORMATS.contains(format)) {
      throw new IllegalArgumentException(
          "format '%s' of texts: expected one of %s".formatted(format, FORMATS));
    }
  }

  private static String ending(String path) {
    String end = path.substring(path.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    if (end.equals("txt") || end.equals("md")) {
      return "text";
    }
    if (!FORMATS.contains(end)) {
      throw new IllegalArgumentException(
          "%s: its name does not say what it is; name the format, one of %s"
              .formatted(path, FORMATS));
    }
    return end;
  }

  /**
   * The texts.
   *
   * @throws RuntimeFailure when there is no such column of strings
   */
  public Dataset<String> read(SparkSession spark) {
    Dataset<Row> rows = rows(spark);
    List<String> strings =
        List.of(rows.schema().fields()).stream()
            .filter(field -> field.dataType() instanceof StringType)
            .map(StructField::name)
            .toList();
    boolean only = column == null && strings.size() == 1;
    if (!only && !strings.contains(column)) {
      throw new RuntimeFailure(
          Kind.USER,
          "%s: %s; its columns of strings are %s"
              .formatted(
                  path,
                  column == null ? "which column holds the texts?" : "no texts in '" + column + "'",
                  strings),
          null);
    }
    String name = (only ? strings.get(0) : column).replace("`", "``");
    return rows.select(functions.col("`" + name + "`")).as(Encoders.STRING());
  }

  private Dataset<Row> rows(SparkSession spark) {
    return switch (format) {
      case "table" -> spark.table(path);
      case "text" -> spark.read().option("wholetext", true).text(path);
      case "csv" -> spark.read().option("header", true).option("multiLine", true).csv(path);
      default -> spark.read().format(format).load(path);
    };
  }
}

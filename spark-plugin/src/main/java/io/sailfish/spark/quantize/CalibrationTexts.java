package io.sailfish.spark.quantize;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.quantize.Calibration;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.functions;

/** Calibration text out of a column: rows in the order of their digests, however they lie. */
public final class CalibrationTexts {
  private static final int FIRST_ROWS = 256;
  private static final int GROWTH = 8;

  private CalibrationTexts() {}

  /**
   * As many rows as it takes, one below the other.
   *
   * @param texts nulls are passed over
   * @throws RuntimeFailure when there is not enough text
   */
  public static Calibration of(Dataset<String> texts, Tokenizer tokenizer, int count, int length) {
    Dataset<String> ordered =
        texts
            .toDF("text")
            .where("text IS NOT NULL")
            .orderBy(functions.expr("sha2(text, 256)"))
            .as(Encoders.STRING());
    for (long most = FIRST_ROWS; ; most *= GROWTH) {
      int limit = (int) Math.min(most, Integer.MAX_VALUE - 16);
      List<String> rows = ordered.limit(limit).collectAsList();
      String text = String.join("\n", rows);
      boolean all = rows.size() < limit;
      boolean enough = tokenizer.encodeText(text).length >= (long) count * length;
      if (all || enough) {
        return Calibration.of(text, tokenizer, count, length);
      }
    }
  }
}

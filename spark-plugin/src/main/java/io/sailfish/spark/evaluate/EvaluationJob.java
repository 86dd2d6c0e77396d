package io.sailfish.spark.evaluate;

import java.io.Serializable;

/**
 * What is evaluated, and how.
 *
 * @param model by any path that Hadoop opens; local ones have to be there on every host
 * @param original what it is compared with, or null
 * @param length tokens of a window
 * @param mostWindows windows to take: those of the smallest digests, a sample that depends on the
 *     texts alone
 * @param backend {@code cpu}, {@code cuda} or {@code auto}; null = spark.sailfish.backend
 */
public record EvaluationJob(
    String model, String original, int length, int mostWindows, String backend)
    implements Serializable {
  public EvaluationJob {
    if (length < 2 || mostWindows < 1) {
      throw new IllegalArgumentException(
          "%d windows of %d tokens: a window has 2 tokens or more, and there is one or more"
              .formatted(mostWindows, length));
    }
  }
}

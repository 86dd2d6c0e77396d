package io.sailfish.spark.exec;

import io.sailfish.spark.conf.SailfishConf;
import java.io.Serializable;

/**
 * How many rows a task keeps in flight.
 *
 * @param batchRows rows handed to the engine at a time
 * @param firstRows rows in flight before the first answers are read
 * @param maxRows rows in flight at most, 0 = from the model's batch cap
 * @param maxBytes bytes of input rows held at most
 */
public record WindowSizes(int batchRows, int firstRows, int maxRows, long maxBytes)
    implements Serializable {

  /** Unless set: so many that answers can wait for slower ones before them. */
  private static final int USUAL_ROWS = 256;

  public static WindowSizes of(SailfishConf conf) {
    return new WindowSizes(
        conf.value(SailfishConf.TASK_BATCH_ROWS),
        conf.value(SailfishConf.TASK_FIRST_ROWS),
        conf.value(SailfishConf.TASK_ROWS),
        conf.value(SailfishConf.TASK_BYTES));
  }

  /** Without a small start. */
  public WindowSizes full() {
    return new WindowSizes(batchRows, Integer.MAX_VALUE, maxRows, maxBytes);
  }

  public boolean isFull() {
    return firstRows == Integer.MAX_VALUE;
  }

  /** Rows in flight at most for a model that computes {@code batchCap} rows a step. */
  int rowsFor(int batchCap) {
    return maxRows > 0 ? maxRows : Math.max(USUAL_ROWS, 2 * batchCap);
  }
}

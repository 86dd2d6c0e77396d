package io.sailfish.kernels;

/**
 * Head geometry of one model. A fused row is {@code q | k | v}: {@code heads * headDim} query
 * values, then {@code kvHeads * headDim} keys, then as many values. Query head h reads key/value
 * head {@code h / (heads / kvHeads)} (grouped-query attention).
 *
 * @param heads number of query heads
 * @param kvHeads number of key/value heads; divides {@code heads}
 * @param headDim values a head; need not be hidden size / heads
 */
public record AttentionShape(int heads, int kvHeads, int headDim) {
  public AttentionShape {
    if (heads <= 0 || kvHeads <= 0 || headDim <= 0 || heads % kvHeads != 0) {
      throw new IllegalArgumentException(
          "attention shape: heads=%d must be a positive multiple of kvHeads=%d, headDim=%d positive"
              .formatted(heads, kvHeads, headDim));
    }
  }

  /** Columns of the fused q|k|v row. */
  public int qkvCols() {
    return (heads + 2 * kvHeads) * headDim;
  }

  public int qCols() {
    return heads * headDim;
  }

  public int kvCols() {
    return kvHeads * headDim;
  }
}

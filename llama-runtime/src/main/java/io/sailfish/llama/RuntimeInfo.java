package io.sailfish.llama;

import java.io.Serializable;

/**
 * What EXPLAIN and logs say of a loaded model.
 *
 * @param model name, such as {@code SmolLM2 135M}
 * @param format weight formats, such as {@code gguf q4_1+q8_0}
 * @param backend such as {@code cpu: Vector API 256 bit, 2 threads}
 * @param batchCap rows a step at most
 * @param batchCapReason {@code measured: ...} or {@code set by spark.sailfish...}
 * @param context tokens
 */
public record RuntimeInfo(
    String model, String format, String backend, int batchCap, String batchCapReason, int context)
    implements Serializable {}

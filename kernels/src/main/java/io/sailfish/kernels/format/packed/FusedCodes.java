package io.sailfish.kernels.format.packed;

import java.util.List;

/** Several matrices over the same inputs as one, so that one product computes all of them. */
public final class FusedCodes implements CodeMatrix {
  private final List<CodeMatrix> parts;
  private final int[] firstOutputs;
  private final boolean interleaved;

  private FusedCodes(List<CodeMatrix> parts, int[] firstOutputs, boolean interleaved) {
    this.parts = parts;
    this.firstOutputs = firstOutputs;
    this.interleaved = interleaved;
  }

  /** Outputs of the parts one after the other (q|k|v). */
  public static FusedCodes stacked(List<CodeMatrix> parts, int[] outputs) {
    int[] firsts = new int[parts.size()];
    for (int i = 1; i < firsts.length; i++) {
      firsts[i] = firsts[i - 1] + outputs[i - 1];
    }
    return new FusedCodes(List.copyOf(parts), firsts, false);
  }

  /** Output 2j is gate's j, 2j+1 up's j: a thread then holds both factors of silu(gate)·up. */
  public static FusedCodes interleaved(CodeMatrix gate, CodeMatrix up) {
    return new FusedCodes(List.of(gate, up), new int[2], true);
  }

  private int part(int output) {
    if (interleaved) {
      return output & 1;
    }
    int part = firstOutputs.length - 1;
    while (firstOutputs[part] > output) {
      part--;
    }
    return part;
  }

  private int outputOfPart(int output) {
    return interleaved ? output >> 1 : output - firstOutputs[part(output)];
  }

  @Override
  public void codes(int output, byte[] dst, int dstOffset) {
    parts.get(part(output)).codes(outputOfPart(output), dst, dstOffset);
  }

  @Override
  public void scales(int output, short[] dst, int dstOffset) {
    parts.get(part(output)).scales(outputOfPart(output), dst, dstOffset);
  }

  @Override
  public void zeros(int output, short[] dst, int dstOffset) {
    parts.get(part(output)).zeros(outputOfPart(output), dst, dstOffset);
  }
}

package io.sailfish.llama.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.llama.Golden;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Weights out of files that the formats' own tools made: the bits that those tools dequantise. */
class GoldenWeightsTest {
  static Stream<String> variants() {
    return Stream.of(Golden.GGUF_TYPES, Golden.QUANTIZED).flatMap(List::stream);
  }

  @ParameterizedTest
  @MethodSource("variants")
  void weightsAreTheToolsWeights(String variant) {
    Golden golden = Golden.load(variant);
    assertFalse(golden.weights().isEmpty());
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model(variant))) {
      golden
          .weights()
          .forEach(
              (name, digest) ->
                  assertEquals(digest, digest(checkpoint.tensor(name), golden.weightType()), name));
    }
  }

  /** SHA-256 of all weights, rounded once to the type that the tool computes in; -0 as +0. */
  private static String digest(WeightSource source, String type) {
    int rowBytes = Math.toIntExact(source.format().rowBytes(source.cols()));
    ByteBuffer encoded = ByteBuffer.allocate(rowBytes);
    float[] row = new float[source.cols()];
    float[] inOrder = new float[source.cols()];
    int[] order = source.inputOrder();
    ByteBuffer rounded = ByteBuffer.allocate(4 * source.cols()).order(ByteOrder.LITTLE_ENDIAN);
    MessageDigest digest = sha256();
    for (int r = 0; r < source.rows(); r++) {
      source.readRows(r, 1, encoded.clear());
      source.format().codec().decode(encoded, 0, row, 0, row.length);
      for (int k = 0; k < row.length; k++) {
        inOrder[order == null ? k : order[k]] = row[k];
      }
      rounded.clear();
      for (float weight : inOrder) {
        if (type.equals("f32")) {
          rounded.putFloat(weight + 0f);
        } else {
          TwoByteFloat half = type.equals("f16") ? TwoByteFloat.F16 : TwoByteFloat.BF16;
          rounded.putShort(half.encode(half.decode(half.encode(weight)) + 0f));
        }
      }
      digest.update(rounded.flip());
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }
}

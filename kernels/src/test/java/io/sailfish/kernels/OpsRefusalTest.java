package io.sailfish.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.kernels.format.QuantFormat;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Wrong arguments are refused before any work, by name. */
class OpsRefusalTest {
  private static final AttentionShape SHAPE = new AttentionShape(2, 1, 4);

  private final Backend backend = CpuBackend.open(1);

  private Weight weight(int rows, int cols) {
    return backend.weight("w", List.of(new EncodedSource("w", QuantFormat.F32, rows, cols, 1)));
  }

  private Tensor floats(int rows, int cols) {
    return backend.floats(rows, cols, "test");
  }

  private IntTensor ints(int... values) {
    IntTensor tensor = backend.ints(values.length, "test");
    backend.write(tensor, values, values.length);
    return tensor;
  }

  private static void refused(String operator, String argument, Runnable call) {
    KernelException refusal = assertThrows(KernelException.class, call::run);
    assertTrue(refusal.getMessage().startsWith(operator + ": " + argument), refusal.getMessage());
  }

  @Test
  void linear() {
    Map<String, Consumer<Ops>> calls =
        Map.of(
            "y.rows", ops -> ops.linear(floats(1, 3), floats(2, 4), weight(3, 4), 2),
            "x.rows", ops -> ops.linear(floats(2, 3), floats(1, 4), weight(3, 4), 2),
            "y.cols", ops -> ops.linear(floats(2, 5), floats(2, 4), weight(3, 4), 2),
            "x.cols", ops -> ops.linear(floats(2, 3), floats(2, 5), weight(3, 4), 2));
    for (Ops ops : List.of(backend.ops(), CpuBackend.reference().ops())) {
      calls.forEach((argument, call) -> refused("linear", argument, () -> call.accept(ops)));
    }
    Tensor same = floats(2, 4);
    refused("linearAdd", "y", () -> backend.ops().linearAdd(same, same, weight(4, 4), 2));
    refused("linear", "y.rows", () -> backend.ops().linear(same, floats(2, 4), weight(4, 4), -1));
  }

  @Test
  void others() {
    Ops ops = backend.ops();
    refused("embed", "tokenIds[1]", () -> ops.embed(floats(2, 4), weight(3, 4), ints(2, 3), 2));
    refused("embed", "tokenIds[0]", () -> ops.embed(floats(2, 4), weight(3, 4), ints(-1, 0), 2));
    refused("embed", "tokenIds.length", () -> ops.embed(floats(2, 4), weight(3, 4), ints(1), 2));
    refused(
        "rmsNorm",
        "weight.cols",
        () -> ops.rmsNorm(floats(1, 4), floats(1, 4), floats(1, 5), 1e-5f, 1));
    refused("swiGlu", "gateUp.rows", () -> ops.swiGlu(floats(1, 3), floats(1, 4), weight(7, 4), 1));
    refused(
        "rope",
        "positions[0]",
        () -> ops.rope(floats(1, SHAPE.qkvCols()), floats(5, 4), ints(5), SHAPE, true, 1));
    refused(
        "gatherRows", "rowIds[0]", () -> ops.gatherRows(floats(1, 4), floats(2, 4), ints(2), 1));
  }

  @Test
  void cache() {
    Ops ops = backend.ops();
    KvCache cache = backend.kvCache(1, 2, 3, SHAPE);
    Tensor qkv = floats(1, SHAPE.qkvCols());
    Tensor y = floats(1, SHAPE.qCols());
    refused("kvAppend", "slots[0]", () -> ops.kvAppend(cache, 0, qkv, ints(6), SHAPE, 1));
    refused("kvAppend", "layer", () -> ops.kvAppend(cache, 1, qkv, ints(0), SHAPE, 1));
    refused(
        "kvAppend",
        "shape",
        () -> ops.kvAppend(cache, 0, qkv, ints(0), new AttentionShape(6, 1, 2), 1));
    refused("kvCopy", "toBlock", () -> ops.kvCopy(cache, 0, 2));
    refused(
        "attention",
        "positions[0]",
        () -> ops.attention(y, qkv, cache, 0, step(6, 0, 1), SHAPE, 1));
    refused(
        "attention",
        "blockTables[0][1]",
        () -> ops.attention(y, qkv, cache, 0, step(3, 0, 2), SHAPE, 1));
    refused(
        "attention",
        "rowSequences[0]",
        () -> ops.attention(y, qkv, cache, 0, step(0, 1, 1), SHAPE, 1));
  }

  /** One row at a position, in a table of two blocks: 0 and {@code second}. */
  private StepInputs step(int position, int sequence, int second) {
    IntTensor none = ints(0);
    return new StepInputs(
        none, ints(position), none, ints(sequence), none, ints(0, second), 2, none);
  }

  @Test
  void weights() {
    EncodedSource first = new EncodedSource("a", QuantFormat.Q8_0, 3, 64, 1);
    EncodedSource second = new EncodedSource("b", QuantFormat.Q8_0, 3, 32, 1);
    refused("weight w", "b.cols", () -> backend.weight("w", List.of(first, second)));
    refused("weight w", "parts", () -> backend.weight("w", List.of()));
    first.bytes()[68 + 34 + 1] = 0x7C;
    RuntimeException damaged =
        assertThrows(IllegalArgumentException.class, () -> backend.weight("w", List.of(first)));
    assertTrue(damaged.getMessage().contains("no finite number"), damaged.getMessage());
  }

  @Test
  void ranges() {
    Tensor tensor = floats(2, 3);
    refused("write", "elements", () -> backend.write(tensor, 4, new float[3], 0, 3));
    refused("read", "elements", () -> backend.read(tensor, -1, new float[3], 0, 3));
    assertThrows(IllegalArgumentException.class, () -> backend.floats(1 << 20, 1 << 20, "huge"));
  }

  @Test
  void kvBytesAreWhatTheCacheTakes() {
    long bytes = backend.kvBlockBytes(2, 16, new AttentionShape(9, 3, 64));
    assertEquals(2L * 16 * 3 * 64 * 2 * 4, bytes);
  }
}

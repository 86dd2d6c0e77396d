package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * bitsandbytes' 4-bit weights: for a module of N outputs and K inputs
 *
 * <pre>
 * weight                   U8 [N·K/2, 1]  row-major, the even weight in the high nibble
 * weight.quant_map         F32 [16]       the table
 * weight.absmax            F32 [N·K/block], or U8 codes of it (double quantisation) with
 * weight.nested_absmax     F32, weight.nested_quant_map F32 [256]
 * weight.quant_state.bitsandbytes__nf4 (or fp4)  U8: JSON with blocksize, shape, nested_blocksize,
 *                                         nested_offset
 * </pre>
 *
 * Scales that are quantised are worked out in the fp32 steps of bitsandbytes: map[code] ·
 * nested_absmax, plus the offset.
 */
final class BitsAndBytesTensors implements QuantizedTensors {
  private static final List<StoredTensor.Type> U8 = List.of(StoredTensor.Type.U8);
  private static final List<StoredTensor.Type> F32 = List.of(StoredTensor.Type.F32);
  private static final int MAX_STATE = 1 << 16;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final QuantizedFolder folder;

  BitsAndBytesTensors(JsonFields config, Map<String, StoredTensor> tensors) {
    this.folder = new QuantizedFolder(tensors);
    boolean four = config.flag("load_in_4bit", config.flag("_load_in_4bit", false));
    if (!four) {
      throw QuantizedFolder.unsupported(config, "load_in_4bit", "true is read (not 8 bit)");
    }
  }

  @Override
  public WeightSource source(String name, TensorShapes.Shape shape, Set<String> used) {
    for (QuantFormat format : List.of(QuantFormat.NF4, QuantFormat.FP4)) {
      String part = "weight.quant_state.bitsandbytes__" + format.id();
      StoredTensor state = folder.optional(QuantizedFolder.module(name), part, used);
      if (state != null) {
        return source(name, shape, format, state, used);
      }
    }
    return null;
  }

  private WeightSource source(
      String name,
      TensorShapes.Shape shape,
      QuantFormat format,
      StoredTensor stateTensor,
      Set<String> used) {
    String module = QuantizedFolder.module(name);
    long count = (long) shape.rows() * shape.cols();
    State state = State.read(stateTensor, shape);
    StoredTensor codes = folder.need(module, "weight", used, stateTensor);
    codes.require(U8, count / 2, 1);
    checkTable(folder.need(module, "weight.quant_map", used, codes), format);
    StoredTensor absmax = folder.need(module, "weight.absmax", used, codes);
    long blocks = count / state.block;
    StoredTensor nested = folder.optional(module, "weight.nested_absmax", used);
    StoredTensor map = null;
    if (nested == null) {
      absmax.require(F32, blocks);
    } else {
      absmax.require(U8, blocks);
      if (state.nestedBlock < 1) {
        throw stateTensor.fail("nested_blocksize (none)", "needed with nested_absmax");
      }
      nested.require(F32, (blocks + state.nestedBlock - 1) / state.nestedBlock);
      map = folder.need(module, "weight.nested_quant_map", used, codes).require(F32, 256);
    }
    Scales scales = new Scales(state, absmax, nested, map);
    return new Matrix(name, format, shape, codes, state.block, new Lazy<>(scales::read));
  }

  private static void checkTable(StoredTensor stored, QuantFormat format) {
    stored.require(F32, 16);
    ByteBuffer values = stored.readAll();
    float[] expected = GroupBlocks.table(format);
    for (int i = 0; i < expected.length; i++) {
      if (values.getFloat(4 * i) + 0f != expected[i] + 0f) {
        throw stored.fail(
            "element %d = %s".formatted(i, values.getFloat(4 * i)),
            "%s has %s".formatted(format.id(), expected[i]));
      }
    }
  }

  /** What the packed JSON says. */
  private record State(int block, int nestedBlock, float offset) {
    static State read(StoredTensor tensor, TensorShapes.Shape shape) {
      if (tensor.type() != StoredTensor.Type.U8 || tensor.bytes() > MAX_STATE) {
        throw tensor.fail(tensor.type() + " " + tensor.shape(), "must be U8, a short JSON text");
      }
      JsonNode json;
      try {
        json = JSON.readTree(new String(tensor.readAll().array(), StandardCharsets.UTF_8));
      } catch (JsonProcessingException e) {
        throw tensor.fail("its text", "is no JSON");
      }
      int block = json.path("blocksize").asInt();
      boolean fits = block >= GroupBlocks.LENGTH && block % GroupBlocks.LENGTH == 0;
      if (!fits || (long) shape.rows() * shape.cols() % block != 0) {
        throw tensor.fail(
            "blocksize " + json.path("blocksize"),
            "must be a multiple of %d that divides the weights".formatted(GroupBlocks.LENGTH));
      }
      if (shape.cols() % GroupBlocks.LENGTH != 0) {
        throw tensor.fail(shape.cols() + " inputs", "must be a multiple of " + GroupBlocks.LENGTH);
      }
      JsonNode dims = json.path("shape");
      if (dims.size() != 2
          || dims.get(0).asLong() != shape.rows()
          || dims.get(1).asLong() != shape.cols()) {
        throw tensor.fail("shape " + dims, "expected " + shape);
      }
      float offset = (float) json.path("nested_offset").asDouble();
      if (!Float.isFinite(offset)) {
        throw tensor.fail("nested_offset " + json.path("nested_offset"), "must be a number");
      }
      return new State(block, json.path("nested_blocksize").asInt(), offset);
    }
  }

  /** Where the largest magnitudes come from. */
  private record Scales(State state, StoredTensor absmax, StoredTensor nested, StoredTensor map) {
    float[] read() {
      if (nested == null) {
        return QuantizedFolder.scales(absmax);
      }
      ByteBuffer codes = absmax.readAll();
      float[] outer = QuantizedFolder.scales(nested);
      float[] values = QuantizedFolder.scales(map);
      float[] scales = new float[codes.limit()];
      for (int i = 0; i < scales.length; i++) {
        float scaled = values[codes.get(i) & 0xFF] * outer[i / state.nestedBlock];
        scales[i] = scaled + state.offset;
        if (!Float.isFinite(scales[i])) {
          throw nested.fail(
              "element %d = %s".formatted(i / state.nestedBlock, outer[i / state.nestedBlock]),
              "makes a scale of " + scales[i]);
        }
      }
      return scales;
    }
  }

  /** Rows of NF4 or FP4 blocks; scales are read when the first row is asked for. */
  private record Matrix(
      String name,
      QuantFormat format,
      TensorShapes.Shape shape,
      StoredTensor codes,
      int block,
      Lazy<float[]> scales)
      implements WeightSource {
    @Override
    public int rows() {
      return shape.rows();
    }

    @Override
    public int cols() {
      return shape.cols();
    }

    @Override
    public void readRows(int firstRow, int numRows, ByteBuffer dst) {
      SourceRows.check(this, firstRow, numRows, dst);
      float[] absmax = scales.get();
      ByteBuffer row = ByteBuffer.allocate(cols() / 2);
      for (int r = firstRow; r < firstRow + numRows; r++) {
        long first = (long) r * cols();
        codes.read(first / 2, row.clear());
        for (int k = 0; k < cols(); k += GroupBlocks.LENGTH) {
          float scale = absmax[(int) ((first + k) / block)];
          GroupBlocks.putTable(format, scale, row, k / 2, dst);
        }
      }
    }
  }

  @Override
  public String expectation() {
    return ", or bitsandbytes' 4-bit weight with its quant_state";
  }

  @Override
  public String describe() {
    return "bitsandbytes";
  }
}

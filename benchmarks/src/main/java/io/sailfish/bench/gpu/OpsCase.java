package io.sailfish.bench.gpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * One operator on one shape, as a program that runs on any backend: on rows {@code [first, first +
 * count)} of inputs that depend on the case alone and that the type of activations holds exactly
 * ({@link OpsInputs}).
 *
 * @param rows rows there are
 * @param tolerance of an element with fp16 activations, relative to the largest of the result
 */
record OpsCase(String name, int rows, double tolerance, Program program) {
  interface Program {
    /** Returns {@code [count, cols]} row-major. */
    float[] run(Backend backend, Ops ops, int first, int count);
  }

  float[] run(Backend backend, Ops ops) {
    return program.run(backend, ops, 0, rows);
  }

  /** Half a unit in fp16's last place, twice; sums are fp32. */
  private static final double HALF = 1e-3;

  /** 132 panels, the last not full. */
  private static final int MANY_OUTPUTS = 16893;

  /** 133 panels: more than multiprocessors, and half a block is left of blocks of two. */
  private static final int ODD_OUTPUTS = 17001;

  static List<OpsCase> all(OpsInputs in) {
    List<OpsCase> cases = new ArrayList<>();
    for (QuantFormat format : QuantFormat.values()) {
      cases.add(embed(in, format, 2 * format.blockLength()));
    }
    cases.add(embed(in, QuantFormat.Q8_0, 576));
    for (int cols : new int[] {8, 64, 576, 4096, 20000}) {
      cases.add(rmsNorm(in, cols));
    }
    cases.add(product(in, "linear", QuantFormat.F16, 300, 576, 300, false));
    cases.add(product(in, "logits", QuantFormat.F16, 1000, 576, 300, true));
    cases.add(product(in, "logits", QuantFormat.Q8_0, 515, 4096, 17, true));
    cases.add(product(in, "linear", QuantFormat.Q4_0, 520, 1536, 300, false));
    cases.add(product(in, "linear", QuantFormat.Q4_1, 200, 576, 140, false));
    cases.addAll(dense(in));
    for (QuantFormat format : List.of(QuantFormat.F16, QuantFormat.Q4_0, QuantFormat.Q4_1)) {
      cases.add(add(in, format));
      cases.add(swiGlu(in, format, 96));
      cases.add(swiGlu(in, format, 160));
    }
    for (int dim : new int[] {24, 64, 80, 128}) {
      cases.add(rope(in, new AttentionShape(6, 2, dim), true));
      cases.add(rope(in, new AttentionShape(6, 2, dim), false));
    }
    for (int dim : new int[] {24, 48, 64, 80, 128}) {
      cases.add(headNorm(in, new AttentionShape(6, 2, dim)));
    }
    cases.add(addBias(in, 60));
    cases.add(addBias(in, 576));
    cases.add(gather(in));
    cases.add(gatherCols(in));
    // Last, as rows are tiled otherwise on a backend that has met a weight with a table.
    for (QuantFormat format : QuantFormat.values()) {
      cases.add(product(in, "linear", format, 33, 96, 20, false));
      cases.add(product(in, "linear", format, 300, 1536, 150, false));
    }
    for (QuantFormat format : List.of(QuantFormat.U4, QuantFormat.Q4_K, QuantFormat.NF4)) {
      cases.add(add(in, format));
      cases.add(swiGlu(in, format, 160));
    }
    return cases;
  }

  /**
   * Dense weights of less than a strip, one, and an odd number of strips; and outputs for every
   * multiprocessor, which have kernels of their own: tiles of all sizes, several of them,
   * epilogues.
   */
  private static List<OpsCase> dense(OpsInputs in) {
    List<OpsCase> cases = new ArrayList<>();
    for (int outputs : new int[] {50, 64, 192, MANY_OUTPUTS, ODD_OUTPUTS}) {
      for (int rows : new int[] {16, 64, 128, 257}) {
        cases.add(product(in, "linear", QuantFormat.F16, outputs, 72, rows, false));
        cases.add(product(in, "logits", QuantFormat.F16, outputs, 72, rows, true));
      }
    }
    for (int rows : new int[] {64, 128, 257}) {
      cases.add(add(in, QuantFormat.F16, ODD_OUTPUTS, rows));
      cases.add(swiGlu(in, QuantFormat.F16, ODD_OUTPUTS / 2, rows));
    }
    return cases;
  }

  private record Source(String name, QuantFormat format, int rows, int cols, byte[] bytes)
      implements WeightSource {
    static Source random(OpsInputs in, QuantFormat format, int rows, int cols, long seed) {
      int rowBytes = Math.toIntExact(format.rowBytes(cols));
      ByteBuffer encoded = ByteBuffer.allocate(rows * rowBytes).order(ByteOrder.LITTLE_ENDIAN);
      float[] values = in.random(rows * cols, seed);
      for (int row = 0; row < rows; row++) {
        format.codec().encode(values, row * cols, cols, encoded, row * rowBytes);
      }
      return new Source("w" + seed, format, rows, cols, encoded.array());
    }

    @Override
    public void readRows(int firstRow, int numRows, ByteBuffer dst) {
      int rowBytes = Math.toIntExact(format.rowBytes(cols));
      dst.put(bytes, firstRow * rowBytes, numRows * rowBytes);
    }
  }

  static IntTensor ints(Backend backend, int... values) {
    IntTensor tensor = backend.ints(values.length, "input");
    backend.write(tensor, values, values.length);
    return tensor;
  }

  static float[] read(Backend backend, Tensor tensor) {
    float[] values = new float[tensor.rows() * tensor.cols()];
    backend.read(tensor, 0, values, 0, values.length);
    return values;
  }

  private static OpsCase embed(OpsInputs in, QuantFormat format, int cols) {
    return new OpsCase(
        "embed %s %d".formatted(format.id(), cols),
        70,
        6e-4,
        (backend, ops, first, count) -> {
          Weight table = backend.vocabularyWeight("table", Source.random(in, format, 300, cols, 1));
          int[] ids = new int[count];
          for (int i = 0; i < count; i++) {
            ids[i] = (first + i) * 37 % 300;
          }
          Tensor y = backend.floats(count, cols, "y");
          ops.embed(y, table, ints(backend, ids), count);
          return read(backend, y);
        });
  }

  private static OpsCase rmsNorm(OpsInputs in, int cols) {
    return new OpsCase(
        "rmsNorm " + cols,
        70,
        HALF,
        (backend, ops, first, count) -> {
          Tensor x = in.rows(backend, cols, 5, first, count);
          ops.rmsNorm(x, x, in.exactRows(backend, 1, cols, 6), 1e-5f, count);
          return read(backend, x);
        });
  }

  private static OpsCase product(
      OpsInputs in,
      String name,
      QuantFormat format,
      int outputs,
      int inputs,
      int rows,
      boolean logits) {
    int block = format.blockLength();
    int cols = Math.max(block, inputs / block * block);
    return new OpsCase(
        "%s %s %dx%d, %d rows".formatted(name, format.id(), outputs, cols, rows),
        rows,
        // The prefill product rounds each weight to fp16.
        logits ? 6e-4 : 2 * HALF,
        (backend, ops, first, count) -> {
          Tensor x = in.rows(backend, cols, 1, first, count);
          Tensor y =
              logits ? backend.exact(count, outputs, "y") : backend.floats(count, outputs, "y");
          if (logits) {
            Source head = Source.random(in, format, outputs, cols, 2);
            ops.linear(y, x, backend.vocabularyWeight("w", head), count);
            return read(backend, y);
          }
          Source low = Source.random(in, format, outputs / 3, cols, 2);
          Source high = Source.random(in, format, outputs - outputs / 3, cols, 3);
          ops.linear(y, x, backend.weight("w", List.of(low, high)), count);
          return read(backend, y);
        });
  }

  private static OpsCase add(OpsInputs in, QuantFormat format) {
    return add(in, format, 264, 150);
  }

  private static OpsCase add(OpsInputs in, QuantFormat format, int outputs, int rows) {
    return new OpsCase(
        "linearAdd %s %d".formatted(format.id(), outputs),
        rows,
        2 * HALF,
        (backend, ops, first, count) -> {
          int cols = format.blockLength() > 32 ? format.blockLength() : 320;
          Tensor y = in.rows(backend, outputs, 2, first, count);
          Source source = Source.random(in, format, outputs, cols, 3);
          Weight w = backend.weight("w", List.of(source));
          ops.linearAdd(y, in.rows(backend, cols, 1, first, count), w, count);
          return read(backend, y);
        });
  }

  private static OpsCase swiGlu(OpsInputs in, QuantFormat format, int inner) {
    return swiGlu(in, format, inner, 150);
  }

  private static OpsCase swiGlu(OpsInputs in, QuantFormat format, int inner, int rows) {
    return new OpsCase(
        "swiGlu %s %d".formatted(format.id(), inner),
        rows,
        3 * HALF,
        (backend, ops, first, count) -> {
          int cols = format.blockLength() > 32 ? format.blockLength() : 192;
          Weight w =
              backend.gatedWeight(
                  "w",
                  Source.random(in, format, inner, cols, 3),
                  Source.random(in, format, inner, cols, 4));
          Tensor y = backend.floats(count, inner, "y");
          Tensor x = backend.floats(count, cols, "x");
          float[] values = in.random((first + count) * cols, 1);
          for (int i = 0; i < values.length; i++) {
            values[i] /= 8;
          }
          backend.write(x, 0, values, first * cols, count * cols);
          ops.swiGlu(y, x, w, count);
          return read(backend, y);
        });
  }

  private static OpsCase rope(OpsInputs in, AttentionShape shape, boolean interleaved) {
    return new OpsCase(
        "rope %d %s".formatted(shape.headDim(), interleaved ? "neighbours" : "halves"),
        40,
        HALF,
        (backend, ops, first, count) -> {
          Tensor qkv = in.rows(backend, shape.qkvCols(), 7, first, count);
          int[] positions = new int[count];
          for (int i = 0; i < count; i++) {
            positions[i] = (first + i) * 3 % 11;
          }
          Tensor table = in.exactRows(backend, 11, shape.headDim(), 8);
          ops.rope(qkv, table, ints(backend, positions), shape, interleaved, count);
          return read(backend, qkv);
        });
  }

  private static OpsCase headNorm(OpsInputs in, AttentionShape shape) {
    return new OpsCase(
        "headNorm " + shape.headDim(),
        40,
        HALF,
        (backend, ops, first, count) -> {
          Tensor qkv = in.rows(backend, shape.qkvCols(), 7, first, count);
          Tensor q = in.exactRows(backend, 1, shape.headDim(), 8);
          Tensor k = in.exactRows(backend, 1, shape.headDim(), 9);
          ops.headNorm(qkv, q, k, 1e-6f, shape, count);
          return read(backend, qkv);
        });
  }

  private static OpsCase addBias(OpsInputs in, int cols) {
    return new OpsCase(
        "addBias " + cols,
        150,
        HALF,
        (backend, ops, first, count) -> {
          Tensor y = in.rows(backend, cols, 3, first, count);
          ops.addBias(y, in.exactRows(backend, 1, cols, 4), count);
          return read(backend, y);
        });
  }

  /** From rows that the prompts' operators wrote, as the last layer does. */
  private static OpsCase gather(OpsInputs in) {
    return new OpsCase(
        "gatherRows",
        30,
        HALF,
        (backend, ops, first, count) -> {
          Tensor x = in.rows(backend, 200, 3, 0, 300);
          backend.promptOps().rmsNorm(x, x, in.exactRows(backend, 1, 200, 4), 1e-5f, 300);
          int[] ids = new int[count];
          for (int i = 0; i < count; i++) {
            ids[i] = (first + i) * 71 % 300;
          }
          Tensor y = backend.floats(count, 200, "y");
          ops.gatherRows(y, x, ints(backend, ids), count);
          return read(backend, y);
        });
  }

  /** Columns 1, 2 .. 199, 0 of each row. */
  private static OpsCase gatherCols(OpsInputs in) {
    return new OpsCase(
        "gatherCols",
        150,
        HALF,
        (backend, ops, first, count) -> {
          int[] order = new int[200];
          for (int c = 0; c < order.length; c++) {
            order[c] = (c + 1) % order.length;
          }
          Tensor y = backend.floats(count, order.length, "y");
          ops.gatherCols(
              y, in.rows(backend, order.length, 3, first, count), ints(backend, order), count);
          return read(backend, y);
        });
  }
}

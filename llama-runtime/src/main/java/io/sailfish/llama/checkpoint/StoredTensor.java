package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;

/**
 * A tensor of a safetensors file, row-major.
 *
 * @param shape dimensions, outermost first; empty for a scalar
 * @param offset first byte in the file
 * @param bytes length, which shape and type agree with
 */
record StoredTensor(
    FileBytes file, String name, Type type, List<Long> shape, long offset, long bytes) {

  /** Element types of the safetensors format, as far as models of today hold them. */
  enum Type {
    BOOL(1, null),
    U8(1, null),
    I8(1, null),
    F8_E4M3(1, null),
    F8_E5M2(1, null),
    I16(2, null),
    U16(2, null),
    F16(2, QuantFormat.F16),
    BF16(2, QuantFormat.BF16),
    I32(4, null),
    U32(4, null),
    F32(4, QuantFormat.F32),
    F64(8, null),
    I64(8, null),
    U64(8, null);

    /** Bytes an element. */
    final int bytes;

    /** Our format of weights of this type, or null. */
    final QuantFormat format;

    Type(int bytes, QuantFormat format) {
      this.bytes = bytes;
      this.format = format;
    }

    /** Null when there is no such type. */
    static Type byName(String name) {
      return Arrays.stream(values()).filter(t -> t.name().equals(name)).findFirst().orElse(null);
    }
  }

  /** The elements from {@code first} on, as many as {@code dst} takes. */
  void read(long first, ByteBuffer dst) {
    file.read(offset + first * type.bytes, dst);
  }

  /**
   * The whole tensor in little endian. Refuses more than one array holds; then the tensor is read
   * in parts.
   */
  ByteBuffer readAll() {
    if (bytes > Integer.MAX_VALUE - 8) {
      throw fail(shape.toString(), "has %d bytes, more than are read at once".formatted(bytes));
    }
    ByteBuffer all = ByteBuffer.allocate((int) bytes).order(ByteOrder.LITTLE_ENDIAN);
    file.read(offset, all);
    return all.flip().order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Refuses another type or shape than the model needs. */
  StoredTensor require(List<Type> types, long... expected) {
    if (!types.contains(type)) {
      throw fail("type " + type, "must be one of " + types);
    }
    if (!hasShape(expected)) {
      throw fail("shape " + shape, "expected " + Arrays.toString(expected));
    }
    return this;
  }

  boolean hasShape(long... expected) {
    return shape.equals(Arrays.stream(expected).boxed().toList());
  }

  RuntimeFailure fail(String value, String problem) {
    return new RuntimeFailure(
        Kind.USER,
        "%s: tensor %s: %s: %s".formatted(file.path(), JsonFields.shown(name), value, problem),
        null);
  }
}

package io.sailfish.kernels.format.packed;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.GroupBlocks;
import io.sailfish.kernels.format.QuantFormat;
import io.sailfish.kernels.format.TwoByteFloat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PackedRowsTest {
  private static final int COLS = 192;

  private record Rows(String name, QuantFormat format, int rows, int cols, byte[] bytes)
      implements WeightSource {
    @Override
    public void readRows(int firstRow, int numRows, ByteBuffer dst) {
      int rowBytes = (int) format.rowBytes(cols);
      dst.put(bytes, firstRow * rowBytes, numRows * rowBytes);
    }
  }

  /** Rows of groups of 64 with 16-bit scales, and any codes. */
  private static Rows rows(String name, QuantFormat format, int count, boolean central, long seed) {
    Random random = new Random(seed);
    ByteBuffer out =
        ByteBuffer.allocate((int) (count * format.rowBytes(COLS))).order(ByteOrder.LITTLE_ENDIAN);
    byte[] codes = new byte[32];
    float scale = 0;
    int zero = 0;
    while (out.hasRemaining()) {
      if (out.position() / format.blockBytes() % 2 == 0) {
        scale = TwoByteFloat.F16.decode(TwoByteFloat.F16.encode(random.nextFloat()));
        zero = random.nextInt(4);
      }
      switch (format) {
        case U2, U3, U4 -> {
          int bits = GroupBlocks.bits(format);
          for (int i = 0; i < codes.length; i++) {
            codes[i] = (byte) random.nextInt(1 << bits);
          }
          int middle = 1 << bits - 1;
          GroupBlocks.putIntegers(format, scale, central ? middle : zero, codes, 0, out);
        }
        case NF4, FP4 -> {
          random.nextBytes(codes);
          GroupBlocks.putTable(format, scale, ByteBuffer.wrap(codes), 0, out);
        }
        case F16 -> out.putShort(TwoByteFloat.F16.encode((float) random.nextGaussian()));
        default -> {
          byte[] block = new byte[format.blockBytes()];
          random.nextBytes(block);
          block[1] = (byte) (block[1] & 0x3b); // scales that are numbers
          block[3] = (byte) (block[3] & 0x3b);
          out.put(block);
        }
      }
    }
    return new Rows(name, format, count, COLS, out.array());
  }

  private static PackedSource stored(PackedWeight weight) {
    byte[] bytes = new byte[(int) weight.form().bytes()];
    weight.pack((panel, at, of) -> System.arraycopy(of, 0, bytes, (int) at, of.length));
    return new PackedSource() {
      @Override
      public String name() {
        return "stored";
      }

      @Override
      public PackedForm form() {
        return weight.form();
      }

      @Override
      public void read(long offset, ByteBuffer dst) {
        dst.put(bytes, (int) offset, dst.remaining());
      }
    };
  }

  private static byte[] read(WeightSource source) {
    ByteBuffer out = ByteBuffer.allocate((int) (source.rows() * source.format().rowBytes(COLS)));
    for (int row = 0; row < source.rows(); row += 7) {
      source.readRows(row, Math.min(7, source.rows() - row), out);
    }
    return out.array();
  }

  @ParameterizedTest
  @CsvSource({
    "U4,true",
    "U4,false",
    "U3,true",
    "U3,false",
    "U2,true",
    "U2,false",
    "NF4,true",
    "FP4,true",
    "Q4_0,true",
    "Q4_1,true",
    "IQ4_NL,true",
    "F16,true"
  })
  void rowsComeBackAsTheyWere(QuantFormat format, boolean central) {
    Rows q = rows("q", format, 150, central, 1);
    Rows k = rows("k", format, 70, central, 2);
    PackedSource stacked = stored(PackedWeight.of(List.of(q, k), false, false));
    assertTrue(PackedRows.returns(format, stacked.form()));
    assertArrayEquals(
        q.bytes(), read(new PackedRows("q", 150, new PackedPanels(stacked, format), 0, 1)));
    assertArrayEquals(
        k.bytes(), read(new PackedRows("k", 70, new PackedPanels(stacked, format), 150, 1)));
    Rows up = rows("up", format, 150, central, 3);
    PackedSource gated = stored(PackedWeight.of(List.of(q, up), true, false));
    PackedPanels both = new PackedPanels(gated, format);
    assertArrayEquals(q.bytes(), read(new PackedRows("q", 150, both, 0, 2)));
    assertArrayEquals(up.bytes(), read(new PackedRows("up", 150, both, 1, 2)));
  }

  @Test
  void theBytesAreThoseThatACardIsGiven() {
    Rows rows = rows("q", QuantFormat.U4, 200, false, 5);
    PackedWeight weight = PackedWeight.of(List.of(rows), false, false);
    SourcePacking packing = SourcePacking.of(List.of(rows));
    byte[] bytes = new byte[(int) weight.form().bytes()];
    stored(weight).read(0, ByteBuffer.wrap(bytes));
    assertArrayEquals(PackedCodec.pack(packing.layout(), packing.parts().get(0)), bytes);
    assertEquals(packing.layout(), weight.form().layout());
    assertTrue(weight.form().largestScale() > 0.9 && weight.form().largestScale() <= 1);
  }

  @Test
  void whatWouldLoseSomethingIsNotPacked() {
    Rows exact = rows("q", QuantFormat.U4, 8, false, 5);
    assertNotNull(PackedWeight.of(List.of(exact), false, false));
    assertNull(PackedWeight.of(List.of(exact), false, true), "a vocabulary of codes");
    ByteBuffer.wrap(exact.bytes()).order(ByteOrder.LITTLE_ENDIAN).putFloat(0, 0.1f);
    assertNull(PackedWeight.of(List.of(exact), false, false), "a scale of 32 bits");
    Rows other = new Rows("k", QuantFormat.F32, 4, COLS, new byte[4 * 4 * COLS]);
    assertNull(PackedWeight.of(List.of(other), false, true));
    Rows halves = rows("k", QuantFormat.F16, 4, true, 1);
    assertNull(PackedWeight.of(List.of(exact, halves), false, false));
  }

  /** As a CPU packs gate and up: some rows of one, then the same of the other. */
  @Test
  void partsShareAPanelThatWasUnpacked() {
    Rows gate = rows("gate", QuantFormat.U4, 192, false, 5);
    Rows up = rows("up", QuantFormat.U4, 192, false, 6);
    PackedSource stored = stored(PackedWeight.of(List.of(gate, up), true, false));
    AtomicInteger reads = new AtomicInteger();
    PackedSource counted =
        new PackedSource() {
          @Override
          public String name() {
            return "counted";
          }

          @Override
          public PackedForm form() {
            return stored.form();
          }

          @Override
          public void read(long offset, ByteBuffer dst) {
            reads.incrementAndGet();
            stored.read(offset, dst);
          }
        };
    PackedPanels both = new PackedPanels(counted, QuantFormat.U4);
    ByteBuffer out = ByteBuffer.allocate((int) (32 * QuantFormat.U4.rowBytes(COLS)));
    for (int row = 0; row < 192; row += 32) {
      new PackedRows("gate", 192, both, 0, 2).readRows(row, 32, out.clear());
      new PackedRows("up", 192, both, 1, 2).readRows(row, 32, out.clear());
    }
    assertEquals(3, reads.get(), "384 outputs are three panels");
  }

  @Test
  void rowsBeyondTheMatrixAreRefused() {
    Rows rows = rows("q", QuantFormat.U4, 8, false, 5);
    PackedSource stored = stored(PackedWeight.of(List.of(rows), false, false));
    PackedRows back = new PackedRows("q", 8, new PackedPanels(stored, QuantFormat.U4), 0, 1);
    assertThrows(
        IndexOutOfBoundsException.class, () -> back.readRows(8, 1, ByteBuffer.allocate(9999)));
  }
}

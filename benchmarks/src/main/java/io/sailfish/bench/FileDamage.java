package io.sailfish.bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;

/** Damages a file at one to three places, mostly in its head: bits, bytes, numbers, cuts, moves. */
final class FileDamage {
  private static final long[] NUMBERS = {
    0,
    1,
    2,
    7,
    8,
    31,
    32,
    0x7f,
    0xff,
    0xffff,
    1L << 16,
    1L << 24,
    Integer.MAX_VALUE,
    1L << 31,
    0xffffffffL,
    1L << 32,
    1L << 40,
    1L << 60,
    Long.MAX_VALUE,
    Long.MIN_VALUE,
    -1,
    -32
  };
  private static final String[] TEXTS = {
    "null",
    "true",
    "-1",
    "0",
    "1e999",
    "99999999999999999999",
    "\"\"",
    "[]",
    "{}",
    "[[[[",
    "NaN",
    "4294967296",
    "0.5",
    "\"\\ud800\"",
    ",",
    ":",
    "}",
    "]"
  };

  private FileDamage() {}

  /**
   * @param headBytes where the description ends; most damage falls before it
   */
  static byte[] damage(byte[] whole, int headBytes, Random random) {
    byte[] out = whole.clone();
    for (int n = 1 + random.nextInt(3); n > 0 && out.length > 16; n--) {
      boolean anywhere = random.nextInt(8) == 0;
      int end = Math.min(out.length, anywhere ? out.length : Math.max(16, headBytes)) - 8;
      out = once(out, random.nextInt(Math.max(1, end)), random);
    }
    return out;
  }

  private static byte[] once(byte[] out, int at, Random random) {
    ByteBuffer buffer = ByteBuffer.wrap(out).order(ByteOrder.LITTLE_ENDIAN);
    long number = NUMBERS[random.nextInt(NUMBERS.length)];
    switch (random.nextInt(10)) {
      case 0 -> out[at] ^= (byte) (1 << random.nextInt(8));
      case 1 -> out[at] = (byte) random.nextInt();
      case 2 -> buffer.putInt(at, (int) number);
      case 3 -> buffer.putLong(at, number);
      case 4 -> buffer.putLong(at, buffer.getLong(at) + random.nextInt(65) - 32);
      case 5 -> {
        int from = random.nextInt(out.length - 8);
        System.arraycopy(out.clone(), from, out, at, 1 + random.nextInt(7));
      }
      case 6 -> {
        return move(out, at, random.nextInt(17) - 8);
      }
      case 7 -> {
        byte[] text = TEXTS[random.nextInt(TEXTS.length)].getBytes();
        System.arraycopy(text, 0, out, at, Math.min(text.length, out.length - at));
      }
      case 8 -> out[at] = (byte) ('0' + random.nextInt(10));
      default -> {
        if (random.nextInt(4) == 0) {
          return Arrays.copyOf(out, random.nextInt(out.length));
        }
        out[at] = (byte) random.nextInt();
      }
    }
    return out;
  }

  /** Inserts (by &gt; 0) or removes bytes at a place. */
  private static byte[] move(byte[] in, int at, int by) {
    int removed = Math.min(Math.max(0, -by), in.length - at);
    byte[] out = new byte[in.length + Math.max(0, by) - removed];
    System.arraycopy(in, 0, out, 0, at);
    int from = at + removed;
    System.arraycopy(in, from, out, at + Math.max(0, by), in.length - from);
    return out;
  }
}

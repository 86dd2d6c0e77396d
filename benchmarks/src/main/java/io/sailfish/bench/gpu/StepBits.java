package io.sailfish.bench.gpu;

import io.sailfish.kernels.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * Logits of steps, bit for bit: a sequence goes on by the same token again and again, alone and
 * among up to 255 others, its step queued and recorded, right behind prompts and behind nothing.
 * Prompts of eight sequences are repeated too.
 */
final class StepBits {
  static final String ROWS = "1,2,4,8,16,24,32,48,64,96,128,192,256";

  /** Up to so many rows steps are cheap and repeated more often. */
  private static final int FEW = 64;

  private static final int MORE_OFTEN = 5;
  private static final int EACH = StepModel.PROMPT_ROWS / StepModel.PROMPT;

  private final StepModel m;
  private final int[] rows;
  private final long[] expected = new long[StepModel.MAX_SEQUENCES];
  private final long[] expectedPrompts = new long[StepModel.MAX_SEQUENCES];
  private final TreeSet<Integer> failing = new TreeSet<>();
  private float[] values = new float[0];
  private long compared;
  private int differing;

  /**
   * @param rows of the steps, with commas between
   */
  StepBits(StepModel model, String rows) {
    this.m = model;
    this.rows = Stream.of(rows.split(",")).mapToInt(Integer::parseInt).toArray();
  }

  int differing() {
    return differing;
  }

  /** Rows compared. */
  long run(int repeats) {
    for (int first = 0; first < StepModel.MAX_SEQUENCES; first += EACH) {
      check("prompts from " + first, m.prefill(first), EACH, first, expectedPrompts);
    }
    for (int repeat = 0; repeat < repeats * MORE_OFTEN; repeat++) {
      for (int rows : this.rows) {
        if (rows <= FEW || repeat % MORE_OFTEN == 0) {
          steps(rows, repeat);
        }
      }
      int first = repeat * EACH % StepModel.MAX_SEQUENCES;
      check("prompts from " + first, m.prefill(first), EACH, first, expectedPrompts);
    }
    for (int rows : failing) {
      List<String> where = new ArrayList<>(new StepRepeats(m, rows).differing(80));
      System.out.printf("first layers of %d rows, 80 times: %d differ%n", rows, where.size());
      where.stream().limit(10).forEach(System.out::println);
    }
    return compared;
  }

  private void steps(int rows, int repeat) {
    if (repeat % 3 == 1) {
      m.prefill(repeat * EACH % StepModel.MAX_SEQUENCES);
    }
    m.place(rows, StepModel.PROMPT);
    String where = "%d rows, repeat %d, ".formatted(rows, repeat);
    boolean failed = !check(where + "queued", m.model.decode(m.step, rows), rows, 0, expected);
    m.place(rows, StepModel.PROMPT);
    m.backend.replay("bits " + rows, () -> m.model.decode(m.step, rows));
    String way = repeat == 0 ? "queued as a first time" : "recorded";
    failed |= !check(where + way, m.model.decodeLogits(), rows, 0, expected);
    if (failed) {
      failing.add(rows);
    }
  }

  /** Compares with what the sequences from {@code first} on had at first. */
  private boolean check(String what, Tensor logits, int rows, int first, long[] expected) {
    int vocabulary = m.config.vocabulary();
    if (values.length < rows * vocabulary) {
      values = new float[rows * vocabulary];
    }
    m.backend.read(logits, 0, values, 0, rows * vocabulary);
    List<Integer> wrong = new ArrayList<>();
    for (int row = 0; row < rows; row++) {
      long hash = 1;
      for (int i = row * vocabulary; i < (row + 1) * vocabulary; i++) {
        hash = hash * 31 + Float.floatToRawIntBits(values[i]);
      }
      if (expected[first + row] == 0) {
        expected[first + row] = hash;
      }
      if (expected[first + row] != hash) {
        wrong.add(row);
      }
    }
    compared += rows;
    differing += wrong.size();
    if (!wrong.isEmpty()) {
      System.out.printf("%s: %d of %d rows differ: %s%n", what, wrong.size(), rows, wrong);
    }
    return wrong.isEmpty();
  }
}

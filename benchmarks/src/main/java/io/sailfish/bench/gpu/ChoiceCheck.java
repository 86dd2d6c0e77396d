package io.sailfish.bench.gpu;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.ChoiceInputs;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.choice.TokenChoice;
import io.sailfish.kernels.choice.TokenChooser;
import io.sailfish.kernels.choice.TokenWeight;
import io.sailfish.kernels.cuda.CudaBackend;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;

/**
 * Holds the choice of tokens on a card against {@link TokenChooser}: equal tokens, not close ones,
 * for rows of all kinds side by side, in other orders and alone; the terms of log-probabilities to
 * the bit; and what becomes of rows whose answers have ended.
 */
final class ChoiceCheck {
  static final String NAME = "choice of tokens";

  private static final int ROWS = 48;
  private static final int BLOCK_TOKENS = 16;

  /** Blocks of a sequence. */
  private static final int STRIDE = 12;

  private static final int MASKS = 3;
  private static final AttentionShape SHAPE = new AttentionShape(1, 1, 64);

  private final CudaBackend card;
  private final KvCache cache;
  private final List<String> failures = new ArrayList<>();
  private int checked;

  ChoiceCheck(CudaBackend card) {
    this.card = card;
    this.cache = card.kvCache(2, ROWS * STRIDE, BLOCK_TOKENS, SHAPE);
  }

  int checked() {
    return checked;
  }

  List<String> failures() {
    return failures;
  }

  void run() {
    for (int vocabulary : new int[] {5, 512, 1001, 32000, 49152, 128256, 151936, 262144}) {
      Random random = new Random(vocabulary);
      Batch batch = new Batch(vocabulary, random);
      int[] inOrder = IntStream.range(0, ROWS).toArray();
      int[] backwards = IntStream.range(0, ROWS).map(i -> ROWS - 1 - i).toArray();
      chosen(batch, inOrder, false);
      chosen(batch, backwards, true);
      chosen(batch, new int[] {7, 3, 11, 31, 8, 47, 2}, true);
      for (int row = 0; row < ROWS; row += 5) {
        chosen(batch, new int[] {row}, row % 2 == 0);
      }
      greedy(batch);
      logProbTerms(batch, random);
    }
    endedRows();
  }

  /** One row of each kind and what the reference says of it. */
  private final class Batch {
    final int vocabulary;
    final float[][] logits = new float[ROWS][];
    final TokenChoice[] choices = new TokenChoice[ROWS];
    final int[][] masks = new int[MASKS][];
    final int[] maskOf = new int[ROWS];
    final int[][] tokens = new int[ROWS][];
    final int[] expected = new int[ROWS];

    Batch(int vocabulary, Random random) {
      this.vocabulary = vocabulary;
      for (int i = 0; i < MASKS; i++) {
        masks[i] = new int[(vocabulary + 31) / 32];
        for (int w = 0; w < masks[i].length && i < 2; w++) {
          masks[i][w] = i == 0 ? random.nextInt() : random.nextInt(40) == 0 ? 1 << w : 0;
        }
      }
      TokenChooser chooser = new TokenChooser(vocabulary);
      for (int row = 0; row < ROWS; row++) {
        logits[row] = logits(row % 11, vocabulary, random);
        choices[row] = choice(row, vocabulary, random);
        maskOf[row] = row % 7 == 3 ? random.nextInt(MASKS) : -1;
        int length = 1 + random.nextInt(STRIDE * BLOCK_TOKENS);
        int range = Math.min(vocabulary, row % 2 == 0 ? 300 : vocabulary);
        tokens[row] = random.ints(length, 0, range).toArray();
        expected[row] =
            chooser.choose(
                logits[row].clone(),
                choices[row],
                tokens[row],
                length,
                maskOf[row] < 0 ? null : masks[maskOf[row]]);
      }
    }
  }

  /** Smooth, peaked, flat, with ties, in steps of an eighth, infinite, all equal, not a number. */
  private static float[] logits(int kind, int vocabulary, Random random) {
    float[] logits = new float[vocabulary];
    for (int i = 0; i < vocabulary; i++) {
      float smooth = (float) random.nextGaussian();
      logits[i] =
          switch (kind) {
            case 0, 1 -> smooth * 2.5f + 3;
            case 2 -> smooth * 0.05f;
            case 3 -> smooth * 12;
            case 4 -> random.nextInt(5) * -0f - i % 3;
            case 5 -> Math.round(smooth * 16) / 8f;
            case 6 -> random.nextInt(3) > 0 ? Float.NEGATIVE_INFINITY : smooth;
            case 7 -> smooth * 1e30f;
            case 8 -> -7.5f;
            default -> smooth * 4 - 20;
          };
    }
    if (kind == 9) {
      int best = random.nextInt(vocabulary);
      logits[best] = random.nextBoolean() ? Float.NaN : Float.POSITIVE_INFINITY;
    } else if (kind == 10 && random.nextBoolean()) {
      Arrays.fill(logits, Float.NEGATIVE_INFINITY);
    }
    return logits;
  }

  private static TokenChoice choice(int row, int vocabulary, Random random) {
    float[] temperatures = {1f, 0.7f, 0.2f, 1.6f, 1e-20f, 100f, 0f};
    int[] topKs = {0, 50, 1, 0, 2, vocabulary - 1, 1000};
    float[] topPs = {1f, 0.9f, 0.95f, 1f, 0.5f, 0.9999f, 1e-6f};
    float[] minPs = {0f, 0f, 0.05f, 0.5f};
    float[] penalties = {1f, 1f, 1.1f, 0.8f, 1.5f};
    return TokenChoice.of(
        temperatures[random.nextInt(temperatures.length)],
        topKs[random.nextInt(topKs.length)],
        topPs[random.nextInt(topPs.length)],
        minPs[random.nextInt(minPs.length)],
        penalties[random.nextInt(penalties.length)],
        random.nextLong(),
        random.nextLong() + row);
  }

  /**
   * @param apart whether the rows of logits are others than the step's, as those of prompts
   */
  private void chosen(Batch batch, int[] rows, boolean apart) {
    StepInputs step = step(batch, rows, apart);
    int[] packed = new int[rows.length * TokenChoice.PACKED];
    int[] rowIds = new int[rows.length];
    for (int i = 0; i < rows.length; i++) {
      batch.choices[rows[i]].pack(batch.maskOf[rows[i]], packed, i * TokenChoice.PACKED);
      rowIds[i] = stepRow(i, rows.length, apart);
    }
    int[] masks = Arrays.stream(batch.masks).flatMapToInt(Arrays::stream).toArray();
    int[] ends = {batch.expected[0], batch.vocabulary - 1, batch.expected[ROWS - 1]};
    ChoiceInputs how =
        new ChoiceInputs(
            OpsCase.ints(card, ends),
            OpsCase.ints(card, packed),
            OpsCase.ints(card, masks),
            apart ? OpsCase.ints(card, rowIds) : null,
            step,
            cache);
    int first = rows.length % 3;
    IntTensor ids = card.ints(first + rows.length, "ids");
    card.choose(ids, first, upload(batch, rows), rows.length, how);
    int[] got = new int[first + rows.length];
    card.read(ids, got, got.length);
    for (int i = 0; i < rows.length; i++) {
      int row = rows[i];
      compare(
          batch,
          row,
          "chosen among " + rows.length,
          marked(batch.expected[row], ends),
          got[first + i]);
    }
  }

  private void greedy(Batch batch) {
    TokenChooser chooser = new TokenChooser(batch.vocabulary);
    int[] rows = IntStream.range(0, ROWS).toArray();
    int[] ends = {TokenChooser.best(batch.logits[1])};
    IntTensor ids = card.ints(ROWS, "ids");
    card.choose(ids, 0, upload(batch, rows), ROWS, ChoiceInputs.greedy(OpsCase.ints(card, ends)));
    int[] got = new int[ROWS];
    card.read(ids, got, ROWS);
    for (int row = 0; row < ROWS; row++) {
      float[] logits = batch.logits[row].clone();
      int expected = chooser.choose(logits, TokenChoice.GREEDY, new int[0], 0, null);
      compare(batch, row, "greedy", marked(expected, ends), got[row]);
    }
  }

  private static int marked(int token, int[] ends) {
    boolean ended = token >= 0 && IntStream.of(ends).anyMatch(end -> end == token);
    return ended ? token | ChoiceInputs.ENDS : token;
  }

  private void compare(Batch batch, int row, String what, int expected, int got) {
    checked++;
    if (expected != got) {
      failures.add(
          "%s of %d tokens, row %d (%s, mask %d): %d, expected %d; %s"
              .formatted(
                  NAME,
                  batch.vocabulary,
                  row,
                  what,
                  batch.maskOf[row],
                  got,
                  expected,
                  batch.choices[row]));
    }
  }

  private Tensor upload(Batch batch, int[] rows) {
    Tensor tensor = card.exact(rows.length, batch.vocabulary, "logits");
    for (int i = 0; i < rows.length; i++) {
      float[] logits = batch.logits[rows[i]];
      card.write(tensor, (long) i * batch.vocabulary, logits, 0, batch.vocabulary);
    }
    return tensor;
  }

  /** Row i of the logits is this row of the step. */
  private static int stepRow(int i, int count, boolean apart) {
    return apart ? 2 * (count - 1 - i) + 1 : i;
  }

  /** The newest token of each row, and all tokens in the cache, in blocks here and there. */
  private StepInputs step(Batch batch, int[] rows, boolean apart) {
    int stepRows = apart ? 2 * rows.length : rows.length;
    int[] positions = new int[stepRows];
    int[] sequences = new int[stepRows];
    Arrays.fill(positions, -1);
    int[] tables = new int[ROWS * STRIDE];
    Arrays.setAll(tables, i -> i / STRIDE + i % STRIDE * ROWS);
    List<Integer> tokens = new ArrayList<>();
    List<Integer> slots = new ArrayList<>();
    for (int i = 0; i < rows.length; i++) {
      int[] own = batch.tokens[rows[i]];
      positions[stepRow(i, rows.length, apart)] = own.length - 1;
      sequences[stepRow(i, rows.length, apart)] = i;
      for (int p = 0; p < own.length; p++) {
        tokens.add(own[p]);
        slots.add(tables[i * STRIDE + p / BLOCK_TOKENS] * BLOCK_TOKENS + p % BLOCK_TOKENS);
      }
    }
    IntTensor unused = card.ints(tokens.size(), "unused");
    IntTensor blockTables = OpsCase.ints(card, tables);
    StepInputs all =
        new StepInputs(
            ints(tokens), unused, ints(slots), unused, unused, blockTables, STRIDE, unused);
    card.takeTokens(all, cache, null, unused, tokens.size());
    return new StepInputs(
        unused,
        OpsCase.ints(card, positions),
        unused,
        OpsCase.ints(card, sequences),
        unused,
        blockTables,
        STRIDE,
        unused);
  }

  private IntTensor ints(List<Integer> values) {
    return OpsCase.ints(card, values.stream().mapToInt(Integer::intValue).toArray());
  }

  private void logProbTerms(Batch batch, Random random) {
    int count = 2 * ROWS;
    int[] rowIds = random.ints(count, 0, ROWS).toArray();
    int[] tokens = random.ints(count, 0, batch.vocabulary).toArray();
    IntTensor terms = card.ints(4 * count, "terms");
    Tensor logits = upload(batch, IntStream.range(0, ROWS).toArray());
    card.logProbTerms(terms, logits, OpsCase.ints(card, rowIds), OpsCase.ints(card, tokens), count);
    int[] got = new int[4 * count];
    card.read(terms, got, got.length);
    for (int i = 0; i < count; i++) {
      float[] row = batch.logits[rowIds[i]];
      int best = TokenChooser.best(row);
      boolean number = best >= 0 && Float.isFinite(row[best]);
      long sum = (got[4 * i + 2] & 0xFFFFFFFFL) | (long) got[4 * i + 3] << 32;
      long expected = number ? TokenWeight.sum(row, row[best]) : -1;
      boolean same =
          sum == expected
              && got[4 * i] == Float.floatToRawIntBits(row[tokens[i]])
              && (!number || got[4 * i + 1] == Float.floatToRawIntBits(row[best]));
      checked++;
      if (!same) {
        failures.add(
            "terms of a log-probability among %d tokens, row %d token %d: %s, expected sum %d"
                .formatted(
                    batch.vocabulary,
                    rowIds[i],
                    tokens[i],
                    Arrays.toString(Arrays.copyOfRange(got, 4 * i, 4 * i + 4)),
                    expected));
      }
    }
  }

  /** A row takes its token where the step before left it; one that has ended becomes padding. */
  private void endedRows() {
    int[] chosen = {9, 5 | ChoiceInputs.ENDS, -1, 77};
    int[] sources = {3, 1, -1, 2, 0};
    StepInputs step =
        new StepInputs(
            OpsCase.ints(card, 1, 1, 42, 1, 1),
            OpsCase.ints(card, 10, 11, 12, 13, 14),
            OpsCase.ints(card, 20, 21, 22, 23, 24),
            card.ints(1, "unused"),
            card.ints(1, "unused"),
            card.ints(1, "unused"),
            1,
            card.ints(1, "unused"));
    card.takeTokens(step, cache, OpsCase.ints(card, sources), OpsCase.ints(card, chosen), 5);
    same("tokens", step.tokenIds(), 77, 0, 42, 0, 9);
    same("positions", step.positions(), 10, -1, 12, 13, 14);
    same("slots", step.slots(), 20, -1, 22, 23, 24);
  }

  private void same(String what, IntTensor tensor, int... expected) {
    int[] got = new int[expected.length];
    card.read(tensor, got, got.length);
    checked++;
    if (!Arrays.equals(expected, got)) {
      failures.add(
          "%s taken from the step before: %s, expected %s"
              .formatted(what, Arrays.toString(got), Arrays.toString(expected)));
    }
  }
}

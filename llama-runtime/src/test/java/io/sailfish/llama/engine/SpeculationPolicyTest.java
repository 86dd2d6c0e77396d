package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.RuntimeFailure;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What {@code auto} gains and what it costs at most: an engine's loop with a simulated clock, over
 * devices whose steps take what they are said to and texts that are written down.
 */
class SpeculationPolicyTest {
  private static final int PROMPT = 60;
  private static final int WORDS = FakeModel.VOCABULARY;

  /** What mistakes may cost, of the time without drafts, and once. */
  private static final double SHARE = DraftAccount.SHARE + 0.005;

  private static final double ONCE = 4;

  /** Steps in microseconds; the wait is what an empty queue costs. */
  enum Device {
    CARD(true, 150) {
      @Override
      double micros(int rows, boolean drafted) {
        return 1_800 + 21 * filled(rows) + (drafted ? 80 + rows : 0);
      }
    },
    /**
     * 8B shapes on an H200: more than 16 rows and more than 32 each take a tile of products more.
     */
    H200(true, 100) {
      private static final double[] MICROS = {
        1_720, 1_735, 1_750, 1_830, 1_960, 2_520, 2_590, 3_300, 3_850, 12_000
      };

      @Override
      double micros(int rows, boolean drafted) {
        return MICROS[Arrays.binarySearch(SIZES, filled(rows))] + (drafted ? 450 : 0);
      }
    },
    /** Whose waits are dear: a small model. */
    SMALL_MODEL(true, 200) {
      @Override
      double micros(int rows, boolean drafted) {
        return 600 + 5 * filled(rows) + (drafted ? 60 : 0);
      }
    },
    CPU(false, 0) {
      @Override
      double micros(int rows, boolean drafted) {
        return 15_000 + 4_000 * rows;
      }
    },
    /** A step of many rows is no cheaper than many steps of one. */
    SLOW(false, 0) {
      @Override
      double micros(int rows, boolean drafted) {
        return 9_000 * rows;
      }
    },
    /** Sizes of steps are dear now and then, and there are steps that something delays. */
    UNEVEN(false, 0) {
      @Override
      double micros(int rows, boolean drafted) {
        return (10_000 + 1_000 * rows) * (rows % 3 == 2 ? 1.7 : 1);
      }
    };

    private static final int[] SIZES = {1, 2, 4, 8, 16, 24, 32, 48, 64, 256};

    final boolean ahead;
    final double wait;

    Device(boolean ahead, double wait) {
      this.ahead = ahead;
      this.wait = wait;
    }

    abstract double micros(int rows, boolean drafted);

    int filled(int rows) {
      return ahead ? IntStream.of(SIZES).filter(size -> size >= rows).min().getAsInt() : rows;
    }
  }

  /** What a row says at a place of its answer; prompts are different words in any order. */
  interface Text {
    int token(int[] prompt, int place, SplittableRandom random);

    Text FREE = (prompt, place, random) -> random.nextInt(WORDS);
    Text COPY =
        (prompt, place, random) ->
            random.nextInt(16) == 0 ? random.nextInt(WORDS) : prompt[place % prompt.length];

    /** Copies some words, always too few. */
    static Text bait(int words) {
      return (prompt, place, random) -> {
        int from = place / (words + 3) * 7 % (prompt.length - words);
        int within = place % (words + 3);
        return within < words ? prompt[from + within] : random.nextInt(WORDS);
      };
    }
  }

  private record Outcome(double micros, int tokens, List<Integer> draftedAt, long accepted) {
    double draftedAfter(int place) {
      return draftedAt.stream().filter(at -> at >= place).count();
    }
  }

  @ParameterizedTest
  @EnumSource(Device.class)
  void mistakesCostAShareOfTheTimeAtMostWhateverTheTextsAre(Device device) {
    for (int rows : new int[] {1, 5, 16, 32}) {
      List<Text> texts = new ArrayList<>(List.of(Text.FREE, Text.COPY));
      IntStream.of(1, 3, 4, 6, 10).forEach(words -> texts.add(Text.bait(words)));
      for (int t = 0; t < texts.size(); t++) {
        Text text = texts.get(t);
        compare(device, rows, (row, place) -> text, "text " + t);
      }
      compare(device, rows, (row, place) -> row % 2 == 0 ? Text.COPY : Text.FREE, "mixed rows");
      compare(device, rows, (row, place) -> row == 0 ? Text.COPY : Text.FREE, "one that copies");
      compare(
          device, rows, (row, place) -> place / 40 % 2 == 0 ? Text.COPY : Text.FREE, "by turns");
    }
  }

  private static void compare(Device device, int rows, Texts texts, String what) {
    for (double noise : new double[] {0, 0.15}) {
      Outcome off = new Loop(device, Drafting.OFF, rows, texts, noise).run(600);
      Outcome auto = new Loop(device, Drafting.AUTO, rows, texts, noise).run(600);
      double most = off.micros() * (1 + SHARE) + ONCE * device.micros(rows, false);
      assertTrue(
          auto.micros() <= most + noise * 0.1 * off.micros(),
          () ->
              "%s, %d rows, %s, noise %.2f: %.3f of the time, %d drafted, %d right"
                  .formatted(
                      device,
                      rows,
                      what,
                      noise,
                      auto.micros() / off.micros(),
                      auto.draftedAt().size(),
                      auto.accepted()));
      assertEquals(off.tokens(), auto.tokens());
    }
  }

  @Test
  void textsThatCopyGainWhereRowsAreCheap() {
    assertGain(Device.CARD, 1, 2.8);
    assertGain(Device.CARD, 16, 1.4);
    assertGain(Device.CARD, 32, 1.2);
    assertGain(Device.SMALL_MODEL, 1, 2.3);
    assertGain(Device.SMALL_MODEL, 16, 1.2);
    assertGain(Device.CPU, 1, 1.7);
  }

  /** What rows are ahead of one that does not copy makes nobody ready earlier. */
  @Test
  void rowsThatOneHoldsUpAreNoGain() {
    double off = laterJobsWithOneFreeRow(Drafting.OFF);
    double auto = laterJobsWithOneFreeRow(Drafting.AUTO);
    assertTrue(auto < 1.02 * off, "%.3f of the time".formatted(auto / off));
  }

  private static double laterJobsWithOneFreeRow(Drafting drafting) {
    boolean[] oneIsFree = {false};
    Texts texts = (row, place) -> oneIsFree[0] && row == 5 ? Text.FREE : Text.COPY;
    Loop loop = new Loop(Device.H200, drafting, 16, texts, 0.03);
    loop.run(400);
    oneIsFree[0] = true;
    double first = loop.run(128).micros();
    IntStream.range(0, 3).forEach(job -> loop.run(128));
    return loop.now - first;
  }

  /** Rows that get ahead of the others by turns are ready no earlier than the last one. */
  @Test
  void whatIsGuessedIsSpreadOverTheRowsOfABatch() {
    Loop loop = new Loop(Device.H200, Drafting.AUTO, 16, (row, place) -> Text.COPY, 0.03);
    loop.run(300);
    double share = (double) loop.rowsWithDrafts / loop.stepsWithDrafts;
    assertTrue(share > 10, share + " of 16 rows a step");
  }

  @Test
  void aRowByItselfIsAheadOfNobody() {
    Texts copy = (row, place) -> (prompt, at, random) -> prompt[at % prompt.length];
    Loop loop = new Loop(Device.CPU, Drafting.AUTO, 1, copy, 0);
    loop.run(300);
    assertTrue(loop.mostDrafts > 12, loop.mostDrafts + " drafts a step at most");
  }

  @Test
  void whileRowsWaitEveryTokenGains() {
    Texts copy = (row, place) -> Text.COPY;
    double off = new Loop(Device.CARD, Drafting.OFF, 128, 16, copy, 0).run(128).micros();
    double auto = new Loop(Device.CARD, Drafting.AUTO, 128, 16, copy, 0).run(128).micros();
    // Rows that end apart make a step of prompts each here; at once they share one.
    assertTrue(off > auto, "%.2f x".formatted(off / auto));
  }

  private static void assertGain(Device device, int rows, double least) {
    Texts copy = (row, place) -> Text.COPY;
    double off = new Loop(device, Drafting.OFF, rows, copy, 0.1).run(600).micros();
    double auto = new Loop(device, Drafting.AUTO, rows, copy, 0.1).run(600).micros();
    assertTrue(off > least * auto, "%s, %d rows: %.2f x".formatted(device, rows, off / auto));
  }

  /** The first steps of a size run unrecorded and are recorded, and looking takes time too. */
  @Test
  void autoGainsAsSoonAsOnWhereSizesAreRecorded() {
    for (Device device : List.of(Device.CARD, Device.SMALL_MODEL)) {
      double auto = recorded(device, Drafting.AUTO, false);
      assertTrue(auto < 1.02 * recorded(device, Drafting.ON, false), device + ": " + auto);
      assertTrue(auto < recorded(device, Drafting.OFF, false), device + ": " + auto);
      assertEquals(auto, recorded(device, Drafting.AUTO, true), "a rehearsal leaves no trace");
    }
  }

  private static double recorded(Device device, Drafting drafting, boolean rehearsed) {
    Loop loop = new Loop(device, drafting, 1, (row, place) -> Text.COPY, 0.1);
    loop.recordings = new double[] {1_500, 6_000};
    loop.look = 5;
    if (rehearsed) {
      loop.speculation.rehearse();
    }
    return loop.run(200).micros();
  }

  @Test
  void draftsEndWithTheCopyingAndComeBackWithIt() {
    Texts phases = (row, place) -> place < 300 || place >= 900 ? Text.COPY : Text.FREE;
    for (Device device : List.of(Device.CARD, Device.SMALL_MODEL, Device.CPU)) {
      Outcome auto = new Loop(device, Drafting.AUTO, 1, phases, 0.1).run(1_200);
      List<Integer> at = auto.draftedAt();
      long copied = at.stream().filter(place -> place < 300).count();
      long free = at.stream().filter(place -> place >= 350 && place < 900).count();
      int again = at.stream().filter(place -> place >= 900).findFirst().orElse(9_999);
      assertTrue(copied > 100, device + " drafted where it copies: " + copied);
      assertTrue(free < 40, device + " drafted in free text: " + free);
      assertTrue(again < 930, device + " comes back at " + again);
    }
  }

  @Test
  void whereNothingRepeatsNothingIsDraftedForLong() {
    for (Device device : Device.values()) {
      Outcome auto = new Loop(device, Drafting.AUTO, 4, (row, place) -> Text.FREE, 0.1).run(1_000);
      assertTrue(auto.draftedAfter(100) < 40, device + ": " + auto.draftedAfter(100));
    }
  }

  interface Texts {
    Text of(int row, int place);
  }

  /** What {@link Engine} does with a step, without threads, on a clock of its own. */
  private static final class Loop {
    private final Device device;
    private final double noise;
    private final Texts texts;
    private final EngineConfig config;
    private final Scheduler scheduler;
    private final Speculation speculation;
    private final StepOutputs outputs;
    private final EngineCounters counters = new EngineCounters();
    private final Map<Sequence, Row> rows = new IdentityHashMap<>();
    private final Map<Sequence, int[]> script = new IdentityHashMap<>();
    private final List<Integer> draftedAt = new ArrayList<>();
    private final Random random = new Random(4);
    private final int count;
    private final Map<Integer, Integer> stepsOfSize = new HashMap<>();

    /** Microseconds that the first steps with drafts take longer, of each size that is filled. */
    private double[] recordings = {};

    /** Microseconds between two looks at the clock. */
    private double look;

    private int mostDrafts;
    private int stepsWithDrafts;
    private int rowsWithDrafts;
    private double now;
    private double deviceFree;
    private double turn;
    private Queued queued;

    private record Queued(BatchPlan plan, double done) {}

    Loop(Device device, Drafting drafting, int count, Texts texts, double noise) {
      this(device, drafting, count, 64, texts, noise);
    }

    Loop(Device device, Drafting drafting, int count, int cap, Texts texts, double noise) {
      this.device = device;
      this.noise = noise;
      this.texts = texts;
      this.count = count;
      config =
          new EngineConfig(
              "fake", cap, "test", 4_000, 8_000, 16, 1, 4_096, 512, false, Set.of(), drafting);
      scheduler = new Scheduler(config.limits(), new BlockPool(8_000, 16, false, device.ahead));
      speculation =
          new Speculation(
              config,
              new Speculation.Steps(
                  device.ahead, device::filled, device.ahead ? 2 : 0, this::nanos));
      outputs = new StepOutputs(config, new FakeModel(1, 16), counters, rows, new EndsOfRows());
    }

    Outcome run(int tokens) {
      for (int row = 0; row < count; row++) {
        add(row, tokens);
      }
      while (!rows.isEmpty() || queued != null) {
        step();
      }
      return new Outcome(now, count * tokens, draftedAt, counters.acceptedTokens);
    }

    private void add(int index, int tokens) {
      SplittableRandom words = new SplittableRandom(index + 77);
      int[] prompt = words.ints(PROMPT, 0, WORDS).toArray();
      int[] all = new int[PROMPT + tokens + 1];
      System.arraycopy(prompt, 0, all, 0, PROMPT);
      for (int i = 0; i <= tokens; i++) {
        all[PROMPT + i] = texts.of(index, i).token(prompt, i, words);
      }
      GenerationRequest request = GenerationRequest.generate(prompt, SamplingParams.greedy(tokens));
      Row row = new Row(Row.Key.of(request), new Ticket(request, t -> {}), new LetterTokenizer());
      rows.put(row.sequence, row);
      script.put(row.sequence, all);
      scheduler.add(row.sequence);
    }

    private long nanos() {
      now += look;
      return (long) (1_000 * now);
    }

    private void step() {
      if (queued != null && speculation.pays(scheduler, rows)) {
        settle();
        if (rows.isEmpty()) {
          return;
        }
      }
      if (queued == null) {
        speculation.propose(scheduler, rows);
      }
      BatchPlan plan = scheduler.plan();
      Queued next = plan.isEmpty() ? null : queue(plan);
      settle();
      queued = next;
      if (next != null && (plan.drafts() > 0 || !device.ahead)) {
        settle();
      }
    }

    private Queued queue(BatchPlan plan) {
      double factor = 1 + noise * (2 * random.nextDouble() - 1);
      if (noise > 0 && random.nextInt(100) == 0) {
        factor *= 3;
      }
      boolean decodes = EngineCounters.decoding(plan) == plan.rows();
      double took = decodes ? factor * device.micros(plan.rows(), plan.drafts() > 0) : 10_000;
      if (plan.drafts() > 0) {
        stepsWithDrafts++;
        mostDrafts = Math.max(mostDrafts, plan.drafts());
        int before = stepsOfSize.merge(device.filled(plan.rows()), 1, Integer::sum) - 1;
        took += before < recordings.length ? recordings[before] : 0;
      }
      double wait = queued == null ? device.wait : 0;
      deviceFree = Math.max(deviceFree, now + wait) + took;
      for (BatchPlan.Part part : plan.parts()) {
        if (part.drafts() > 0) {
          rowsWithDrafts++;
          int place = part.sequence().length() - PROMPT;
          IntStream.range(0, part.drafts()).forEach(i -> draftedAt.add(place + i));
        } else if (part.logits() > 0 && device.ahead) {
          part.sequence().appendUnknown(0);
          if (outputs.isLast(rows.get(part.sequence()), part.sequence().length())) {
            part.sequence().seal();
          }
        }
      }
      return new Queued(plan, deviceFree);
    }

    private void settle() {
      if (queued == null) {
        return;
      }
      Queued done = queued;
      queued = null;
      now = Math.max(now, done.done());
      long accepted = counters.acceptedTokens;
      outputs.apply(done.plan(), logits(done.plan()), new StepUse(1, 1, 0, 0, 0));
      int decoding = EngineCounters.decoding(done.plan());
      accepted = counters.acceptedTokens - accepted;
      speculation.measured(done.plan(), decoding, accepted, (long) (1_000 * (now - turn)));
      turn = now;
    }

    private StepExecutor.Logits logits(BatchPlan plan) {
      return (index, dst) -> {
        for (BatchPlan.Part part : plan.parts()) {
          if (index >= part.firstLogit() && index < part.firstLogit() + part.logits()) {
            int position = plan.positions()[plan.logitRows()[index]];
            Arrays.fill(dst, 0);
            dst[script.get(part.sequence())[position + 1]] = 9;
          }
        }
      };
    }

    private final class EndsOfRows implements StepOutputs.Ends {
      @Override
      public void finished(Row row, GenerationResult.Finish finish) {
        scheduler.remove(row.sequence);
        row.sequence.dropUnknown();
        rows.remove(row.sequence);
      }

      @Override
      public void failed(Row row, RuntimeFailure failure) {
        throw failure;
      }
    }
  }
}

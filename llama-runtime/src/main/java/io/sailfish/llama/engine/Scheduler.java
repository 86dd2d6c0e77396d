package io.sailfish.llama.engine;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;

/**
 * Decides what each step computes. Pure policy: it owns the book-keeping of the KV blocks and never
 * touches the device, so the same code serves every backend and a fake model in tests.
 *
 * <p>A step takes one row of every running sequence that is decoding, then up to {@link
 * Limits#prefillTokens} further rows: prompts that are being computed, continuations to score, and
 * new sequences, in order of arrival. A prompt is cut only at multiples of {@link Limits#chunk}
 * from its own start, so the cuts never depend on who else is there. When the cache is full the
 * youngest running sequence is put back and computed again later, with the same bits.
 */
final class Scheduler {
  /**
   * @param rows sequences that run at a time
   * @param prefillTokens rows a step takes besides the decoding ones; a multiple of {@code chunk}
   * @param chunk where prompts are cut; a multiple of the block length
   * @param scoreRows logit rows a step has for continuations
   */
  record Limits(int rows, int prefillTokens, int chunk, int scoreRows) {
    Limits {
      if (rows <= 0 || chunk <= 0 || prefillTokens < chunk || scoreRows <= 0) {
        throw new IllegalArgumentException(
            ("scheduler limits: rows=%d, chunk=%d and scoreRows=%d must be positive,"
                    + " prefillTokens=%d at least a chunk")
                .formatted(rows, chunk, scoreRows, prefillTokens));
      }
    }

    /** Most rows of one step. */
    int stepRows() {
      return rows + prefillTokens;
    }

    /** Most logit rows of one step. */
    int logitRows() {
      return rows + scoreRows;
    }
  }

  /**
   * How many waiting sequences may be passed over because what they need is just being computed:
   * bounds the work of a step, not the order, which returns once the prefix is there.
   */
  private static final int LOOK_AHEAD = 128;

  private final Limits limits;
  private final BlockPool pool;
  private final Deque<Sequence> waiting = new ArrayDeque<>();

  /** In order of admission; the last one is the youngest. */
  private final List<Sequence> running = new ArrayList<>();

  /** Blocks that only the current step's copies of a prompt's tail use. */
  private final List<Integer> stepBlocks = new ArrayList<>();

  private long preemptions;

  Scheduler(Limits limits, BlockPool pool) {
    this.limits = limits;
    this.pool = pool;
  }

  Limits limits() {
    return limits;
  }

  int numWaiting() {
    return waiting.size();
  }

  int numRunning() {
    return running.size();
  }

  /** Share of the blocks for keys and values that sequences hold. */
  double kvUse() {
    return 1 - (double) pool.available() / pool.numBlocks();
  }

  /** Times that a running sequence was put back because the cache was full. */
  long preemptions() {
    return preemptions;
  }

  void add(Sequence sequence) {
    waiting.addLast(sequence);
  }

  /** Takes out a sequence that has ended or is no longer wanted. */
  void remove(Sequence sequence) {
    if (running.remove(sequence)) {
      sequence.releaseBlocks(pool);
    } else {
      waiting.remove(sequence);
    }
  }

  /**
   * Takes out what runs and forgets everything that the cache holds, after a step that failed; what
   * waits stays.
   *
   * @return the sequences that ran
   */
  List<Sequence> dropRunning() {
    List<Sequence> dropped = List.copyOf(running);
    running.clear();
    stepBlocks.clear();
    dropped.forEach(sequence -> sequence.releaseBlocks(pool));
    pool.clear();
    return dropped;
  }

  /**
   * The next step; empty only when nothing runs or waits, or when all that does has its last tokens
   * under way. The caller executes it and appends the chosen tokens, known or not yet, before it
   * asks for another; of what has ended it hears one step late at most.
   */
  BatchPlan plan() {
    stepBlocks.forEach(pool::release);
    stepBlocks.clear();
    BatchPlanBuilder step = new BatchPlanBuilder(pool.blockTokens());
    int drafted = planDecoding(step);
    int end = step.rows() - drafted + limits.prefillTokens();
    int scoreEnd = limits.scoreRows() - drafted;
    for (Sequence sequence : running) {
      if (sequence.isSealed()) {
        continue;
      }
      if (sequence.pending() > 0) {
        planPrompt(step, sequence, end - step.rows());
      } else if (sequence.scores()) {
        // Never in the step of the prompt's end: the tail has to be there before it is copied.
        scoreEnd -= planContinuations(step, sequence, Math.min(end - step.rows(), scoreEnd));
      }
    }
    admit(step, end);
    return step.build();
  }

  /**
   * The sequences that decode, if the next step has nothing else and there are at most {@code most}
   * of them; none otherwise.
   */
  List<Sequence> onlyDecoding(int most) {
    List<Sequence> decoding = new ArrayList<>();
    for (Sequence sequence : running) {
      if (sequence.isSealed()) {
        continue;
      }
      if (!decodes(sequence) || decoding.size() == most) {
        return List.of();
      }
      decoding.add(sequence);
    }
    boolean admits = !waiting.isEmpty() && decoding.size() < limits.rows();
    return admits ? List.of() : decoding;
  }

  private static boolean decodes(Sequence sequence) {
    return sequence.pending() == 1 && !sequence.isSealed() && !sequence.scores();
  }

  /**
   * Every row gets its place before any draft does: nobody is put back for a guess.
   *
   * @return tokens drafted
   */
  private int planDecoding(BatchPlanBuilder step) {
    running.forEach(sequence -> sequence.trim(pool));
    List<Sequence> decoding = new ArrayList<>();
    for (int i = 0; i < running.size(); i++) {
      if (decodes(running.get(i)) && reserve(running.get(i))) {
        decoding.add(running.get(i));
      }
    }
    int drafted = 0;
    for (Sequence sequence : decoding) {
      int[] draft = sequence.takeDraft();
      draft =
          Arrays.copyOf(
              draft, draftRoom(sequence, Math.min(draft.length, limits.scoreRows() - drafted)));
      if (draft.length > 0) {
        step.addDrafted(sequence, draft);
      } else {
        step.add(sequence, 1);
      }
      drafted += draft.length;
      sequence.advance(sequence.length(), pool);
    }
    return drafted;
  }

  /** How many of {@code wanted} drafted tokens there are blocks for. */
  private int draftRoom(Sequence sequence, int wanted) {
    int needed = blocksFor(sequence.length() + wanted);
    while (sequence.numBlocks() < needed && pool.available() > 0) {
      sequence.addBlock(pool.take());
    }
    return Math.min(wanted, sequence.numBlocks() * pool.blockTokens() - sequence.length());
  }

  /** Makes room for one more token; false when the sequence itself had to be put back for it. */
  private boolean reserve(Sequence sequence) {
    while (sequence.length() > sequence.numBlocks() * pool.blockTokens()) {
      if (pool.available() > 0) {
        sequence.addBlock(pool.take());
        continue;
      }
      Sequence youngest = running.remove(running.size() - 1);
      youngest.releaseBlocks(pool);
      waiting.addFirst(youngest);
      preemptions++;
      if (youngest == sequence) {
        return false;
      }
    }
    return true;
  }

  private void planPrompt(BatchPlanBuilder step, Sequence sequence, int budget) {
    int rows = promptRows(sequence, sequence.computed(), budget);
    if (rows > 0) {
      step.add(sequence, rows);
      sequence.advance(sequence.computed() + rows, pool);
    }
  }

  /** Rows of a prompt from {@code from} on that fit: to its end, or to the last cut within. */
  private int promptRows(Sequence sequence, int from, int budget) {
    int end = Math.min(sequence.length(), from + budget);
    if (end < sequence.length()) {
      end -= end % limits.chunk();
    }
    return Math.max(0, end - from);
  }

  /**
   * Continuations of one prompt. The first of a step goes on in the sequence's own blocks, so there
   * is always progress; the others, as far as there are free blocks, in blocks that live for this
   * step and start as copies of the prompt's partial tail.
   *
   * @return the rows planned
   */
  private int planContinuations(BatchPlanBuilder step, Sequence sequence, int budget) {
    int left = budget;
    boolean inPlace = true;
    while (sequence.nextContinuation() < sequence.continuations().size()) {
      int index = sequence.nextContinuation();
      int offset = sequence.continuationComputed();
      // The last token is only predicted, never computed.
      int needed = sequence.continuations().get(index).length - 1 - offset;
      int rows = Math.min(needed, left);
      if (needed > 0) {
        if (rows == 0 || (!inPlace && rows < needed)) {
          break;
        }
        int[] blocks =
            inPlace
                ? step.blockTable(sequence, sequence.length() + offset + rows)
                : forkBlocks(step, sequence, rows);
        if (blocks == null) {
          break;
        }
        step.addContinuation(sequence, index, offset, rows, blocks);
        inPlace = false;
        left -= rows;
      }
      sequence.advanceContinuation(rows, rows == needed);
      if (rows < needed) {
        break;
      }
    }
    return budget - left;
  }

  private int[] forkBlocks(BatchPlanBuilder step, Sequence sequence, int rows) {
    int shared = sequence.length() / pool.blockTokens();
    int total = blocksFor(sequence.length() + rows);
    if (pool.available() < total - shared) {
      return null;
    }
    int[] blocks = Arrays.copyOf(step.blockTable(sequence, shared * pool.blockTokens()), total);
    for (int i = shared; i < total; i++) {
      blocks[i] = pool.take();
      stepBlocks.add(blocks[i]);
    }
    if (sequence.length() % pool.blockTokens() != 0) {
      step.copyBlock(sequence.block(shared), blocks[shared]);
    }
    return blocks;
  }

  private void admit(BatchPlanBuilder step, int end) {
    int passedOver = 0;
    int active = (int) running.stream().filter(sequence -> !sequence.isSealed()).count();
    Iterator<Sequence> queue = waiting.iterator();
    while (queue.hasNext() && active < limits.rows() && passedOver < LOOK_AHEAD) {
      Sequence sequence = queue.next();
      if (sequence.hasUnknown() || sequence.isSealed()) {
        return; // just put back; what is on its way is there by the next step
      }
      List<Prefix> known = new ArrayList<>();
      if (!findPrefix(sequence, known)) {
        passedOver++;
        continue;
      }
      int from = known.size() * pool.blockTokens();
      if (promptRows(sequence, from, end - step.rows()) == 0 || !fits(sequence, known)) {
        return;
      }
      queue.remove();
      running.add(sequence);
      active++;
      sequence.adopt(known, pool);
      while (sequence.numBlocks() < blocksFor(sequence.reservedTokens())) {
        sequence.addBlock(pool.take());
      }
      sequence.promise(sequence.length(), pool);
      planPrompt(step, sequence, end - step.rows());
    }
  }

  /**
   * Collects the known blocks that the sequence starts with, short of its last token, whose logits
   * are wanted.
   *
   * @return false when the next block is just being computed for another sequence
   */
  private boolean findPrefix(Sequence sequence, List<Prefix> known) {
    Prefix parent = null;
    int end = pool.shareable(sequence, sequence.length() - 1);
    for (int from = 0; from + pool.blockTokens() <= end; from += pool.blockTokens()) {
      Prefix next = pool.find(parent, sequence.tokens(), from);
      if (next == null) {
        return true;
      }
      if (!next.ready) {
        return false;
      }
      known.add(next);
      parent = next;
    }
    return true;
  }

  /** Whether there are blocks for it and, if others run, one more for each of them. */
  private boolean fits(Sequence sequence, List<Prefix> known) {
    int fromCache = 0;
    for (Prefix prefix : known) {
      fromCache += pool.isHeld(prefix.block) ? 0 : 1;
    }
    int needed = blocksFor(sequence.reservedTokens()) - known.size();
    return pool.available() - fromCache - needed >= running.size();
  }

  private int blocksFor(int tokens) {
    return (tokens + pool.blockTokens() - 1) / pool.blockTokens();
  }
}

package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.cpu.CpuBackend;
import io.sailfish.llama.model.LlamaModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What goes to a device and comes back, and when its memory is used again. */
class StepTransfersTest {
  private static final int ROWS = 40;
  private static final int STRIDE = 16;

  private static StepBuffers buffers(Backend backend) {
    return new StepBuffers(backend, new LlamaModel.Sizes(ROWS, 8, 16, 256), STRIDE, 64);
  }

  /** Rows of sequences with so many tokens each, of which the first few are in the cache. */
  private static BatchPlan plan(int... lengths) {
    BatchPlanBuilder step = new BatchPlanBuilder(LlamaEngine.BLOCK_TOKENS);
    int block = 0;
    for (int length : lengths) {
      int[] prompt = IntStream.range(0, length).map(i -> 1000 * length + i).toArray();
      Sequence sequence = new Sequence(prompt, List.of());
      for (int i = 0; i * LlamaEngine.BLOCK_TOKENS < length; i++) {
        sequence.addBlock(block++);
      }
      step.add(sequence, length);
    }
    return step.build();
  }

  @Test
  void aPassIsOneCopyOfAllItsIntegers() {
    LateDevice device = new LateDevice();
    try (StepBuffers buffers = buffers(device.backend())) {
      BatchPlan plan = plan(3, 20);
      StepInputs inputs = buffers.tables(plan, STRIDE);
      List<StepPass> passes = StepPass.of(plan, 16);
      assertEquals(1, passes.size());
      buffers.upload(plan, passes.get(0), 24);
      assertEquals(2, device.copies, "block tables, and the pass");
      assertEquals(
          new StepTransfers.Counts(2, 2 * STRIDE + 6 * 24, 0, 0), buffers.transferCounts());
      buffers.fetch(device.backend().ints(64, "tokens"), 2).await();
      int[] tables = new int[2 * STRIDE];
      tables[STRIDE] = 1;
      tables[STRIDE + 1] = 2;
      assertArrayEquals(tables, head(inputs.blockTables(), 2 * STRIDE));
      assertArrayEquals(filled(plan.tokenIds(), 0), head(inputs.tokenIds(), 24));
      assertArrayEquals(filled(plan.sources(), -1), head(buffers.sources(), 24));
      assertArrayEquals(filled(plan.positions(), -1), head(inputs.positions(), 24));
      assertArrayEquals(filled(plan.slots(), -1), head(inputs.slots(), 24));
      assertArrayEquals(filled(plan.rowSequences(), 0), head(inputs.rowSequences(), 24));
      assertArrayEquals(new int[] {2, 22}, head(inputs.logitRows(), 2));
    }
    assertEquals(Set.of(), device.live);
  }

  private static int[] filled(int[] values, int padding) {
    int[] filled = Arrays.copyOf(values, 24);
    Arrays.fill(filled, values.length, 24, padding);
    return filled;
  }

  private static int[] head(IntTensor tensor, int count) {
    return ((LateDevice.Ints) tensor).head(count);
  }

  /** Three steps under way at most; what they send and bring stays theirs until then. */
  @Test
  void stepsThatAreUnderWayShareNoMemory() {
    LateDevice device = new LateDevice();
    try (StepBuffers buffers = buffers(device.backend())) {
      LateDevice.Ints tokens = (LateDevice.Ints) device.backend().ints(64, "tokens");
      List<StepTransfers.Tokens> coming = new ArrayList<>();
      for (int step = 0; step < 7; step++) {
        BatchPlan plan = plan(5 + step);
        StepInputs inputs = buffers.tables(plan, STRIDE);
        buffers.upload(plan, StepPass.of(plan, 16).get(0), plan.rows());
        device.queue.add(
            () -> tokens.data()[0] = ((LateDevice.Ints) inputs.tokenIds()).head(1)[0] + 1);
        coming.add(buffers.fetch(tokens, 1));
        if (step >= 1) {
          StepTransfers.Tokens last = coming.get(step - 1);
          last.await();
          assertEquals(1000 * (5 + step - 1) + 1, last.get(0), "step " + (step - 1));
        }
      }
      assertEquals(7, buffers.transferCounts().copiesOut());
    }
  }

  @Test
  void tokensThatNobodyCameForAreAwaitedBeforeTheirMemoryIsUsed() {
    LateDevice device = new LateDevice();
    try (StepBuffers buffers = buffers(device.backend())) {
      IntTensor tokens = device.backend().ints(64, "tokens");
      for (int step = 0; step < 3; step++) {
        buffers.tables(plan(5), STRIDE);
        buffers.fetch(tokens, 1);
      }
      assertEquals(6, device.queue.size());
      buffers.tables(plan(5), STRIDE);
      assertEquals(5, device.queue.size(), "the first step has run, the fourth is queued");
    }
  }

  @Test
  void aStepThatIsTooLargeIsRefused() {
    LateDevice device = new LateDevice();
    try (StepBuffers buffers = buffers(device.backend())) {
      BatchPlan plan = plan(40);
      buffers.tables(plan, STRIDE);
      StepPass pass = StepPass.of(plan, 16).get(0);
      assertThrows(
          IndexOutOfBoundsException.class,
          () -> IntStream.range(0, 1000).forEach(i -> buffers.upload(plan, pass, 40)));
    }
  }

  @Test
  void withoutADeviceNothingIsCopied() {
    try (StepBuffers buffers = buffers(CpuBackend.reference())) {
      buffers.upload(plan(3, 20));
      assertEquals(new StepTransfers.Counts(0, 0, 0, 0), buffers.transferCounts());
    }
  }
}

package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.BufferSource;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.choice.TokenChooser;
import io.sailfish.kernels.choice.TokenWeight;
import io.sailfish.kernels.cpu.CpuBackend;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import org.apache.arrow.memory.util.MemoryUtil;

/** A device that copies and scores as late as it can: when somebody waits for it. */
final class LateDevice implements BufferSource {
  final CpuBackend cpu = CpuBackend.reference();
  final Deque<Runnable> queue = new ArrayDeque<>();
  final Set<Long> live = new HashSet<>();
  int copies;

  record Ints(int[] data, int first, int length) implements IntTensor {
    int get(int index) {
      return data[first + index];
    }

    int[] head(int count) {
      return Arrays.copyOfRange(data, first, first + count);
    }
  }

  Backend backend() {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) ->
                switch (method.getName()) {
                  case "transferMemory" -> Optional.of(this);
                  case "ints" -> new Ints(new int[(int) arguments[0]], 0, (int) arguments[0]);
                  case "part" -> {
                    Ints whole = (Ints) arguments[0];
                    yield new Ints(whole.data, (int) arguments[1], (int) arguments[2]);
                  }
                  case "upload" -> {
                    upload(
                        (Ints) arguments[0],
                        (long) arguments[1],
                        (int) arguments[2],
                        (int) arguments[3]);
                    yield null;
                  }
                  case "logProbTerms" -> {
                    queue.add(() -> terms(arguments));
                    yield null;
                  }
                  case "readBack" ->
                      readBack((Ints) arguments[0], (int) arguments[1], (long) arguments[2]);
                  default -> {
                    try {
                      yield method.invoke(cpu, arguments);
                    } catch (InvocationTargetException e) {
                      throw e.getCause();
                    }
                  }
                });
  }

  private void upload(Ints dst, long address, int rows, int cols) {
    copies++;
    int pitch = dst.length / rows;
    queue.add(
        () -> {
          for (int i = 0; i < rows * cols; i++) {
            int at = dst.first + i / cols * pitch + i % cols;
            dst.data[at] = MemoryUtil.getInt(address + 4L * i);
          }
        });
  }

  private void terms(Object[] arguments) {
    Ints terms = (Ints) arguments[0];
    float[] row = new float[((Tensor) arguments[1]).cols()];
    for (int i = 0; i < (int) arguments[4]; i++) {
      int token = ((Ints) arguments[3]).get(i);
      cpu.read(
          (Tensor) arguments[1],
          (long) ((Ints) arguments[2]).get(i) * row.length,
          row,
          0,
          row.length);
      int best = TokenChooser.best(row);
      long sum = best < 0 || Float.isInfinite(row[best]) ? -1 : TokenWeight.sum(row, row[best]);
      int at = terms.first + 4 * i;
      terms.data[at] = Float.floatToRawIntBits(row[token]);
      terms.data[at + 1] = best < 0 ? 0 : Float.floatToRawIntBits(row[best]);
      terms.data[at + 2] = (int) sum;
      terms.data[at + 3] = (int) (sum >>> 32);
    }
  }

  private Backend.ReadBack readBack(Ints src, int count, long address) {
    queue.add(
        () -> {
          for (int i = 0; i < count; i++) {
            MemoryUtil.putInt(address + 4L * i, src.data[src.first + i]);
          }
        });
    int until = queue.size();
    return () -> {
      for (int i = 0; i < until && !queue.isEmpty(); i++) {
        queue.poll().run();
      }
    };
  }

  @Override
  public long allocate(long bytes) {
    long address = MemoryUtil.allocateMemory(bytes);
    live.add(address);
    return address;
  }

  @Override
  public void free(long address, long bytes) {
    assertTrue(live.remove(address));
    MemoryUtil.freeMemory(address);
  }
}

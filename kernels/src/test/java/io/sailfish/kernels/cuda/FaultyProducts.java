package io.sailfish.kernels.cuda;

import io.sailfish.kernels.DeviceLostException;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.ZeroKind;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A chain of products on a card of which one faults, in a process of its own since the card's
 * context does not survive: reads or writes what lies nowhere. Ends with status 0 if the fault was
 * reported to whoever waited, named the product, and was all that any later call heard, at once.
 *
 * <pre>FaultyProducts FAMILY PLACE</pre>
 */
final class FaultyProducts {
  /** How the faulty product is reached. */
  enum Family {
    /** 16 rows. */
    DECODE(1024, 16),
    /** A tile of prompts. */
    PREFILL(1024, 128),
    /** Too few inputs for Hopper's own kernels. */
    PORTABLE(256, 16),
    /** Dense weights. */
    DENSE(1024, 16),
    /** 16 rows, recorded: the fault is the recording's. */
    GRAPH(1024, 16),
    /** 16 rows, each launch waited for: the fault is that very launch's. */
    WAITED(1024, 16);

    final int inputs;
    final int tileRows;

    Family(int inputs, int tileRows) {
      this.inputs = inputs;
      this.tileRows = tileRows;
    }
  }

  /** What of the faulty product lies nowhere. */
  enum Place {
    WEIGHTS,
    RESULT
  }

  /** No card has memory there. */
  private static final long NOWHERE = 1L << 50;

  private static final int OUTPUTS = 640;

  /** Outputs of the faulty product, which tell it from the others. */
  private static final int FAULTY_OUTPUTS = 384;

  private static final int HEALTHY = 12;
  private static final int BEHIND = 3;
  private static final long AT_ONCE_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final Family family;
  private final Place place;
  private final CudaDevice device;
  private final CudaStream stream;
  private final QuantGemm gemm;
  private final CudaEvent behind;
  private final Map<Long, DeviceBuffer> buffers = new HashMap<>();
  private CudaGraph graph;

  private FaultyProducts(
      Family family,
      Place place,
      CudaDevice device,
      CudaStream stream,
      QuantGemm gemm,
      CudaEvent behind) {
    this.family = family;
    this.place = place;
    this.device = device;
    this.stream = stream;
    this.gemm = gemm;
    this.behind = behind;
  }

  public static void main(String[] args) throws InterruptedException {
    Family family = Family.valueOf(args[0]);
    try (CudaDevice device = CudaDevice.open(0, family == Family.WAITED);
        CudaStream stream = device.newStream();
        QuantGemm gemm = new QuantGemm(stream);
        CudaEvent behind = device.newEvent()) {
      new FaultyProducts(family, Place.valueOf(args[1]), device, stream, gemm, behind).run();
    }
    System.out.println("closed");
  }

  private void run() throws InterruptedException {
    product(FAULTY_OUTPUTS, false);
    for (int i = 0; i < HEALTHY; i++) {
      product(OUTPUTS, false);
    }
    stream.synchronize();
    require(!device.lost(), "lost before the fault");
    if (family == Family.GRAPH) {
      graph = stream.capture("faulty chain", this::faultyChain);
    }
    DeviceLostException first = lostIn(this::faultAndWait);
    System.out.println(first.getMessage());
    checkSuspects(first.suspects());
    checkRefused(first);
  }

  private void faultAndWait() {
    if (graph != null) {
      graph.launch(stream);
    } else {
      faultyChain();
    }
    stream.record(behind);
    stream.synchronize();
  }

  private void faultyChain() {
    product(OUTPUTS, false);
    product(FAULTY_OUTPUTS, true);
    for (int i = 0; i < BEHIND; i++) {
      product(OUTPUTS, false);
    }
  }

  private void product(int outputs, boolean faulty) {
    long nowhere = faulty ? NOWHERE : 0;
    int rows = family.tileRows;
    TiledActivations x = activations(family.inputs, 0);
    TiledActivations y = activations(outputs, place == Place.RESULT ? nowhere : 0);
    PackedLayout layout =
        new PackedLayout(
            PackedCode.W4, ZeroKind.SYMMETRIC, outputs, family.inputs, 128, TwoByteFloat.F16);
    boolean dense = family == Family.DENSE;
    long bytes = dense ? DenseMatrix.bytes(outputs, family.inputs) : layout.bytes();
    long weights = address(bytes, place == Place.WEIGHTS ? nowhere : 0);
    if (dense) {
      DenseMatrix w =
          new DenseMatrix("w", TwoByteFloat.F16, outputs, family.inputs, false, weights);
      DenseGemm.launch(stream, DenseGemm.Epilogue.STORE, y.address(), x, w, rows);
    } else {
      gemm.launch(y, x, DeviceWeight.integer("w", layout, weights, 0), rows);
    }
  }

  private TiledActivations activations(int cols, long nowhere) {
    long bytes = TiledActivations.bytes(family.tileRows, 1, cols);
    return new TiledActivations(
        TwoByteFloat.F16, family.tileRows, 1, cols, address(bytes, nowhere));
  }

  /**
   * Of memory of that size, what it holds does not matter; allocated once, as nothing may be later.
   */
  private long address(long bytes, long nowhere) {
    return nowhere != 0
        ? nowhere
        : buffers
            .computeIfAbsent(bytes, size -> device.memory().allocate(size, "a product"))
            .address();
  }

  private void checkSuspects(List<String> suspects) {
    require(suspects.size() <= DeviceFaults.REMEMBERED_LAUNCHES, "too many suspects");
    String entry =
        switch (family) {
          case DECODE, WAITED, GRAPH -> "gemm_w4_f16_g128";
          case PREFILL -> "gemm_prefill_w4";
          case PORTABLE -> "gemm_portable_w4";
          case DENSE -> "gemm_dense";
        };
    // The others have another number of outputs, and so all the same name.
    List<String> named = new ArrayList<>(suspects);
    named.removeIf(s -> !s.startsWith(entry) || Collections.frequency(suspects, s) > 1);
    require(named.size() == 1, "the product is named " + named.size() + " times");
    String last = suspects.get(suspects.size() - 1);
    if (family == Family.WAITED) {
      require(named.get(0).equals(last), "the last launch is " + last);
    }
    if (family == Family.GRAPH) {
      require(last.equals("graph faulty chain"), "the last launch is " + last);
    }
  }

  /** Whatever is asked of the device now, from any thread. */
  private void checkRefused(DeviceLostException first) throws InterruptedException {
    require(device.lost(), "not latched");
    List<Runnable> calls = new ArrayList<>();
    calls.add(() -> product(OUTPUTS, false));
    calls.add(stream::synchronize);
    calls.add(behind::synchronize);
    calls.add(() -> stream.record(behind));
    calls.add(() -> stream.fill(NOWHERE, 0, 16));
    calls.add(() -> stream.download(NOWHERE, ByteBuffer.allocateDirect(16)));
    calls.add(() -> stream.capture("later", () -> {}));
    calls.add(() -> device.memory().allocate(1L << 30, "a new buffer"));
    calls.add(device::newStream);
    calls.add(device::newEvent);
    calls.add(() -> device.pinned(1 << 16, "later"));
    if (graph != null) {
      calls.add(() -> graph.launch(stream));
    }
    List<String> wrong = new ArrayList<>();
    Thread other =
        new Thread(
            () -> {
              long start = System.nanoTime();
              for (Runnable call : calls) {
                try {
                  DeviceLostException again = lostIn(call);
                  if (!again.suspects().equals(first.suspects())) {
                    wrong.add("other suspects: " + again.getMessage());
                  }
                } catch (RuntimeException e) {
                  wrong.add("call " + calls.indexOf(call) + ": " + e);
                }
              }
              long nanos = System.nanoTime() - start;
              if (nanos > AT_ONCE_NANOS) {
                wrong.add("refused only after " + nanos / 1_000_000 + " ms");
              }
            });
    other.setDaemon(true); // a call that hangs must not keep the process
    other.start();
    other.join(TimeUnit.SECONDS.toMillis(20));
    require(!other.isAlive(), "a call on a lost device hangs");
    require(wrong.isEmpty(), wrong.toString());
    System.out.println(calls.size() + " calls refused");
  }

  private static DeviceLostException lostIn(Runnable work) {
    try {
      work.run();
    } catch (DeviceLostException e) {
      return e;
    }
    throw new IllegalStateException("no fault was reported");
  }

  private static void require(boolean condition, String message) {
    if (!condition) {
      throw new IllegalStateException(message);
    }
  }
}

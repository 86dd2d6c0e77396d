package io.sailfish.spark;

import io.sailfish.arrow.ArrowMemory;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Backends;
import io.sailfish.kernels.DeviceLostException;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.cuda.CudaBackend;
import io.sailfish.kernels.cuda.DeviceWeight;
import io.sailfish.kernels.cuda.QuantGemm;
import io.sailfish.kernels.cuda.TiledActivations;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedCode;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.ZeroKind;
import io.sailfish.llama.LlamaRuntime;
import io.sailfish.llama.LlamaRuntimes;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeInfo;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.engine.Engine;
import io.sailfish.llama.engine.LlamaEngine;
import io.sailfish.llama.task.EngineRuntime;
import io.sailfish.llama.task.PromptEncoder;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Properties;

/**
 * A real model on a device that is lost in the middle of a job: the embedding that is the {@code
 * step}th of this process fails, unless the file {@code marker} shows that one did already. On the
 * CPU it throws what a lost card throws; on a card it launches a product of weights that lie
 * nowhere, so that the card itself faults.
 */
final class FaultyModel {
  private final Path model;
  private final Path marker;
  private final int step;
  private int steps;

  FaultyModel(Properties behaviour) {
    model = Path.of(behaviour.getProperty("faulty"));
    marker = Path.of(behaviour.getProperty("marker"));
    step = Integer.parseInt(behaviour.getProperty("step"));
  }

  LlamaRuntime load(RuntimeConfig config) {
    Backend backend = faulty(Backends.open(config.backend()));
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      Tokenizer tokenizer = LlamaRuntimes.tokenizer(model, checkpoint);
      Engine engine = LlamaEngine.load(checkpoint, backend, tokenizer, config);
      int context = engine.config().contextTokens();
      String name = checkpoint.config().name();
      RuntimeInfo info =
          new RuntimeInfo(
              name, "faulty", backend.describe(), engine.config().batchCap(), "", context);
      PromptEncoder encoder =
          new PromptEncoder(
              tokenizer,
              LlamaRuntimes.template(model, checkpoint, config),
              checkpoint.tokenizerConfig(),
              name,
              context);
      return new EngineRuntime(
          info, engine, tokenizer, new ArrowMemory(config.arrowBytes()), encoder);
    }
  }

  private Backend faulty(Backend real) {
    Ops ops = faulty(real, real.ops());
    Ops promptOps = faulty(real, real.promptOps());
    return (Backend)
        Proxy.newProxyInstance(
            FaultyModel.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) ->
                switch (method.getName()) {
                  case "ops" -> ops;
                  case "promptOps" -> promptOps;
                  default -> call(() -> method.invoke(real, arguments));
                });
  }

  private Ops faulty(Backend real, Ops ops) {
    return (Ops)
        Proxy.newProxyInstance(
            FaultyModel.class.getClassLoader(),
            new Class<?>[] {Ops.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("embed") && ++steps == step && firstOfAll()) {
                fault(real);
              }
              return call(() -> method.invoke(ops, arguments));
            });
  }

  private interface Call {
    Object get() throws ReflectiveOperationException;
  }

  private static Object call(Call call) throws Throwable {
    try {
      return call.get();
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  private boolean firstOfAll() throws IOException {
    try {
      Files.createFile(marker);
      return true;
    } catch (FileAlreadyExistsException e) {
      return false;
    }
  }

  private static void fault(Backend real) {
    if (!(real instanceof CudaBackend card)) {
      throw new DeviceLostException("injected", List.of("embed"));
    }
    PackedLayout layout =
        new PackedLayout(PackedCode.W4, ZeroKind.SYMMETRIC, 128, 128, 128, TwoByteFloat.F16);
    QuantGemm gemm = new QuantGemm(card.stream()); // not closed: its memory goes with the process
    var memory = card.stream().device().memory();
    long bytes = TiledActivations.bytes(8, 1, 128);
    TiledActivations x =
        new TiledActivations(TwoByteFloat.F16, 8, 1, 128, memory.allocate(bytes, "x").address());
    TiledActivations y =
        new TiledActivations(TwoByteFloat.F16, 8, 1, 128, memory.allocate(bytes, "y").address());
    gemm.launch(y, x, DeviceWeight.integer("nowhere", layout, 1L << 50, 0), 1);
  }
}

package io.sailfish.bench;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.DerivedSource;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.LayerAttention;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.HalfFloat;
import io.sailfish.kernels.format.QuantFormat;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Set;

/**
 * A backend that computes as another one does, except that what chosen stages of a layer give is
 * rounded to fp16, once, as a backend with fp16 activations stores it. Sums stay as they are.
 */
final class HalfRounding {
  /** Where a value is rounded. */
  enum Stage {
    WEIGHTS("weights"),
    RESIDUAL("residual stream"),
    NORMED("normed rows"),
    PROJECTED("q, k, v as multiplied"),
    ROTATED("q, k, v as rotated and cached"),
    ATTENDED("attention"),
    INNER("swiglu");

    final String text;

    Stage(String text) {
      this.text = text;
    }
  }

  private final Backend exact;
  private final Set<Stage> stages;

  private HalfRounding(Backend exact, Set<Stage> stages) {
    this.exact = exact;
    this.stages = stages;
  }

  static Backend of(Backend exact, Set<Stage> stages) {
    HalfRounding rounding = new HalfRounding(exact, stages);
    Ops ops = proxy(Ops.class, rounding::compute);
    return proxy(
        Backend.class,
        (method, arguments) -> {
          if (method.getName().equals("ops") || method.getName().equals("promptOps")) {
            return ops;
          }
          return call(exact, method, rounding.roundedSources(arguments));
        });
  }

  private interface Handler {
    Object handle(Method method, Object[] arguments) throws Throwable;
  }

  private static <T> T proxy(Class<T> type, Handler handler) {
    Object proxy =
        Proxy.newProxyInstance(
            type.getClassLoader(),
            new Class<?>[] {type},
            (self, method, arguments) -> handler.handle(method, arguments));
    return type.cast(proxy);
  }

  private static Object call(Object target, Method method, Object[] arguments) throws Throwable {
    try {
      return method.invoke(target, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  private Object[] roundedSources(Object[] arguments) {
    if (arguments == null || !stages.contains(Stage.WEIGHTS)) {
      return arguments;
    }
    Object[] rounded = arguments.clone();
    for (int i = 0; i < rounded.length; i++) {
      if (rounded[i] instanceof WeightSource source) {
        rounded[i] = new RoundedSource(source);
      } else if (rounded[i] instanceof List<?> parts) {
        rounded[i] = parts.stream().map(part -> new RoundedSource((WeightSource) part)).toList();
      }
    }
    return rounded;
  }

  /** An operator; its first argument is what it writes. */
  private Object compute(Method method, Object[] arguments) throws Throwable {
    String name = method.getName();
    switch (name) {
      case "ropeAppend" -> ropeAppend(arguments, 0);
      case "ropeAttention" -> {
        ropeAppend(arguments, 1);
        Tensor y = (Tensor) arguments[0];
        Tensor qkv = (Tensor) arguments[1];
        StepInputs step = (StepInputs) arguments[3];
        KvCache cache = (KvCache) arguments[4];
        AttentionShape shape = (AttentionShape) arguments[6];
        int rows = (int) arguments[7];
        exact.ops().attention(y, qkv, cache, (int) arguments[5], step, shape, rows);
        round(Stage.ATTENDED, y);
      }
      default -> {
        Object result = call(exact.ops(), method, arguments);
        Stage stage = stageOf(name);
        if (stage != null && !isVocabulary((Tensor) arguments[0])) {
          round(stage, (Tensor) arguments[0]);
        }
        return result;
      }
    }
    return null;
  }

  private static Stage stageOf(String operator) {
    return switch (operator) {
      case "embed", "linearAdd" -> Stage.RESIDUAL;
      case "rmsNorm" -> Stage.NORMED;
      case "linear" -> Stage.PROJECTED;
      case "attention" -> Stage.ATTENDED;
      case "swiGlu" -> Stage.INNER;
      default -> null;
    };
  }

  /** Logits are fp32 everywhere. */
  private static boolean isVocabulary(Tensor tensor) {
    return tensor.cols() == FidelityBudgetBench.VOCABULARY;
  }

  /**
   * @param first place of qkv among the arguments
   */
  private void ropeAppend(Object[] a, int first) {
    Tensor qkv = (Tensor) a[first];
    LayerAttention how = (LayerAttention) a[first + 1];
    if (!how.isPlain()) {
      throw new IllegalArgumentException("a plain Llama's attention alone is rounded here");
    }
    StepInputs step = (StepInputs) a[first + 2];
    AttentionShape shape = (AttentionShape) a[first + 5];
    int rows = (int) a[first + 6];
    exact.ops().rope(qkv, how.cosSin(), step.positions(), shape, how.interleaved(), rows);
    round(Stage.ROTATED, qkv);
    KvCache cache = (KvCache) a[first + 3];
    exact.ops().kvAppend(cache, (int) a[first + 4], qkv, step.slots(), shape, rows);
  }

  private void round(Stage stage, Tensor tensor) {
    if (!stages.contains(stage)) {
      return;
    }
    float[] values = new float[tensor.rows() * tensor.cols()];
    exact.read(tensor, 0, values, 0, values.length);
    for (int i = 0; i < values.length; i++) {
      values[i] = half(values[i]);
    }
    exact.write(tensor, 0, values, 0, values.length);
  }

  private static float half(float value) {
    return HalfFloat.toFloat(HalfFloat.fromFloat(value));
  }

  /** fp32 weights, each rounded to fp16. */
  private record RoundedSource(WeightSource source) implements DerivedSource {
    RoundedSource {
      if (source.format() != QuantFormat.F32) {
        throw new IllegalArgumentException(source.name() + " is " + source.format() + ", not F32");
      }
    }

    @Override
    public void readRows(int firstRow, int numRows, ByteBuffer dst) {
      int begin = dst.position();
      source.readRows(firstRow, numRows, dst);
      ByteBuffer values = dst.duplicate().order(ByteOrder.LITTLE_ENDIAN);
      for (int at = begin; at < dst.position(); at += Float.BYTES) {
        values.putFloat(at, half(values.getFloat(at)));
      }
    }
  }
}

package io.sailfish.spark;

import com.esotericsoftware.kryo.Kryo;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.llama.DeviceUse;
import io.sailfish.llama.RowTask;
import io.sailfish.llama.RowUsage;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeInfo;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.SamplingParams;
import io.sailfish.llama.evaluate.EvaluationSums;
import io.sailfish.llama.quantize.CalibrationShard;
import io.sailfish.llama.quantize.ClusterSteps;
import io.sailfish.llama.quantize.FittedGrid;
import io.sailfish.llama.quantize.Grid;
import io.sailfish.llama.quantize.Matrix;
import io.sailfish.llama.quantize.QuantizedMatrix;
import io.sailfish.llama.quantize.StageMoments;
import io.sailfish.spark.catalyst.CallSpec;
import io.sailfish.spark.evaluate.TextWindow;
import io.sailfish.spark.exec.WindowSizes;
import java.math.BigDecimal;
import java.util.List;
import org.apache.spark.serializer.KryoRegistrator;

/**
 * {@code spark.kryo.registrator=io.sailfish.spark.SailfishKryoRegistrator}: everything of ours that
 * a program may broadcast, cache or collect. Queries need it not, with or without {@code
 * spark.kryo.registrationRequired}.
 */
public final class SailfishKryoRegistrator implements KryoRegistrator {
  static final List<Class<? extends Record>> RECORDS =
      List.of(
          RowTask.Generate.class,
          RowTask.Classify.class,
          SamplingParams.class,
          RowUsage.class,
          DeviceUse.class,
          BackendRequest.class,
          RuntimeConfig.class,
          RuntimeInfo.class,
          GenerationResult.class,
          CallSpec.class,
          WindowSizes.class,
          Matrix.class,
          FittedGrid.class,
          QuantizedMatrix.class,
          StageMoments.class,
          CalibrationShard.class,
          ClusterSteps.Piece.class,
          ClusterSteps.LayerMoments.class,
          ClusterSteps.ScaledLayer.class,
          EvaluationSums.class,
          EvaluationSums.Layer.class,
          TextWindow.class);

  private static final List<Class<?>> OTHERS =
      List.of(
          RowTask.Overflow.class,
          GenerationResult.Finish.class,
          int[].class,
          double[].class,
          RowTask[].class,
          SamplingParams[].class,
          RowUsage[].class,
          RuntimeConfig[].class,
          RuntimeInfo[].class,
          GenerationResult[].class,
          GenerationResult.Finish[].class,
          Grid.class,
          TwoByteFloat.class,
          float[].class,
          Matrix[].class,
          ClusterSteps.Piece[].class,
          ClusterSteps.LayerMoments[].class,
          ClusterSteps.ScaledLayer[].class,
          double[][].class,
          QuantizedMatrix[].class,
          CalibrationShard[].class,
          BigDecimal.class,
          EvaluationSums[].class,
          TextWindow[].class);

  @Override
  public void registerClasses(Kryo kryo) {
    RECORDS.forEach(type -> register(kryo, type));
    OTHERS.forEach(kryo::register);
  }

  private static <T extends Record> void register(Kryo kryo, Class<T> type) {
    kryo.register(type, new RecordSerializer<>(type));
  }
}

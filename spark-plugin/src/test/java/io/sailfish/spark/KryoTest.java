package io.sailfish.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.llama.DeviceUse;
import io.sailfish.llama.RowTask;
import io.sailfish.llama.RowTask.Overflow;
import io.sailfish.llama.RowUsage;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.RuntimeInfo;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.GenerationResult.Finish;
import io.sailfish.llama.engine.SamplingParams;
import io.sailfish.llama.evaluate.EvaluationSums;
import io.sailfish.llama.quantize.CalibrationShard;
import io.sailfish.llama.quantize.ClusterSteps;
import io.sailfish.llama.quantize.FittedGrid;
import io.sailfish.llama.quantize.Matrix;
import io.sailfish.llama.quantize.QuantizedMatrix;
import io.sailfish.llama.quantize.StageMoments;
import io.sailfish.spark.catalyst.CallSpec;
import io.sailfish.spark.evaluate.TextWindow;
import io.sailfish.spark.exec.WindowSizes;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.serializer.KryoSerializer;
import org.apache.spark.serializer.SerializerInstance;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

class KryoTest {
  private static final SamplingParams PARAMS =
      new SamplingParams(5, 0.5f, 1, 0.9f, 0.1f, 1.2f, -7L, List.of(".", "é"));

  private static final BigDecimal ZERO = BigDecimal.ZERO;
  private static final EvaluationSums.Layer LAYER =
      new EvaluationSums.Layer(new BigDecimal(1e-9), new BigDecimal(1e30));

  private static final List<Record> SAMPLES =
      List.of(
          PARAMS,
          new RowTask.Generate(null, PARAMS, Overflow.ERROR),
          new RowTask.Generate("system", PARAMS, Overflow.TRUNCATE_TAIL),
          new RowTask.Classify(List.of("a", "b"), null, Overflow.NULL),
          new RowUsage(1, 2, 3, 4, 5, 6, 7, 8, 9, new DeviceUse(1, 2, 3, 4, 0.5)),
          new DeviceUse(1, 2, 3, 4, 0.5),
          new BackendRequest("cuda", 3, "GPU-7", 0.25, TwoByteFloat.BF16),
          RuntimeConfig.defaults(),
          new RuntimeInfo("m", "f", "b", 32, "why", 2048),
          new CallSpec(
              "ai_gen", "m", new RowTask.Generate(null, PARAMS, Overflow.ERROR), true, false),
          new WindowSizes(1, 2, 3, 4L),
          LAYER,
          new EvaluationSums(
              "cpu", 2, new BigDecimal(0.1), ZERO, new BigDecimal(3e-20), 1, List.of(LAYER)));

  private static SparkConf conf(boolean required) {
    return new SparkConf(false)
        .set("spark.serializer", KryoSerializer.class.getName())
        .set("spark.kryo.registrationRequired", Boolean.toString(required))
        .set("spark.kryo.registrator", SailfishKryoRegistrator.class.getName());
  }

  @SuppressWarnings("unchecked")
  private static <T> T copy(T value, boolean required) {
    SerializerInstance kryo = new KryoSerializer(conf(required)).newInstance();
    ClassTag<T> tag = (ClassTag<T>) (ClassTag<?>) ClassTag$.MODULE$.Object();
    return kryo.deserialize(kryo.serialize(value, tag), tag);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void recordsComeBackEqual(boolean required) {
    for (Record sample : SAMPLES) {
      assertEquals(sample, copy(sample, required));
    }
    GenerationResult result =
        new GenerationResult("t", new int[] {1, 2}, Finish.STOP, new double[] {-0.5}, 3, 1);
    GenerationResult back = copy(result, required);
    assertArrayEquals(result.tokens(), back.tokens());
    assertArrayEquals(result.logProbs(), back.logProbs());
    assertEquals(result.finish(), back.finish());
    assertArrayEquals(new RowUsage[] {null}, copy(new RowUsage[] {null}, required));
  }

  @Test
  void everyRegisteredRecordHasASample() {
    Set<Class<?>> sampled = SAMPLES.stream().map(Object::getClass).collect(Collectors.toSet());
    sampled.add(GenerationResult.class);
    // Records of arrays; what ClusterQuantizerTest and ClusterEvaluationTest compare needs them.
    sampled.addAll(
        List.of(
            Matrix.class,
            FittedGrid.class,
            QuantizedMatrix.class,
            StageMoments.class,
            CalibrationShard.class,
            ClusterSteps.Piece.class,
            ClusterSteps.LayerMoments.class,
            ClusterSteps.ScaledLayer.class,
            TextWindow.class));
    assertEquals(Set.copyOf(SailfishKryoRegistrator.RECORDS), sampled);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void broadcastCacheCollectAndSql(boolean required) {
    SparkSession spark =
        Sessions.builder()
            .config(conf(required))
            .config(
                "spark.sailfish.model.path",
                FakeRuntimeFactory.model(Sessions.FOLDER.resolve("m"), "kryo"))
            .getOrCreate();
    try {
      JavaSparkContext sc = JavaSparkContext.fromSparkContext(spark.sparkContext());
      Broadcast<RowTask> task = sc.broadcast(new RowTask.Generate(null, PARAMS, Overflow.NULL));
      JavaRDD<RowUsage> usages =
          sc.parallelize(List.of(1L, 2L, 3L), 2)
              .map(
                  n -> {
                    RowTask.Generate generate = (RowTask.Generate) task.value();
                    return usage(n, generate.params().maxTokens());
                  })
              .persist(StorageLevel.MEMORY_AND_DISK_SER());
      assertEquals(3, usages.count());
      List<RowUsage> collected = new ArrayList<>(usages.collect());
      assertEquals(usage(3, 5), collected.get(2));
      assertTrue(
          spark
              .sql(
                  "SELECT ai_gen(concat('p', id % 3)) g, count(*) FROM range(100)"
                      + " GROUP BY 1 ORDER BY g")
              .collectAsList()
              .toString()
              .startsWith("[[gen<p0>,34]"));
      assertEquals(
          100,
          spark
              .sql("SELECT id, ai_gen(concat('p', id)) g FROM range(100)")
              .cache()
              .filter("g IS NOT NULL")
              .count());
    } finally {
      Sessions.stop(spark);
    }
  }

  private static RowUsage usage(long rows, long promptTokens) {
    return new RowUsage(rows, promptTokens, 0, 0, 0, 0, 0, 0, 0, DeviceUse.NONE);
  }
}

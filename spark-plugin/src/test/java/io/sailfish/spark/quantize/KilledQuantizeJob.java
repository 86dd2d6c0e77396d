package io.sailfish.spark.quantize;

import io.sailfish.llama.quantize.Calibration;
import io.sailfish.llama.quantize.Grid;
import io.sailfish.llama.quantize.Recipe;
import io.sailfish.spark.Sessions;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;

/** A job that is killed with its driver when the first layer is done. */
final class KilledQuantizeJob {
  static final int KILLED = 137;
  static final Recipe RECIPE = Recipe.of(Recipe.Method.GPTQ, Grid.INT4, 32);

  private KilledQuantizeJob() {}

  /**
   * @param args model, target and folder of layers, by any path that Hadoop opens
   */
  public static void main(String[] args) {
    JavaSparkContext spark = JavaSparkContext.fromSparkContext(session().sparkContext());
    new ClusterQuantizer(spark, args[0], RECIPE, calibration())
        .run(args[1], args[2], (done, of) -> Runtime.getRuntime().halt(KILLED));
  }

  /** Local files are there under the scheme {@code remote} too, as if they were not local. */
  static SparkSession session() {
    return Sessions.strictKryo("local[2]", "quantize on a file system")
        .config("spark.hadoop.fs.remote.impl", "io.sailfish.spark.source.ModelSourceTest$Remote")
        .getOrCreate();
  }

  static Calibration calibration() {
    Random random = new Random(3);
    List<int[]> sequences = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      sequences.add(random.ints(64, 0, 512).toArray());
    }
    return new Calibration(sequences);
  }
}

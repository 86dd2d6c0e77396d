package io.sailfish.cli;

import io.sailfish.spark.SailfishKryoRegistrator;
import io.sailfish.spark.conf.SailfishConf;
import io.sailfish.spark.evaluate.TextColumn;
import io.sailfish.spark.quantize.ClusterQuantizer;
import io.sailfish.spark.source.HadoopFiles;
import java.io.IOException;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.serializer.KryoSerializer;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.SparkSession;

/**
 * Spark for a command: that of spark-submit, or one in this process. Ours crosses the wire with
 * Kryo unless settings say otherwise.
 */
final class SparkJob implements AutoCloseable {
  private final WorkOptions.Cluster options;
  private final SparkSession session;

  /**
   * @param name of the command
   * @param threads of a model on an executor; 0 = as the settings say
   * @param stages whether Spark's own bar of its stages is wanted: of commands that have none
   */
  SparkJob(String name, WorkOptions.Cluster options, int threads, boolean stages) {
    this.options = options;
    SparkConf conf = new SparkConf().setIfMissing("spark.app.name", "sailfish " + name);
    if (options.master != null) {
      conf.setMaster(options.master);
    }
    conf.setIfMissing("spark.master", "local[*]");
    conf.setIfMissing("spark.serializer", KryoSerializer.class.getName());
    conf.setIfMissing("spark.kryo.registrator", SailfishKryoRegistrator.class.getName());
    conf.setIfMissing("spark.kryoserializer.buffer.max", "1g");
    conf.setIfMissing("spark.locality.wait", ClusterQuantizer.LOCALITY_WAIT);
    if (stages && ProgressBar.onTerminal()) {
      conf.setIfMissing("spark.ui.showConsoleProgress", "true");
    }
    if (threads != 0) {
      conf.set(SailfishConf.CPU_THREADS.key(), Integer.toString(threads));
    }
    this.session = SparkSession.builder().config(conf).getOrCreate();
  }

  JavaSparkContext context() {
    return JavaSparkContext.fromSparkContext(session.sparkContext());
  }

  /** The texts that the options say. */
  Dataset<String> texts(String path) {
    try {
      return new TextColumn(path, options.format, options.column).read(session);
    } catch (Exception e) {
      // Spark throws it, although no method of Spark declares it.
      if (e instanceof AnalysisException) {
        throw new IllegalArgumentException(path + ": " + e.getMessage().lines().findFirst().get());
      }
      throw e;
    }
  }

  /** Writes a text by any path that Hadoop opens. */
  void write(String path, String text) {
    Path target = new Path(path);
    try {
      FileSystem fs = HadoopFiles.of(target, context().hadoopConfiguration());
      HadoopFiles.put(fs, target, text);
    } catch (IOException e) {
      throw new IllegalArgumentException(path + ": cannot be written: " + e.getMessage(), e);
    }
  }

  @Override
  public void close() {
    session.stop();
  }
}

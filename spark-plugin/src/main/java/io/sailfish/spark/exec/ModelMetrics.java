package io.sailfish.spark.exec;

import io.sailfish.llama.DeviceUse;
import io.sailfish.llama.RowUsage;
import java.io.Serializable;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.execution.metric.SQLMetric;
import org.apache.spark.sql.execution.metric.SQLMetrics;

/**
 * The numbers that the SQL tab shows for a node. Sums grow while a task runs; the averages of a
 * task are set at its end.
 */
public final class ModelMetrics implements Serializable {
  private static final long serialVersionUID = 1L;

  private final SQLMetric outputRows;
  private final SQLMetric modelRows;
  private final SQLMetric promptTokens;
  private final SQLMetric outputTokens;
  private final SQLMetric reusedTokens;
  private final SQLMetric truncatedRows;
  private final SQLMetric errorRows;
  private final SQLMetric taskWait;
  private final SQLMetric slotWait;
  private final SQLMetric batchFill;
  private final SQLMetric tokensPerSecond;
  private final SQLMetric deviceTime;
  private final SQLMetric promptTime;
  private final SQLMetric answerTime;
  private final SQLMetric floorShare;
  private final SQLMetric kvUse;
  private final SQLMetric draftedTokens;
  private final SQLMetric acceptedTokens;

  private transient long startNanos;
  private transient long tokens;
  private transient long steps;
  private transient long stepRows;
  private transient DeviceUse device;

  private ModelMetrics(scala.collection.immutable.Map<String, SQLMetric> metrics) {
    outputRows = metrics.apply("numOutputRows");
    modelRows = metrics.apply("modelRows");
    promptTokens = metrics.apply("promptTokens");
    outputTokens = metrics.apply("outputTokens");
    reusedTokens = metrics.apply("reusedTokens");
    truncatedRows = metrics.apply("truncatedRows");
    errorRows = metrics.apply("errorRows");
    taskWait = metrics.apply("taskWait");
    slotWait = metrics.apply("slotWait");
    batchFill = metrics.apply("batchFill");
    tokensPerSecond = metrics.apply("tokensPerSecond");
    deviceTime = metrics.apply("deviceTime");
    promptTime = metrics.apply("promptTime");
    answerTime = metrics.apply("answerTime");
    floorShare = metrics.apply("floorShare");
    kvUse = metrics.apply("kvUse");
    draftedTokens = metrics.apply("draftedTokens");
    acceptedTokens = metrics.apply("acceptedTokens");
  }

  public static ModelMetrics of(scala.collection.immutable.Map<String, SQLMetric> metrics) {
    return new ModelMetrics(metrics);
  }

  /** A node's metrics by key, registered with the driver. */
  public static Map<String, SQLMetric> create(SparkContext sc) {
    Map<String, SQLMetric> metrics = new LinkedHashMap<>();
    metrics.put("numOutputRows", SQLMetrics.createMetric(sc, "number of output rows"));
    metrics.put("modelRows", SQLMetrics.createMetric(sc, "model rows"));
    metrics.put("promptTokens", SQLMetrics.createMetric(sc, "prompt tokens"));
    metrics.put("outputTokens", SQLMetrics.createMetric(sc, "output tokens"));
    metrics.put("reusedTokens", SQLMetrics.createMetric(sc, "reused prompt tokens"));
    metrics.put("truncatedRows", SQLMetrics.createMetric(sc, "truncated prompts"));
    metrics.put("errorRows", SQLMetrics.createMetric(sc, "rows with an error"));
    metrics.put("taskWait", SQLMetrics.createNanoTimingMetric(sc, "time waiting for answers", -1L));
    metrics.put(
        "slotWait", SQLMetrics.createNanoTimingMetric(sc, "time rows waited for a slot", -1L));
    metrics.put("batchFill", SQLMetrics.createAverageMetric(sc, "rows a model step"));
    metrics.put("tokensPerSecond", SQLMetrics.createAverageMetric(sc, "tokens a second per task"));
    metrics.put("deviceTime", SQLMetrics.createNanoTimingMetric(sc, "time of the device", -1L));
    metrics.put("promptTime", SQLMetrics.createNanoTimingMetric(sc, "of it for prompts", -1L));
    metrics.put("answerTime", SQLMetrics.createNanoTimingMetric(sc, "of it for answers", -1L));
    metrics.put(
        "floorShare", SQLMetrics.createAverageMetric(sc, "share of the memory floor, percent"));
    metrics.put("kvUse", SQLMetrics.createAverageMetric(sc, "keys and values in use, percent"));
    metrics.put("draftedTokens", SQLMetrics.createMetric(sc, "guessed output tokens"));
    metrics.put("acceptedTokens", SQLMetrics.createMetric(sc, "of them right"));
    return metrics;
  }

  void start() {
    startNanos = System.nanoTime();
    device = DeviceUse.NONE;
  }

  void addRow() {
    outputRows.add(1);
  }

  void addWait(long nanos) {
    taskWait.add(nanos);
  }

  void add(RowUsage usage) {
    modelRows.add(usage.rows());
    promptTokens.add(usage.promptTokens());
    outputTokens.add(usage.outputTokens());
    reusedTokens.add(usage.reusedTokens());
    truncatedRows.add(usage.truncatedRows());
    errorRows.add(usage.errorRows());
    slotWait.add(usage.waitNanos());
    deviceTime.add(usage.device().promptNanos() + usage.device().answerNanos());
    promptTime.add(usage.device().promptNanos());
    answerTime.add(usage.device().answerNanos());
    draftedTokens.add(usage.device().draftedTokens());
    acceptedTokens.add(usage.device().acceptedTokens());
    device = device.plus(usage.device());
    tokens += usage.promptTokens() + usage.outputTokens();
    steps += usage.steps();
    stepRows += usage.stepRows();
  }

  /** Once, at the task's end. */
  void end() {
    double seconds = (System.nanoTime() - startNanos) / 1e9;
    if (tokens > 0) {
      tokensPerSecond.set(tokens / seconds);
    }
    if (steps > 0) {
      batchFill.set((double) stepRows / steps);
      kvUse.set(100 * device.kvUse() / steps);
    }
    if (device.floorNanos() > 0) {
      floorShare.set(100.0 * device.floorNanos() / device.pureNanos());
    }
  }
}

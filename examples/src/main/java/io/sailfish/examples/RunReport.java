package io.sailfish.examples;

import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.scheduler.AccumulableInfo;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerExecutorMetricsUpdate;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import scala.collection.Iterator;

/**
 * Progress while a query runs and a summary after it, from the plugin's SQL metrics as Spark
 * reports them: running tasks with each heartbeat, finished ones with their end.
 */
final class RunReport extends SparkListener {
  /** Redrawn in place on a terminal; in a log a line now and then. */
  private static final boolean TERMINAL =
      System.console() != null && !"dumb".equals(System.getenv().getOrDefault("TERM", "dumb"));

  private static final long LOG_NANOS = 10_000_000_000L;

  private final Map<Long, Map<String, Long>> byTask = new ConcurrentHashMap<>();
  private volatile String name = "";
  private volatile long startNanos;
  private volatile long shownNanos;
  private double seconds;

  void begin(String query) {
    byTask.clear();
    name = query;
    startNanos = System.nanoTime();
    shownNanos = startNanos;
  }

  /** Of all queries that have ended. */
  double seconds() {
    return seconds;
  }

  void end() {
    double took = (System.nanoTime() - startNanos) / 1e9;
    seconds += took;
    Map<String, Long> sums = sums();
    long prompt = sums.getOrDefault("prompt tokens", 0L);
    long output = sums.getOrDefault("output tokens", 0L);
    long reused = sums.getOrDefault("reused prompt tokens", 0L);
    if (TERMINAL) {
      System.err.printf("\r%-78s\r", "");
    }
    System.out.printf(
        "%s: %,d rows in %.1f s; %,d prompt tokens (%,d of them computed once and shared),"
            + " %,d generated; %,.0f tokens/s.%n",
        name,
        sums.getOrDefault("model rows", 0L),
        took,
        prompt,
        reused,
        output,
        (prompt + output) / took);
    name = "";
  }

  @Override
  public void onExecutorMetricsUpdate(SparkListenerExecutorMetricsUpdate update) {
    Iterator<scala.Tuple4<Object, Object, Object, scala.collection.immutable.Seq<AccumulableInfo>>>
        tasks = update.accumUpdates().iterator();
    while (tasks.hasNext()) {
      var task = tasks.next();
      record((Long) task._1(), task._4().iterator());
    }
    long now = System.nanoTime();
    if (!name.isEmpty() && (TERMINAL || now - shownNanos > LOG_NANOS)) {
      shownNanos = now;
      Map<String, Long> sums = sums();
      System.err.printf(
          TERMINAL
              ? "\r   %s: %,d rows, %,d tokens after %.0f s "
              : "   %s: %,d rows, %,d tokens after %.0f s%n",
          name,
          sums.getOrDefault("model rows", 0L),
          sums.getOrDefault("prompt tokens", 0L) + sums.getOrDefault("output tokens", 0L),
          (now - startNanos) / 1e9);
    }
  }

  @Override
  public void onTaskEnd(SparkListenerTaskEnd end) {
    record(end.taskInfo().taskId(), end.taskInfo().accumulables().iterator());
  }

  private void record(long taskId, Iterator<AccumulableInfo> updates) {
    Map<String, Long> values = byTask.computeIfAbsent(taskId, id -> new ConcurrentHashMap<>());
    while (updates.hasNext()) {
      AccumulableInfo info = updates.next();
      if (info.name().isDefined()
          && info.update().isDefined()
          && info.update().get() instanceof Number value) {
        values.put(info.name().get(), value.longValue());
      }
    }
  }

  private Map<String, Long> sums() {
    Map<String, Long> sums = new TreeMap<>();
    byTask
        .values()
        .forEach(task -> task.forEach((key, value) -> sums.merge(key, value, Long::sum)));
    return sums;
  }
}

package io.sailfish.llama.engine;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Every step of an engine as events of the Chrome trace format, which Perfetto and chrome://tracing
 * open: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU ("JSON
 * Array Format", whose closing bracket may be missing). One thread, the engine's. A file that
 * cannot be written any more ends the timeline, not the engine.
 */
final class StepTimeline implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(StepTimeline.class);

  /** About 700 MB. */
  private static final long MOST_STEPS = 1 << 20;

  private static final int DEVICE = 1;
  private static final int HOST = 2;

  /**
   * Of a step, by {@link System#nanoTime}: when it was queued, when the device began with it, when
   * the host came to wait for it, when it was done, when its tokens had been looked at.
   */
  record Times(long queued, long begun, long waited, long done, long seen) {}

  private final Path file;
  private final long start = System.nanoTime();
  private Writer writer;
  private long steps;

  /**
   * Opens {@code NAME-PROCESS-TIME.json} in a folder, which is made if need be.
   *
   * @param name of the model
   * @throws RuntimeFailure of kind USER when that cannot be done
   */
  static StepTimeline in(Path folder, String name) {
    String safe = name.replaceAll("[^A-Za-z0-9._-]+", "-");
    long process = ProcessHandle.current().pid();
    Path file =
        folder.resolve("%s-%d-%d.json".formatted(safe, process, System.currentTimeMillis()));
    try {
      Files.createDirectories(folder);
      return new StepTimeline(file, Files.newBufferedWriter(file));
    } catch (IOException e) {
      throw new RuntimeFailure(
          Kind.USER,
          "the timeline %s cannot be written: %s; spark.sailfish.engine.timelineDir names its folder"
              .formatted(file, e),
          e);
    }
  }

  StepTimeline(Path file, Writer writer) {
    this.file = file;
    this.writer = writer;
    write("[");
    name(DEVICE, "device");
    name(HOST, "engine thread");
    LOG.info("a timeline of steps goes to {}", file);
  }

  private void name(int thread, String name) {
    write(
        "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"args\":{\"name\":\"%s\"}},\n"
            .formatted(thread, name));
  }

  void step(StepUse use, Times times) {
    if (writer == null) {
      return;
    }
    if (steps == MOST_STEPS) {
      LOG.warn("the timeline {} ends after {} steps", file, steps);
      close();
      return;
    }
    steps++;
    String args =
        "\"step\":%d,\"answers\":%d,\"prompt tokens\":%d,\"share of memory floor\":%s"
            .formatted(
                steps,
                use.decoding(),
                use.rows() - use.decoding(),
                number((double) use.floorNanos() / Math.max(1, use.nanos())));
    String what =
        use.decoding() == use.rows()
            ? "answers"
            : use.decoding() == 0 ? "prompts" : "answers and prompts";
    event(DEVICE, what, times.begun(), times.done(), args);
    event(HOST, "wait", times.waited(), times.done(), "\"step\":" + steps);
    event(HOST, "tokens", times.done(), times.seen(), "\"step\":" + steps);
    counter("KV blocks in use, percent", number(100 * use.kvUse()), times.done());
    counter("queued ahead, us", number((times.begun() - times.queued()) / 1e3), times.begun());
  }

  /** Sequences that run and that wait. */
  void queue(int running, int waiting, long nanos) {
    counter("running", Integer.toString(running), nanos);
    counter("waiting", Integer.toString(waiting), nanos);
  }

  private void event(int thread, String name, long from, long to, String args) {
    write(
        "{\"name\":\"%s\",\"ph\":\"X\",\"ts\":%s,\"dur\":%s,\"pid\":1,\"tid\":%d,\"args\":{%s}},\n"
            .formatted(name, micros(from), number((to - from) / 1e3), thread, args));
  }

  private void counter(String name, String value, long nanos) {
    write(
        "{\"name\":\"%s\",\"ph\":\"C\",\"ts\":%s,\"pid\":1,\"args\":{\"value\":%s}},\n"
            .formatted(name, micros(nanos), value));
  }

  private String micros(long nanos) {
    return number((nanos - start) / 1e3);
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.3f", value);
  }

  private void write(String text) {
    if (writer == null) {
      return;
    }
    try {
      writer.write(text);
    } catch (IOException e) {
      LOG.warn("the timeline {} ends here: it cannot be written", file, e);
      writer = null;
    }
  }

  @Override
  public void close() {
    if (writer == null) {
      return;
    }
    write(
        "{\"name\":\"steps\",\"ph\":\"M\",\"pid\":1,\"args\":{\"count\":%d}}]\n".formatted(steps));
    try (Writer ending = writer) {
      writer = null;
      ending.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

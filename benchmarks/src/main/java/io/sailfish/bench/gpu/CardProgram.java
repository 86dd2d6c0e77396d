package io.sailfish.bench.gpu;

import io.sailfish.bench.BenchmarkResult;
import io.sailfish.bench.RunFacts;
import io.sailfish.kernels.cuda.CudaAvailability;
import io.sailfish.kernels.cuda.CudaDevice;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * A program that runs on a card, and the file that it leaves.
 *
 * @param benchmark its name in result files
 * @param options of which {@code --commit} and {@code --results} are read here
 */
record CardProgram(Class<?> program, String benchmark, Options options) {
  /**
   * Ends the process with status 2 where there is no card.
   *
   * @param done what does not happen without one, such as "measured"
   */
  static CudaAvailability requireCard(String done) {
    CudaAvailability availability = CudaDevice.availability();
    if (!availability.available()) {
      System.out.println("nothing " + done + ", no card: " + availability.reason());
      System.exit(2);
    }
    return availability;
  }

  /**
   * Leaves a result of this machine's card; nothing without {@code --results}.
   *
   * @param tables null for none
   */
  void write(List<BenchmarkResult.Figure> figures, List<BenchmarkResult.Table> tables)
      throws IOException {
    if (options.has("results")) {
      System.out.println("written " + write(RunFacts.card(), figures, tables));
    }
  }

  Path write(
      String machine, List<BenchmarkResult.Figure> figures, List<BenchmarkResult.Table> tables)
      throws IOException {
    return new BenchmarkResult(
            benchmark,
            RunFacts.date(),
            options.text("commit", "unknown"),
            machine,
            "benchmarks/gpu/run.sh RESULTS program %s %s"
                .formatted(program.getSimpleName(), options.without("commit", "results"))
                .strip(),
            figures,
            tables)
        .write(Path.of(options.text("results", ".")));
  }
}

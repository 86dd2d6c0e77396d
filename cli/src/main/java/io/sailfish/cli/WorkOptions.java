package io.sailfish.cli;

import picocli.CommandLine.Option;

/** Options that several commands have, for picocli to mix in. */
final class WorkOptions {
  /** For commands that print facts. */
  static final class Output {
    @Option(names = "--json", description = "print one JSON object")
    boolean json;
  }

  /** For commands that run a model or change one. */
  static final class Processors {
    @Option(names = "--threads", description = "default: all processors", defaultValue = "0")
    int threads;
  }

  /** For commands that run a model. */
  static final class Device {
    @Option(
        names = "--backend",
        description = "auto, cpu or cuda; default ${DEFAULT-VALUE}",
        defaultValue = "auto")
    String backend;
  }

  private WorkOptions() {}
}

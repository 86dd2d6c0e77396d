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

  /** For commands that may run as a Spark job. */
  static final class Cluster {
    @Option(
        names = "--spark",
        description = {
          "run as a Spark job: under spark-submit on its cluster, else on --master;",
          "paths are any that Hadoop opens then"
        })
    boolean spark;

    @Option(
        names = "--master",
        paramLabel = "URL",
        description = "where Spark is, unless spark-submit says; default local[*]")
    String master;

    @Option(
        names = "--column",
        paramLabel = "NAME",
        description = "with --spark: column of the texts; default: the only one of strings")
    String column;

    @Option(
        names = "--format",
        description =
            "with --spark: parquet, orc, json, csv, text (each file a text) or table (of the"
                + " catalog); default: what the texts' name ends in")
    String format;

    /** Refuses what only a job can do. */
    void requireNoneWithoutSpark() {
      if (!spark && (master != null || column != null || format != null)) {
        throw new IllegalArgumentException(
            "%s is for Spark jobs: add --spark"
                .formatted(master != null ? "--master" : column != null ? "--column" : "--format"));
      }
    }
  }

  private WorkOptions() {}
}

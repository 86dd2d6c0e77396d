package io.sailfish.bench;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * A figure that the product is held to, one entry of benchmarks/figures.json.
 *
 * @param id name in result files
 * @param area part of the product
 * @param better {@code lower} or {@code higher}
 * @param must the bound
 * @param goal what it should be
 * @param unit of all numbers
 * @param peer what others reach, in words; null if nobody does it
 * @param what what is measured
 */
record Target(
    String id,
    String area,
    String better,
    double must,
    double goal,
    String unit,
    String peer,
    String what) {

  static List<Target> read(Path file) throws IOException {
    return new ObjectMapper().readValue(file.toFile(), new TypeReference<List<Target>>() {});
  }

  private boolean reaches(double value, double bound) {
    return better.equals("lower") ? value <= bound : value >= bound;
  }

  /** In a word for people. */
  String verdict(double value) {
    return reaches(value, goal) ? "goal" : reaches(value, must) ? "ok" : "**short**";
  }
}

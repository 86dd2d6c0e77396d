package io.sailfish.llama.evaluate;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/**
 * What an evaluation found, as facts, JSON and a plot.
 *
 * @param original null without one; what is measured against it is NaN then
 * @param weights errors of each layer's {@link WeightErrors#MATRICES}; empty without original
 */
public record EvaluationReport(
    String model, String original, EvaluationSums sums, List<double[]> weights) {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

  private static final int LABEL_WIDTH = 120;

  /** Pixels of the longest bar of a section. */
  private static final double FULL = 400;

  public EvaluationReport {
    weights = List.copyOf(weights);
  }

  /** Predicted tokens. */
  public long tokens() {
    return sums.tokens();
  }

  public double perplexity() {
    return sums.perplexity();
  }

  public double originalPerplexity() {
    return original == null ? Double.NaN : Math.exp(mean(sums.originalLoss().doubleValue()));
  }

  /** Mean over positions of KL(original ‖ model) in nats. */
  public double klDivergence() {
    return original == null ? Double.NaN : mean(sums.divergence().doubleValue());
  }

  /** Share of positions where both have the same most likely token. */
  public double agreement() {
    return original == null ? Double.NaN : mean(sums.agreeing());
  }

  /**
   * ‖x - x'‖ / ‖x'‖ of what a layer leaves in the residual stream, over all positions: what this
   * layer and those before it have cost.
   */
  public double outputError(int layer) {
    return sums.layers().get(layer).error();
  }

  private double mean(double sum) {
    return sum / sums.tokens();
  }

  /** For people and programs; tables are lists of maps. */
  public Map<String, Object> facts() {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("model", model);
    facts.put("backend", sums.backend());
    facts.put("tokens", tokens());
    facts.put("perplexity", perplexity());
    if (original != null) {
      facts.put("original", original);
      facts.put("perplexity of original", originalPerplexity());
      facts.put("perplexity ratio", perplexity() / originalPerplexity());
      facts.put("KL divergence, nats", klDivergence());
      facts.put("top-1 agreement", agreement());
      facts.put("relative errors by layer", table());
    }
    return facts;
  }

  private List<Map<String, Object>> table() {
    List<Map<String, Object>> rows = new ArrayList<>();
    for (int layer = 0; layer < weights.size(); layer++) {
      Map<String, Object> row = new LinkedHashMap<>();
      row.put("layer", layer);
      row.put("output", outputError(layer));
      for (int i = 0; i < WeightErrors.MATRICES.size(); i++) {
        row.put(WeightErrors.MATRICES.get(i), weights.get(layer)[i]);
      }
      rows.add(row);
    }
    return rows;
  }

  public String json() {
    try {
      return JSON.writeValueAsString(facts()) + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Perplexities side by side, then the layers' errors. */
  public String svg() {
    BarPlot plot = new BarPlot(LABEL_WIDTH);
    double longest = original == null ? perplexity() : Math.max(perplexity(), originalPerplexity());
    plot.heading(
        String.format(Locale.ROOT, "Perplexity on %,d tokens (shorter is better)", tokens()));
    if (original != null) {
      bar(plot, "original", originalPerplexity(), longest, BarPlot.GOOD);
    }
    bar(plot, "model", perplexity(), longest, original == null ? BarPlot.GOOD : BarPlot.BAD);
    if (original != null) {
      plot.heading("Relative error of what layers put out");
      section(plot, IntStream.range(0, weights.size()).mapToDouble(this::outputError).toArray());
      plot.heading("Relative error of layers' weights: the worst matrix");
      section(
          plot, weights.stream().mapToDouble(e -> DoubleStream.of(e).max().orElse(0)).toArray());
    }
    return plot.svg();
  }

  private static void section(BarPlot plot, double... errors) {
    double longest = DoubleStream.of(errors).max().orElse(0);
    for (int layer = 0; layer < errors.length; layer++) {
      bar(plot, "layer " + layer, errors[layer], longest, BarPlot.BAD);
    }
  }

  private static void bar(BarPlot plot, String label, double value, double longest, String color) {
    String text = String.format(Locale.ROOT, "%.4f", value);
    plot.bar(label, longest == 0 ? 0 : FULL * value / longest, color, text);
  }
}

package io.sailfish.llama.evaluate;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;

/**
 * What windows of a text add up to. Windows add in double in the order of their positions; sums of
 * windows are exact, so that they do not depend on who adds which first.
 *
 * @param backend that computed them; empty without windows
 * @param tokens predicted tokens
 * @param loss sum of their negative log-likelihoods in nats
 * @param originalLoss the same of the original; 0 without one
 * @param divergence sum over positions of KL(original ‖ model) in nats
 * @param agreeing positions where both have the same most likely token
 * @param layers of each layer; empty without original
 */
public record EvaluationSums(
    String backend,
    long tokens,
    BigDecimal loss,
    BigDecimal originalLoss,
    BigDecimal divergence,
    long agreeing,
    List<Layer> layers) {
  /** Of no windows. */
  public static final EvaluationSums NONE =
      new EvaluationSums("", 0, BigDecimal.ZERO, BigDecimal.ZERO, BigDecimal.ZERO, 0, List.of());

  /**
   * What a layer leaves in the residual stream, over all positions.
   *
   * @param difference sum of squares of model - original
   * @param original sum of squares of the original
   */
  public record Layer(BigDecimal difference, BigDecimal original) {
    Layer plus(Layer other) {
      return new Layer(difference.add(other.difference), original.add(other.original));
    }

    /** ‖model - original‖ / ‖original‖. */
    double error() {
      return original.signum() == 0
          ? 0
          : Math.sqrt(difference.doubleValue() / original.doubleValue());
    }
  }

  public EvaluationSums {
    layers = List.copyOf(layers);
  }

  /**
   * Of both.
   *
   * @throws RuntimeFailure when they were computed by different backends, which do not give the
   *     same bits
   */
  public EvaluationSums plus(EvaluationSums other) {
    if (tokens == 0 || other.tokens == 0) {
      return tokens == 0 ? other : this;
    }
    if (!backend.equals(other.backend)) {
      throw new RuntimeFailure(
          Kind.USER,
          "some windows were computed by backend %s, some by %s: name one of them"
              .formatted(backend, other.backend),
          null);
    }
    List<Layer> both = new ArrayList<>();
    for (int i = 0; i < layers.size(); i++) {
      both.add(layers.get(i).plus(other.layers.get(i)));
    }
    return new EvaluationSums(
        backend,
        tokens + other.tokens,
        loss.add(other.loss),
        originalLoss.add(other.originalLoss),
        divergence.add(other.divergence),
        agreeing + other.agreeing,
        both);
  }

  /** exp of the mean negative log-likelihood. */
  public double perplexity() {
    return Math.exp(loss.doubleValue() / tokens);
  }
}

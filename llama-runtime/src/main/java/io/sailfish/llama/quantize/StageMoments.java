package io.sailfish.llama.quantize;

import java.util.List;

/**
 * What the matrices of a stage need to know of their inputs. Travels to wherever they are
 * quantised.
 *
 * @param importance second moment of each input; null without calibration
 * @param order of the columns in GPTQ, or null
 * @param factor of the inverse Hessian in that order, or null
 */
public record StageMoments(double[] importance, int[] order, float[] factor) {
  static final StageMoments NONE = new StageMoments(null, null, null);

  static StageMoments of(Hessian hessian, Recipe recipe, List<String> names, Workers workers) {
    boolean gptq =
        names.stream()
            .map(recipe::choice)
            .anyMatch(choice -> choice != null && choice.method() == Recipe.Method.GPTQ);
    if (!gptq) {
      return new StageMoments(hessian.diagonal(), null, null);
    }
    int[] order = Rounding.byMoment(hessian);
    float[] factor = hessian.inverseFactor(order, recipe.choice().damping(), workers);
    return new StageMoments(hessian.diagonal(), order, factor);
  }

  /** A matrix, or whole strips of its outputs: each row's codes depend on its strip alone. */
  QuantizedMatrix quantize(Recipe.Choice choice, Matrix matrix, Workers workers) {
    FittedGrid fitted = GridFitter.fit(choice, matrix, importance, workers);
    return choice.method() == Recipe.Method.GPTQ
        ? Rounding.compensated(matrix, fitted, order, factor, workers)
        : Rounding.nearest(matrix, fitted, workers);
  }
}

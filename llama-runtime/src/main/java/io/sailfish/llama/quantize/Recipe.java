package io.sailfish.llama.quantize;

import java.io.Serializable;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * How a model is quantised: a method that chooses codes, the grid they are on, and how many inputs
 * share a scale. Matrices whose name an exception's pattern matches are treated as that says; the
 * last one that matches counts.
 *
 * @param choice what holds for all matrices of layers
 * @param exceptions mixed precision
 */
public record Recipe(Choice choice, List<Exception> exceptions) implements Serializable {
  public Recipe {
    exceptions = List.copyOf(exceptions);
    for (Exception exception : exceptions) {
      Choice other = exception.choice();
      boolean awq = choice.method() == Method.AWQ;
      if (other != null && (other.method() == Method.AWQ) != awq) {
        throw new IllegalArgumentException(
            "'%s' is %s: awq measures against the layer as it was and cannot be mixed with others"
                .formatted(exception.pattern(), other));
      }
      if (other != null && other.damping() != choice.damping()) {
        throw new IllegalArgumentException(
            "'%s' has damping %s: matrices share their factor, so it must be %s for all"
                .formatted(exception.pattern(), other.damping(), choice.damping()));
      }
    }
  }

  /** How codes are chosen. */
  public enum Method {
    /** Round to nearest. */
    RTN(false),
    /** Errors of a column are made up for by the columns after it (Frantar et al., 2022). */
    GPTQ(true),
    /** Inputs with large activations are scaled up before rounding (Lin et al., 2023). */
    AWQ(true);

    private final boolean calibrated;

    Method(boolean calibrated) {
      this.calibrated = calibrated;
    }
  }

  /**
   * @param method how codes are chosen
   * @param grid what they stand for
   * @param group inputs that share a scale, a multiple of 32; the last group of a row may be
   *     shorter; 0 = all inputs of an output
   * @param clip whether scales are searched that cut off a group's largest weights
   * @param sensitive learned tables only: weigh each weight's error by its input's second moment
   * @param damping GPTQ: added to the diagonal of the Hessian, as a share of its mean
   */
  public record Choice(
      Method method, Grid grid, int group, boolean clip, boolean sensitive, double damping)
      implements Serializable {
    /** As GPTQ's authors have it. */
    public static final double DAMPING = 0.01;

    public Choice {
      if (group < 0 || group % 32 != 0) {
        throw new IllegalArgumentException(
            "group=%d must be a multiple of 32, or 0 for one group a row".formatted(group));
      }
      if (!(damping > 0 && damping < 1)) {
        throw new IllegalArgumentException(
            "damping=%s must lie between 0 and 1".formatted(damping));
      }
    }

    public Choice(Method method, Grid grid, int group) {
      this(method, grid, group, false, false, DAMPING);
    }

    boolean calibrated() {
      return method.calibrated || sensitive;
    }

    /** Such as {@code gptq int4 g128}. */
    @Override
    public String toString() {
      return "%s %s %s%s%s"
          .formatted(
              method.name().toLowerCase(Locale.ROOT),
              grid.id(),
              group == 0 ? "channel" : "g" + group,
              clip ? " clip" : "",
              sensitive ? " sensitive" : "");
    }
  }

  /**
   * @param pattern regular expression that the whole of a tensor's name has to match, such as
   *     {@code layers\.0\.down}
   * @param choice what holds for these; null = they stay as they are
   */
  public record Exception(String pattern, Choice choice) implements Serializable {
    public Exception {
      try {
        Pattern.compile(pattern);
      } catch (PatternSyntaxException e) {
        throw new IllegalArgumentException(
            "pattern '%s' is no regular expression: %s".formatted(pattern, e.getDescription()), e);
      }
    }
  }

  public static Recipe of(Method method, Grid grid, int group) {
    return new Recipe(new Choice(method, grid, group), List.of());
  }

  /** What holds for a matrix; null = it stays as it is. */
  public Choice choice(String tensor) {
    Choice found = choice;
    for (Exception exception : exceptions) {
      if (Pattern.matches(exception.pattern(), tensor)) {
        found = exception.choice();
      }
    }
    return found;
  }

  /** Whether any matrix needs activations. */
  boolean calibrated() {
    return choice.calibrated()
        || exceptions.stream().anyMatch(e -> e.choice() != null && e.choice().calibrated());
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(choice.toString());
    exceptions.forEach(
        e ->
            text.append("; ")
                .append(e.pattern())
                .append(": ")
                .append(e.choice() == null ? "as it is" : e.choice()));
    return text.toString();
  }
}

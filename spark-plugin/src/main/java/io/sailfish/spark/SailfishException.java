package io.sailfish.spark;

import java.util.Map;
import org.apache.spark.SparkThrowable;

/** A failure of a running query, with condition and SQLSTATE as Spark's own errors have them. */
public final class SailfishException extends RuntimeException implements SparkThrowable {
  private static final long serialVersionUID = 1L;

  private final ErrorCondition condition;
  // Serializable as it goes from executor to driver; Map.copyOf is.
  private final Map<String, String> parameters;

  SailfishException(ErrorCondition condition, Map<String, String> parameters, Throwable cause) {
    super(condition.message(parameters), cause);
    this.condition = condition;
    this.parameters = Map.copyOf(parameters);
  }

  /** Whether another try of the task would end the same. */
  public boolean isFinal() {
    return condition.isFinal();
  }

  @Override
  public String getCondition() {
    return condition.name();
  }

  @Override
  public String getSqlState() {
    return condition.sqlState();
  }

  @Override
  public Map<String, String> getMessageParameters() {
    return parameters;
  }

  @Override
  public String getDefaultMessageTemplate() {
    return condition.template();
  }
}

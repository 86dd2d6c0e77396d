package io.sailfish.spark;

import io.sailfish.spark.catalyst.ScalaInterop;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.ErrorClassesJsonReader;
import org.apache.spark.QueryContext;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.catalyst.trees.Origin;
import scala.Option;

/**
 * The errors a user may meet, each with a name, an SQLSTATE and a message in {@code
 * error/sailfish-error-conditions.json}, in the form of Spark's own file.
 */
public enum ErrorCondition {
  SAILFISH_INVALID_ARGUMENT,
  SAILFISH_NON_CONSTANT_ARGUMENT,
  SAILFISH_INVALID_SETTING,
  SAILFISH_UNKNOWN_MODEL,
  SAILFISH_UNSUPPORTED_RETURN_TYPE,
  SAILFISH_PLUGIN_MISSING,
  SAILFISH_MODEL_UNAVAILABLE,
  SAILFISH_ROW_FAILED,
  SAILFISH_ENGINE_FAILED,
  SAILFISH_INTERNAL_ERROR;

  private static final ErrorClassesJsonReader READER =
      new ErrorClassesJsonReader(
          ScalaInterop.seq(
              List.of(ErrorCondition.class.getResource("/error/sailfish-error-conditions.json"))));

  /** Whether another try of the task would end the same. */
  boolean isFinal() {
    return this == SAILFISH_ROW_FAILED || this == SAILFISH_INTERNAL_ERROR;
  }

  public String sqlState() {
    return READER.getSqlState(name());
  }

  String template() {
    return READER.getMessageTemplate(name());
  }

  /** {@code [NAME] text SQLSTATE: state}, as Spark writes its own errors. */
  String message(Map<String, String> parameters) {
    String text =
        READER.getErrorMessage(
            name(), template(), ScalaInterop.map(new TreeMap<String, Object>(parameters)));
    return "[" + name() + "] " + text + " SQLSTATE: " + sqlState();
  }

  /** For errors of the query's text; {@code origin} is the place in it. */
  public AnalysisException inQuery(Origin origin, Map<String, String> parameters) {
    if (isOverConnect()) {
      return new AnalysisException(
              message(parameters),
              Option.empty(),
              Option.empty(),
              Option.empty(),
              Option.empty(),
              ScalaInterop.map(Map.of()),
              new QueryContext[0],
              Option.apply(sqlState()),
              Option.empty())
          .withPosition(origin);
    }
    return new AnalysisException(
            name(),
            sqlState(),
            template(),
            ScalaInterop.map(parameters),
            Option.empty(),
            Option.apply(message(parameters)))
        .withPosition(origin);
  }

  /**
   * Whether a server of Spark Connect is at work above us. Its JVM client looks every condition up
   * in Spark's own list and reports an internal error for one that is not there
   * (GrpcExceptionConverter in Spark 4.2), so that it has to get text and SQLSTATE alone.
   */
  private static boolean isOverConnect() {
    return StackWalker.getInstance()
        .walk(
            frames ->
                frames.anyMatch(
                    frame -> frame.getClassName().startsWith("org.apache.spark.sql.connect.")));
  }

  /** For errors of a running query. */
  public SailfishException atRuntime(Throwable cause, Map<String, String> parameters) {
    return new SailfishException(this, parameters, cause);
  }
}

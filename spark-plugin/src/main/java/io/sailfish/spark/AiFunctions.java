package io.sailfish.spark;

import java.util.Arrays;
import java.util.Map;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.functions;

/**
 * The SQL functions for DataFrames. They go by name, so that they work in a session of Spark
 * Connect as well.
 */
public final class AiFunctions {
  private AiFunctions() {}

  /** The default model's answer; null for null. */
  public static Column aiGen(Column prompt) {
    return functions.call_function("ai_gen", prompt);
  }

  /** The one of {@code labels} that fits the content best. */
  public static Column aiClassify(Column content, String... labels) {
    Column[] texts = Arrays.stream(labels).map(functions::lit).toArray(Column[]::new);
    return aiClassify(content, functions.array(texts));
  }

  /**
   * @param labels array of texts, such as another column
   */
  public static Column aiClassify(Column content, Column labels) {
    return functions.call_function("ai_classify", content, labels);
  }

  /** The answer of the model that is configured under {@code endpoint}. */
  public static Column aiQuery(String endpoint, Column request) {
    return functions.call_function("ai_query", functions.lit(endpoint), request);
  }

  /**
   * @param modelParameters such as {@code max_tokens} and {@code temperature}; numbers and texts
   */
  public static Column aiQuery(
      String endpoint, Column request, Map<String, Object> modelParameters) {
    return query(endpoint, request, true, modelParameters);
  }

  /** As {@link #aiQuery} with {@code result} and {@code errorMessage}, one of which is null. */
  public static Column aiQueryOrError(
      String endpoint, Column request, Map<String, Object> modelParameters) {
    return query(endpoint, request, false, modelParameters);
  }

  private static Column query(
      String endpoint, Column request, boolean failOnError, Map<String, Object> parameters) {
    Column returnType = functions.lit("STRING");
    return parameters.isEmpty()
        ? functions.call_function(
            "ai_query", functions.lit(endpoint), request, returnType, functions.lit(failOnError))
        : functions.call_function(
            "ai_query",
            functions.lit(endpoint),
            request,
            returnType,
            functions.lit(failOnError),
            struct(parameters));
  }

  private static Column struct(Map<String, Object> parameters) {
    Column[] namesAndValues =
        parameters.entrySet().stream()
            .flatMap(p -> java.util.stream.Stream.of(p.getKey(), p.getValue()))
            .map(functions::lit)
            .toArray(Column[]::new);
    return functions.named_struct(namesAndValues);
  }
}

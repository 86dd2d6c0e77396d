package io.sailfish.spark.catalyst;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.spark.ErrorCondition;
import io.sailfish.spark.FakeRuntime;
import io.sailfish.spark.Sessions;
import java.util.HashSet;
import java.util.Set;
import org.apache.spark.sql.AnalysisException;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Errors that a query gets before it runs. */
class CallCheckTest {
  private static SparkSession spark;

  @BeforeAll
  static void start() {
    spark = Sessions.fake();
    spark.range(3).selectExpr("id", "string(id) x", "array('a') l").createOrReplaceTempView("t");
  }

  @AfterAll
  static void stop() {
    Sessions.stop(spark);
  }

  private static AnalysisException error(String call) {
    FakeRuntime.reset();
    AnalysisException e =
        assertThrows(
            AnalysisException.class, () -> spark.sql("SELECT " + call + " FROM t").explain());
    assertEquals(0, FakeRuntime.PROMPTS.get());
    return e;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "'max_tokens', 0 | max_tokens must be positive, got 0",
        "'max_tokens', -5 | max_tokens must be positive, got -5",
        "'max_tokens', 3000000000 | max_tokens must be a whole number up to 2147483647",
        "'max_tokens', 1.5 | max_tokens must be a whole number",
        "'max_tokens', 'ten' | max_tokens must be a number, got ten",
        "'temperature', -0.1 | temperature must be in [0, 100], got -0.1",
        "'temperature', double('NaN') | temperature must be in [0, 100], got NaN",
        "'top_k', -1 | top_k must be 0 (off) or positive, got -1",
        "'top_p', 0 | top_p must be in (0, 1], got 0.0",
        "'top_p', 1.01 | top_p must be in (0, 1], got 1.01",
        "'min_p', 1 | min_p must be in [0, 1), got 1.0",
        "'repetition_penalty', 0 | repetition_penalty must be in (0, 100], got 0.0",
        "'seed', 0.5 | seed must be a whole number",
        "'stop', array('') | stop strings must not be empty",
        "'stop', array('a', NULL) | stop must not contain NULL",
        "'stop', 3 | stop must be a STRING or ARRAY<STRING>, got 3",
        "'overflow', 'cut' | overflow must be error, null, truncate_head or truncate_tail, got cut",
        "'temprature', 1 | there is no temprature; known are max_tokens, min_p",
        "'seed', 1, 'SEED', 2 | SEED is given twice"
      })
  void modelParameters(String struct, String problem) {
    AnalysisException e =
        error("ai_query('second', x, modelParameters => named_struct(" + struct + "))");
    assertEquals("SAILFISH_INVALID_ARGUMENT", e.getCondition());
    assertEquals("22023", e.getSqlState());
    assertEquals("`modelParameters`", e.getMessageParameters().get("argument"));
    assertEquals("`ai_query`", e.getMessageParameters().get("function"));
    assertTrue(e.getMessage().contains(problem), e.getMessage());
    assertTrue(e.getMessage().contains("SQLSTATE: 22023"), e.getMessage());
    assertEquals(1, e.getQueryContext().length);
    assertTrue(e.getQueryContext()[0].fragment().startsWith("ai_query("));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "ai_classify(x, array()) | labels | it must have at least one label",
        "ai_classify(x, array('a', 'b', 'a')) | labels | label 'a' occurs twice",
        "ai_classify(x, array('a', NULL)) | labels | label 2 is NULL",
        "ai_classify(x, array('a', ' ')) | labels | label 2 is empty",
        "ai_classify(x, array(1, 2)) | labels | it must be an ARRAY<STRING>, got ARRAY<INT>",
        "ai_classify(x, 'a, b') | labels | it must be an ARRAY<STRING>, got STRING",
        "ai_classify(x, CAST(NULL AS ARRAY<STRING>)) | labels | it is NULL",
        "ai_classify(x, array('a'), named_struct('top_k', 1)) | options | there is no top_k",
        "ai_classify(x, array('a'), 3) | options | it must be a named_struct, got INT",
        "ai_query(NULL, x) | endpoint | it is NULL",
        "ai_query(7, x) | endpoint | it must be a STRING, got INT",
        "ai_query('second', x, failOnError => 'no') | failOnError | it must be a BOOLEAN",
        "ai_query('second', x, returnType => 'STRNG') | returnType | 'STRNG' is no type",
        "ai_query('second', x, modelParameters => 5) | modelParameters | it must be a named_struct"
      })
  void arguments(String call, String argument, String problem) {
    AnalysisException e = error(call);
    assertEquals("SAILFISH_INVALID_ARGUMENT", e.getCondition());
    assertEquals("`" + argument + "`", e.getMessageParameters().get("argument"));
    assertTrue(e.getMessage().contains(problem), e.getMessage());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "ai_query(x, x) | endpoint",
        "ai_query('second', x, failOnError => id > 0) | failOnError",
        "ai_query('second', x, returnType => x) | returnType",
        "ai_query('second', x, modelParameters => named_struct('seed', id)) | modelParameters"
      })
  void constants(String call, String argument) {
    AnalysisException e = error(call);
    assertEquals("SAILFISH_NON_CONSTANT_ARGUMENT", e.getCondition());
    assertEquals("42K09", e.getSqlState());
    assertEquals("`" + argument + "`", e.getMessageParameters().get("argument"));
  }

  @Test
  void unknownModelsAreToldWhichThereAre() {
    AnalysisException e = error("ai_query('third', x)");
    assertEquals("SAILFISH_UNKNOWN_MODEL", e.getCondition());
    assertEquals("42704", e.getSqlState());
    assertTrue(
        e.getMessage().contains("'third', but the configured models are 'default', 'second'"),
        e.getMessage());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "STRUCT<a: INT>",
        "INT",
        "ARRAY<STRING>",
        "VARCHAR(10)",
        "CHAR(3)",
        "STRING COLLATE UNICODE_CI",
        "VARIANT"
      })
  void otherReturnTypesAreRefused(String type) {
    AnalysisException e = error("ai_query('second', x, returnType => '" + type + "')");
    assertEquals("SAILFISH_UNSUPPORTED_RETURN_TYPE", e.getCondition());
    assertEquals("0A000", e.getSqlState());
    assertEquals(type, e.getMessageParameters().get("type"));
    assertTrue(e.getMessage().contains("only STRING is supported"), e.getMessage());
    assertTrue(e.getMessage().contains("from_json"), e.getMessage());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "ai_gen() | REQUIRED_PARAMETER_NOT_FOUND",
        "ai_gen('a', 'b') | WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
        "ai_gen(promt => 'a') | UNRECOGNIZED_PARAMETER_NAME",
        "ai_query(request => 'a') | REQUIRED_PARAMETER_NOT_FOUND",
        "ai_gen(array(x)) | DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
        "transform(l, v -> ai_gen(v)) | UNSUPPORTED_FEATURE.LAMBDA_FUNCTION_WITH_PYTHON_UDF"
      })
  void sparksOwnChecks(String call, String condition) {
    assertEquals(condition, error(call).getCondition());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "spark.sailfish.generate.maxToken | 3 | did you mean spark.sailfish.generate.maxTokens?",
        "spark.sailfish.generate.maxTokens | -3 | must be positive",
        "spark.sailfish.engine.batchCap | 3 | is read when the application starts"
      })
  void settingsOfTheSession(String key, String value, String problem) {
    spark.conf().set(key, value);
    try {
      AnalysisException e = error("ai_gen(x)");
      assertEquals("SAILFISH_INVALID_SETTING", e.getCondition());
      assertTrue(e.getMessage().contains(problem), e.getMessage());
    } finally {
      spark.conf().unset(key);
    }
  }

  @Test
  void calculatedConstantsAreConstants() {
    assertEquals(
        "gen<0>",
        spark
            .sql(
                "SELECT ai_query(concat('sec', 'ond'), x, failOnError => 1 > 0, modelParameters =>"
                    + " named_struct('max_tokens', 2 + 3)) FROM t WHERE id = 0")
            .head()
            .getString(0));
  }

  @Test
  void everyConditionHasMessageAndState() {
    Set<String> names = new HashSet<>();
    for (ErrorCondition condition : ErrorCondition.values()) {
      assertEquals(5, condition.sqlState().length(), condition.name());
      assertTrue(names.add(condition.name()));
    }
  }
}

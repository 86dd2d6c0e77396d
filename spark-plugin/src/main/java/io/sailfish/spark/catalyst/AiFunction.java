package io.sailfish.spark.catalyst;

import java.util.List;
import org.apache.spark.sql.catalyst.expressions.ExpressionInfo;

/** The SQL functions: their names, arguments and documentation. */
enum AiFunction {
  GEN(
      "ai_gen",
      List.of(required("prompt")),
      List.of("prompt"),
      "_FUNC_(prompt) - Answers the prompt with the default model.",
      "* prompt - text; NULL gives NULL",
      "> SELECT _FUNC_('Name a fish.');\n       Salmon"),
  QUERY(
      "ai_query",
      List.of(
          required("endpoint"),
          required("request"),
          optional("returnType"),
          optional("failOnError"),
          optional("modelParameters")),
      List.of("request"),
      "_FUNC_(endpoint, request[, returnType, failOnError, modelParameters]) - Answers the request"
          + " with the named model.",
      "* endpoint - name of a configured model, constant\n"
          + "      * request - text; NULL gives NULL\n"
          + "      * returnType - 'STRING'\n"
          + "      * failOnError - constant; false gives STRUCT<result, errorMessage> instead of"
          + " failing the query at a bad row\n"
          + "      * modelParameters - constant named_struct of max_tokens, temperature, top_p,"
          + " top_k, min_p, repetition_penalty, seed, stop, overflow",
      "> SELECT _FUNC_('default', 'Name a fish.', modelParameters => named_struct('max_tokens',"
          + " 8));\n       Salmon"),
  CLASSIFY(
      "ai_classify",
      List.of(required("content"), required("labels"), optional("options")),
      List.of("content"),
      "_FUNC_(content, labels[, options]) - The label that fits the content best.",
      "* content - text; NULL gives NULL\n"
          + "      * labels - array of distinct texts; the answer is always one of them\n"
          + "      * options - constant named_struct of instructions, overflow",
      "> SELECT _FUNC_('It broke at once.', array('praise', 'complaint'));\n       complaint");

  private final String sqlName;
  private final List<Parameter> parameters;
  private final List<String> textParameters;
  private final String usage;
  private final String arguments;
  private final String example;

  AiFunction(
      String sqlName,
      List<Parameter> parameters,
      List<String> textParameters,
      String usage,
      String arguments,
      String example) {
    this.sqlName = sqlName;
    this.parameters = parameters;
    this.textParameters = textParameters;
    this.usage = usage;
    this.arguments = arguments;
    this.example = example;
  }

  /** An argument's name, and whether it may be left out. */
  record Parameter(String name, boolean optional) {}

  private static Parameter required(String name) {
    return new Parameter(name, false);
  }

  private static Parameter optional(String name) {
    return new Parameter(name, true);
  }

  String sqlName() {
    return sqlName;
  }

  List<Parameter> parameters() {
    return parameters;
  }

  /** Position of an argument in a call. */
  int position(String parameter) {
    for (int i = 0; i < parameters.size(); i++) {
      if (parameters.get(i).name().equals(parameter)) {
        return i;
      }
    }
    throw new IllegalArgumentException(sqlName + " has no argument " + parameter);
  }

  /** Whether the argument is a text column, to which other types are cast. */
  boolean takesText(int position) {
    return textParameters.contains(parameters.get(position).name());
  }

  /** What DESCRIBE FUNCTION shows. */
  ExpressionInfo info() {
    return new ExpressionInfo(
        AiCall.class.getName(),
        null,
        sqlName,
        usage,
        "\n    Arguments:\n      " + arguments + "\n  ",
        "\n    Examples:\n      " + example + "\n  ",
        "",
        "misc_funcs",
        "0.1.0",
        "",
        "scala_udf");
  }
}

package io.sailfish.spark.catalyst;

import static io.sailfish.spark.ErrorCondition.SAILFISH_INVALID_ARGUMENT;
import static io.sailfish.spark.ErrorCondition.SAILFISH_NON_CONSTANT_ARGUMENT;
import static io.sailfish.spark.ErrorCondition.SAILFISH_UNKNOWN_MODEL;
import static io.sailfish.spark.ErrorCondition.SAILFISH_UNSUPPORTED_RETURN_TYPE;

import io.sailfish.llama.RowTask;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StringType;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * A call with its constant arguments read and checked.
 *
 * @param inputs what is computed for each row: the text, then the labels if they come from a column
 */
record BoundCall(CallSpec spec, List<Expression> inputs) {

  /**
   * @param models paths of the configured models by name
   * @throws org.apache.spark.sql.AnalysisException (undeclared) naming function and argument
   */
  static BoundCall of(AiCall call, Map<String, String> models) {
    return switch (call.marker().function()) {
      case GEN -> {
        RowTask task = new ModelParameters(call, "modelParameters", null).generate();
        yield bound(call, call.marker().defaultModel(), task, models, "prompt");
      }
      case QUERY -> {
        checkReturnType(call);
        checkFailOnError(call);
        RowTask task =
            new ModelParameters(call, "modelParameters", call.argument("modelParameters"))
                .generate();
        yield bound(call, text(call, "endpoint"), task, models, "request");
      }
      case CLASSIFY -> classify(call, models);
    };
  }

  private static BoundCall classify(AiCall call, Map<String, String> models) {
    Expression labels = call.argument("labels");
    if (!(labels.dataType() instanceof ArrayType array
        && (array.elementType() instanceof StringType
            || array.elementType().sameType(DataTypes.NullType)))) {
      throw invalid(call, "labels", "it must be an ARRAY<STRING>, got " + sqlType(labels));
    }
    ModelParameters options = new ModelParameters(call, "options", call.argument("options"));
    if (!Constants.isConstant(labels)) {
      RowTask task = options.classify(List.of());
      return bound(call, call.marker().defaultModel(), task, models, "content", "labels");
    }
    Object value = Constants.value(labels);
    if (value == null) {
      throw invalid(call, "labels", "it is NULL");
    }
    List<String> texts = Labels.texts((ArrayData) value);
    String problem = Labels.problem(texts);
    if (problem != null) {
      throw invalid(call, "labels", problem);
    }
    return bound(call, call.marker().defaultModel(), options.classify(texts), models, "content");
  }

  private static BoundCall bound(
      AiCall call, String model, RowTask task, Map<String, String> models, String... inputs) {
    if (!models.containsKey(model)) {
      throw unknownModel(call, model, models.keySet());
    }
    List<Expression> columns = new ArrayList<>();
    for (String input : inputs) {
      columns.add(call.argument(input));
    }
    boolean labelsPerRow = inputs.length > 1;
    return new BoundCall(
        new CallSpec(call.name(), model, task, call.errorsAsValues(), labelsPerRow), columns);
  }

  private static void checkReturnType(AiCall call) {
    if (call.argument("returnType") == null) {
      return;
    }
    String ddl = text(call, "returnType");
    DataType type;
    try {
      type = DataType.fromDDL(ddl);
    } catch (Exception e) {
      throw invalid(call, "returnType", "'" + ddl + "' is no type");
    }
    // Not StringType's kin: a length or a collation would be promised and not kept.
    if (!type.equals(DataTypes.StringType)) {
      throw fail(
          SAILFISH_UNSUPPORTED_RETURN_TYPE.inQuery(
              call.origin(), Map.of("function", quoted(call.name()), "type", ddl)));
    }
  }

  private static void checkFailOnError(AiCall call) {
    Expression flag = call.argument("failOnError");
    if (flag == null) {
      return;
    }
    if (!flag.dataType().sameType(DataTypes.BooleanType)) {
      throw invalid(call, "failOnError", "it must be a BOOLEAN, got " + sqlType(flag));
    }
    constant(call, "failOnError");
  }

  private static String text(AiCall call, String parameter) {
    Object value = constant(call, parameter);
    if (!(value instanceof UTF8String text)) {
      throw invalid(
          call,
          parameter,
          value == null
              ? "it is NULL"
              : "it must be a STRING, got " + sqlType(call.argument(parameter)));
    }
    return text.toString();
  }

  private static Object constant(AiCall call, String parameter) {
    Expression argument = call.argument(parameter);
    requireConstant(call, parameter, argument);
    return Constants.value(argument);
  }

  static void requireConstant(AiCall call, String parameter, Expression argument) {
    if (!Constants.isConstant(argument)) {
      throw fail(
          SAILFISH_NON_CONSTANT_ARGUMENT.inQuery(
              call.origin(),
              Map.of(
                  "function",
                  quoted(call.name()),
                  "argument",
                  quoted(parameter),
                  "expression",
                  argument.sql())));
    }
  }

  static RuntimeException invalid(AiCall call, String parameter, String problem) {
    return fail(
        SAILFISH_INVALID_ARGUMENT.inQuery(
            call.origin(),
            Map.of(
                "function",
                quoted(call.name()),
                "argument",
                quoted(parameter),
                "problem",
                problem)));
  }

  private static RuntimeException unknownModel(AiCall call, String model, Set<String> known) {
    Set<String> names = new LinkedHashSet<>();
    known.forEach(name -> names.add("'" + name + "'"));
    String configured =
        names.isEmpty()
            ? "no model is configured; set spark.sailfish.model.path"
            : "the configured models are " + String.join(", ", names);
    return fail(
        SAILFISH_UNKNOWN_MODEL.inQuery(
            call.origin(),
            Map.of(
                "function",
                quoted(call.name()),
                "model",
                model.isEmpty() ? "that spark.sailfish.model.default names" : "'" + model + "'",
                "configured",
                configured)));
  }

  private static RuntimeException fail(Throwable thrown) {
    return ScalaInterop.<RuntimeException>sneak(thrown);
  }

  private static String sqlType(Expression e) {
    return e.dataType().sql();
  }

  private static String quoted(String name) {
    return "`" + name + "`";
  }
}

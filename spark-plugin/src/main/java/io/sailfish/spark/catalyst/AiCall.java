package io.sailfish.spark.catalyst;

import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.python.PythonFunction;
import org.apache.spark.sql.catalyst.analysis.TypeCheckResult;
import org.apache.spark.sql.catalyst.expressions.ExpectsInputTypes$;
import org.apache.spark.sql.catalyst.expressions.ExprId;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.ImplicitCastInputTypes;
import org.apache.spark.sql.catalyst.expressions.NamedExpression;
import org.apache.spark.sql.catalyst.expressions.PythonUDF;
import org.apache.spark.sql.internal.types.StringTypeWithCollation;
import org.apache.spark.sql.types.AbstractDataType;
import org.apache.spark.sql.types.AnyDataType$;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import scala.collection.immutable.IndexedSeq;
import scala.collection.immutable.Seq;

/**
 * A call of one of our functions in a query. It is a PythonUDF to Catalyst because Spark's own
 * rules then do for it what they do for vectorised Python functions: pull it out of projections,
 * filters, joins, aggregates and sorts into a node of its own, evaluate equal calls once, push
 * limits and cheap filters below it. No Python runs; {@link AiStrategy} plans the node.
 *
 * <p>Children are the arguments in the order of {@link AiFunction#parameters}; optional ones at the
 * end may be missing, and a NULL literal stands for one left out before another.
 */
public final class AiCall extends PythonUDF implements ImplicitCastInputTypes {
  private static final long serialVersionUID = 1L;

  /** PythonEvalType.SQL_SCALAR_ARROW_UDF: the kind that Spark plans as ArrowEvalPython. */
  private static final int EVAL_TYPE = 250;

  /** {@code ai_query(failOnError => false)}: exactly one of the two is null. */
  static final StructType RESULT_OR_ERROR =
      new StructType()
          .add("result", DataTypes.StringType)
          .add("errorMessage", DataTypes.StringType);

  /** Parameters as PythonUDF has them, since TreeNode.makeCopy calls this by reflection. */
  public AiCall(
      String name,
      PythonFunction func,
      DataType dataType,
      Seq<Expression> children,
      int evalType,
      boolean udfDeterministic,
      ExprId resultId) {
    super(name, func, dataType, children, evalType, udfDeterministic, resultId);
  }

  static AiCall of(AiMarker marker, Seq<Expression> arguments) {
    return new AiCall(
        marker.function().sqlName(),
        marker,
        DataTypes.StringType,
        arguments,
        EVAL_TYPE,
        true,
        NamedExpression.newExprId());
  }

  AiMarker marker() {
    return (AiMarker) func();
  }

  /** The argument, or null if the call leaves it out. */
  Expression argument(String parameter) {
    int position = marker().function().position(parameter);
    if (position >= children().size()) {
      return null;
    }
    Expression argument = children().apply(position);
    return Constants.isNull(argument) && marker().function().parameters().get(position).optional()
        ? null
        : argument;
  }

  /** The same call, kept where it stands: what Spark does with calls whose answers may differ. */
  AiCall pinned() {
    return new AiCall(name(), func(), super.dataType(), children(), evalType(), false, resultId());
  }

  boolean errorsAsValues() {
    if (marker().function() != AiFunction.QUERY) {
      return false;
    }
    Expression failOnError = argument("failOnError");
    return failOnError != null && Boolean.FALSE.equals(Constants.valueOrNull(failOnError));
  }

  @Override
  public DataType dataType() {
    return errorsAsValues() ? RESULT_OR_ERROR : DataTypes.StringType;
  }

  @Override
  public PythonUDF withNewChildrenInternal(IndexedSeq<Expression> children) {
    return new AiCall(
        name(), func(), super.dataType(), children, evalType(), udfDeterministic(), resultId());
  }

  /** Keeps a filter on the answer from being computed apart from the answer. */
  @Override
  public boolean expensive() {
    return true;
  }

  @Override
  public Seq<AbstractDataType> inputTypes() {
    List<AbstractDataType> types = new ArrayList<>();
    for (int i = 0; i < children().size(); i++) {
      types.add(
          marker().function().takesText(i)
              ? new StringTypeWithCollation(true, true, true)
              : AnyDataType$.MODULE$);
    }
    return ScalaInterop.seq(types);
  }

  // A method of the superclass wins over the trait's in Java, so the trait's is called by hand.
  @Override
  public TypeCheckResult checkInputDataTypes() {
    return ExpectsInputTypes$.MODULE$.checkInputDataTypes(children(), inputTypes());
  }

  @Override
  public String prettyName() {
    return name();
  }

  @Override
  public String toString() {
    return name() + "(" + children().mkString(", ") + ")";
  }
}

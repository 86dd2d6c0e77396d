package io.sailfish.spark.catalyst;

import io.sailfish.spark.conf.SailfishConf;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.FunctionIdentifier;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal$;
import org.apache.spark.sql.catalyst.plans.logical.FunctionSignature;
import org.apache.spark.sql.catalyst.plans.logical.InputParameter;
import org.apache.spark.sql.catalyst.plans.logical.NamedParametersSupport$;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.execution.ColumnarRule;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.internal.SQLConf$;
import org.apache.spark.sql.types.DataTypes;
import scala.Option;
import scala.Tuple3;
import scala.collection.immutable.Seq;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * What Spark is told of us; the plugin's driver part adds it to {@code spark.sql.extensions}. In
 * the order in which Spark calls:
 *
 * <ol>
 *   <li>analysis: functions by name make {@link AiCall}s; {@link HavingAboveAggregate} keeps HAVING
 *       where it is; {@link CallCheck} checks constant arguments and settings
 *   <li>optimizer: {@link EvalAfterSort}; Spark's rules pull the calls into ArrowEvalPython nodes
 *   <li>planner: {@link AiStrategy} makes {@link AiEvalExec} of them
 *   <li>physical rules: {@link SampleBarrier} and {@link FullWindow}, adaptive execution on or off
 * </ol>
 */
public final class SailfishExtensions extends AbstractFunction1<SparkSessionExtensions, BoxedUnit> {

  /** Stands for an optional argument that a call leaves out. */
  private static final Expression LEFT_OUT = Literal$.MODULE$.create(null, DataTypes.NullType);

  @Override
  public BoxedUnit apply(SparkSessionExtensions extensions) {
    for (AiFunction function : AiFunction.values()) {
      extensions.injectFunction(
          new Tuple3<>(
              new FunctionIdentifier(function.sqlName()),
              function.info(),
              arguments -> call(function, arguments)));
    }
    extensions.injectPostHocResolutionRule(session -> new HavingAboveAggregate());
    extensions.injectPostHocResolutionRule(session -> new CallCheck((SparkSession) session));
    extensions.injectOptimizerRule(session -> new EvalAfterSort());
    extensions.injectPlannerStrategy(session -> new AiStrategy((SparkSession) session));
    extensions.injectQueryStagePrepRule(session -> new SampleBarrier());
    extensions.injectQueryStagePrepRule(session -> new FullWindow());
    extensions.injectColumnar(session -> new WithoutAdaptiveExecution());
    return BoxedUnit.UNIT;
  }

  /** {@code arguments} by position or name, as {@link AiCall} wants its children. */
  private static AiCall call(AiFunction function, Seq<Expression> arguments) {
    List<InputParameter> parameters =
        function.parameters().stream()
            .map(
                p ->
                    new InputParameter(
                        p.name(), p.optional() ? Option.apply(LEFT_OUT) : Option.empty()))
            .toList();
    Seq<Expression> inOrder =
        NamedParametersSupport$.MODULE$.defaultRearrange(
            new FunctionSignature(ScalaInterop.seq(parameters)),
            arguments,
            function.sqlName(),
            SQLConf$.MODULE$.get().resolver());
    List<Expression> children = new ArrayList<>(ScalaInterop.<Expression>list(inOrder));
    while (children.get(children.size() - 1) == LEFT_OUT) {
      children.remove(children.size() - 1); // keeps the column's name as short as the call
    }
    SailfishConf conf = SessionConf.ofThread();
    AiMarker marker =
        new AiMarker(function, conf.defaultModel(), conf.value(SailfishConf.MAX_TOKENS));
    return AiCall.of(marker, ScalaInterop.seq(children));
  }

  /** Hook for physical rules that runs when adaptive execution is off. */
  private static final class WithoutAdaptiveExecution extends ColumnarRule {
    @Override
    public Rule<SparkPlan> preColumnarTransitions() {
      SampleBarrier barrier = new SampleBarrier();
      FullWindow window = new FullWindow();
      return new Rule<>() {
        @Override
        public SparkPlan apply(SparkPlan plan) {
          return window.apply(barrier.apply(plan));
        }
      };
    }
  }
}

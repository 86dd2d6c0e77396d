package io.sailfish.spark.catalyst;

import java.util.List;
import java.util.Map;
import java.util.function.Function;
import scala.Function1;
import scala.PartialFunction;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractPartialFunction;

/** Scala collections and functions from Java; the one place with their unchecked casts. */
public final class ScalaInterop {
  private ScalaInterop() {}

  @SuppressWarnings("unchecked")
  public static <T> Seq<T> seq(List<? extends T> list) {
    return CollectionConverters.asScala((List<T>) list).toSeq();
  }

  /**
   * View of a Scala sequence. Scala's sequences are covariant, so an element type of the caller's
   * choice above or below the declared one is its own affair.
   */
  @SuppressWarnings("unchecked")
  public static <T> List<T> list(scala.collection.Seq<?> seq) {
    return (List<T>) CollectionConverters.asJava(seq);
  }

  public static <K, V> scala.collection.immutable.Map<K, V> map(Map<K, V> map) {
    return scala.collection.immutable.Map$.MODULE$.from(CollectionConverters.asScala(map));
  }

  /** A rewrite rule: {@code change} gives null where it does not apply. */
  static <A> PartialFunction<A, A> rewrite(Function<A, A> change) {
    return new AbstractPartialFunction<>() {
      @Override
      public boolean isDefinedAt(A node) {
        return change.apply(node) != null;
      }

      @Override
      @SuppressWarnings("unchecked")
      public <X extends A, B> B applyOrElse(X node, Function1<X, B> otherwise) {
        A changed = change.apply(node);
        return changed != null ? (B) changed : otherwise.apply(node);
      }
    };
  }

  /** Throws what Scala may throw undeclared, such as AnalysisException. */
  @SuppressWarnings("unchecked")
  static <E extends Throwable> RuntimeException sneak(Throwable thrown) throws E {
    throw (E) thrown;
  }
}

package io.sailfish.spark.catalyst;

import io.sailfish.spark.ErrorCondition;
import io.sailfish.spark.conf.SailfishConf;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.catalyst.trees.CurrentOrigin$;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.classic.SparkSession$;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.internal.SQLConf$;
import scala.Option;
import scala.Tuple2;
import scala.jdk.javaapi.CollectionConverters;

/** Settings as the query being planned sees them. */
final class SessionConf {
  private SessionConf() {}

  /**
   * Of the session that analyses a query on this thread. Not {@code SQLConf.get}: inside a view
   * that holds only what the view's creator had set.
   */
  static SailfishConf ofThread() {
    Option<SparkSession> active = SparkSession$.MODULE$.getActiveSession();
    return of(active.isDefined() ? active.get().sessionState().conf() : SQLConf$.MODULE$.get());
  }

  /** A session's settings; the application's are part of them. */
  static SailfishConf of(SQLConf conf) {
    return checked(new HashMap<>(CollectionConverters.asJava(conf.getAllConfs())));
  }

  static SailfishConf of(SparkConf conf) {
    Map<String, String> all = new HashMap<>();
    for (Tuple2<String, String> setting : conf.getAll()) {
      all.put(setting._1(), setting._2());
    }
    return checked(all);
  }

  private static SailfishConf checked(Map<String, String> all) {
    try {
      return SailfishConf.of(all);
    } catch (IllegalArgumentException e) {
      throw invalid(e);
    }
  }

  static RuntimeException invalid(IllegalArgumentException e) {
    return ScalaInterop.<RuntimeException>sneak(
        ErrorCondition.SAILFISH_INVALID_SETTING.inQuery(
            CurrentOrigin$.MODULE$.get(), Map.of("problem", e.getMessage())));
  }
}

package io.sailfish.spark.catalyst;

import io.sailfish.spark.ErrorCondition;
import io.sailfish.spark.conf.SailfishConf;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.catalyst.trees.CurrentOrigin$;
import org.apache.spark.sql.internal.SQLConf$;
import scala.Tuple2;
import scala.jdk.javaapi.CollectionConverters;

/** Settings as the query being planned sees them. */
final class SessionConf {
  private SessionConf() {}

  /** Of the session that plans on this thread; the application's settings are part of it. */
  static SailfishConf ofThread() {
    Map<String, String> all =
        new HashMap<>(CollectionConverters.asJava(SQLConf$.MODULE$.get().getAllConfs()));
    return checked(all);
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

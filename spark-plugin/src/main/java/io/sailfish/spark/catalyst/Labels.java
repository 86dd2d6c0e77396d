package io.sailfish.spark.catalyst;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.spark.sql.catalyst.util.ArrayData;

/** The labels of {@code ai_classify}. */
public final class Labels {
  private Labels() {}

  /** NULL elements stay null. */
  public static List<String> texts(ArrayData array) {
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < array.numElements(); i++) {
      texts.add(array.isNullAt(i) ? null : array.getUTF8String(i).toString());
    }
    return texts;
  }

  /** What is wrong with a list of labels, or null. */
  public static String problem(List<String> labels) {
    if (labels.isEmpty()) {
      return "it must have at least one label";
    }
    Set<String> seen = new HashSet<>();
    for (int i = 0; i < labels.size(); i++) {
      String label = labels.get(i);
      if (label == null) {
        return "label " + (i + 1) + " is NULL";
      }
      if (label.isBlank()) {
        return "label " + (i + 1) + " is empty";
      }
      if (!seen.add(label)) {
        return "label '" + label + "' occurs twice";
      }
    }
    return null;
  }
}

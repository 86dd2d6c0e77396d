package io.sailfish.llama.evaluate;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Bars one below the other, as SVG: a label to the left, a value behind each. */
public final class BarPlot {
  /** Longest bar, in pixels. */
  public static final int MAX_BAR = 430;

  public static final String GOOD = "#4a8f5c";
  public static final String BAD = "#c9713b";

  private static final int VALUE_WIDTH = 90;
  private static final int ROW = 20;

  private final int labelWidth;
  private final List<String> rows = new ArrayList<>();
  private String line = "";
  private int lineAt = -1;

  /**
   * @param labelWidth pixels left of the bars
   */
  public BarPlot(int labelWidth) {
    this.labelWidth = labelWidth;
  }

  /** A line of text above the bars that follow. */
  public BarPlot heading(String text) {
    rows.add(
        "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">%s</text>\n"
            .formatted(labelWidth, y() + 11, escaped(text)));
    return this;
  }

  /**
   * @param length pixels, cut off at {@link #MAX_BAR}
   * @param value text behind the bar
   */
  public BarPlot bar(String label, double length, String color, String value) {
    int pixels = (int) Math.min(MAX_BAR, Math.round(length));
    int y = y();
    rows.add(
        String.format(
            Locale.ROOT,
            """
            <text x="%d" y="%d" text-anchor="end">%s</text>
            <rect x="%d" y="%d" width="%d" height="14" fill="%s"/>
            <text x="%d" y="%d">%s</text>
            """,
            labelWidth - 6,
            y + 11,
            escaped(label),
            labelWidth,
            y,
            Math.max(1, pixels),
            color,
            labelWidth + pixels + 5,
            y + 11,
            escaped(value)));
    return this;
  }

  /** A line through all bars at so many pixels of their length. */
  public BarPlot line(int at, String label) {
    line = label;
    lineAt = labelWidth + at;
    return this;
  }

  private int y() {
    return 10 + rows.size() * ROW;
  }

  public String svg() {
    int height = rows.size() * ROW + 30;
    int width = labelWidth + MAX_BAR + VALUE_WIDTH;
    StringBuilder svg = new StringBuilder();
    svg.append(
        """
        <svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">
        <rect width="%d" height="%d" fill="white"/>
        """
            .formatted(width, height, width, height));
    rows.forEach(svg::append);
    if (lineAt >= 0) {
      svg.append(
          """
          <line x1="%d" y1="4" x2="%d" y2="%d" stroke="black" stroke-dasharray="4 3"/>
          <text x="%d" y="%d" text-anchor="middle">%s</text>
          """
              .formatted(lineAt, lineAt, height - 18, lineAt, height - 5, escaped(line)));
    }
    return svg.append("</svg>\n").toString();
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}

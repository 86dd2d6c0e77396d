package io.sailfish.kernels.cpu;

import io.sailfish.kernels.KernelException;
import java.util.List;

/** A weight packed in panels: one {@link PanelRun} for each part. */
final class PanelWeight implements CpuWeight {
  private final String name;
  private final int rows;
  private final int cols;
  private final PanelRun[] runs;
  private final int[] runOfPanel;
  private final int[] firstPanelOfRun;
  private final boolean halvesAlign;

  PanelWeight(String name, int cols, List<PanelRun> parts) {
    this.name = name;
    this.cols = cols;
    this.runs = parts.toArray(PanelRun[]::new);
    this.firstPanelOfRun = new int[runs.length];
    int panels = 0;
    int outputs = 0;
    for (int i = 0; i < runs.length; i++) {
      firstPanelOfRun[i] = panels;
      panels += runs[i].numPanels();
      outputs += runs[i].rows();
    }
    this.rows = outputs;
    this.runOfPanel = new int[panels];
    for (int i = 0; i < runs.length; i++) {
      for (int p = 0; p < runs[i].numPanels(); p++) {
        runOfPanel[firstPanelOfRun[i] + p] = i;
      }
    }
    this.halvesAlign = panels % 2 == 0 && rows % 2 == 0 && alignHalves(panels / 2);
  }

  private boolean alignHalves(int half) {
    for (int p = 0; p < half; p++) {
      if (firstRow(half + p) != rows / 2 + firstRow(p) || width(half + p) != width(p)) {
        return false;
      }
    }
    return true;
  }

  int numPanels() {
    return runOfPanel.length;
  }

  /**
   * Whether panel {@code numPanels / 2 + p} holds exactly the outputs {@code rows / 2} after those
   * of panel p: then gate and up of a swiGlu meet in one tile.
   */
  boolean halvesAlign() {
    return halvesAlign;
  }

  /** First output of a panel. */
  int firstRow(int panel) {
    int run = runOfPanel[panel];
    return runs[run].firstRow() + (panel - firstPanelOfRun[run]) * PanelLayout.COLUMNS;
  }

  /** Outputs of a panel that are not padding. */
  int width(int panel) {
    PanelRun run = runs[runOfPanel[panel]];
    int before = (panel - firstPanelOfRun[runOfPanel[panel]]) * PanelLayout.COLUMNS;
    return Math.min(PanelLayout.COLUMNS, run.rows() - before);
  }

  PanelLayout layout(int panel) {
    return runs[runOfPanel[panel]].layout();
  }

  /** The array that holds a panel. */
  int[] words(int panel) {
    int run = runOfPanel[panel];
    return runs[run].words(panel - firstPanelOfRun[run]);
  }

  /** Index in {@link #words} of a panel's first word. */
  int at(int panel) {
    int run = runOfPanel[panel];
    return runs[run].at(panel - firstPanelOfRun[run]);
  }

  @Override
  public void decodeRow(int row, float[] dst, int dstOffset) {
    if (row < 0 || row >= rows) {
      throw new KernelException("weight " + name, "row", "0.." + (rows - 1), row);
    }
    int run = runs.length - 1;
    while (runs[run].firstRow() > row) {
      run--;
    }
    int panel = (row - runs[run].firstRow()) / PanelLayout.COLUMNS;
    int column = (row - runs[run].firstRow()) % PanelLayout.COLUMNS;
    PanelPiece whole = new PanelPiece();
    whole.on(runs[run].layout(), runs[run].words(panel), runs[run].at(panel)).move(0, cols);
    whole.layout.decodeColumn(whole, column, dst, dstOffset, 1);
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public int cols() {
    return cols;
  }

  @Override
  public long bytes() {
    long bytes = 0;
    for (PanelRun run : runs) {
      bytes += run.bytes();
    }
    return bytes;
  }
}

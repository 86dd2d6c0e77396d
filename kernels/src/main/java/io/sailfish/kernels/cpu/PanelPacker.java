package io.sailfish.kernels.cpu;

import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.QuantFormat;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Packs weights into panels: each row is read once, panels in parallel, one panel at a time. */
final class PanelPacker {
  private final Parallel parallel;
  private final WordSlabs slabs = new WordSlabs();

  PanelPacker(Parallel parallel) {
    this.parallel = parallel;
  }

  PanelWeight pack(String name, List<WeightSource> parts) {
    List<PanelRun> runs = new ArrayList<>();
    int firstRow = 0;
    for (WeightSource part : parts) {
      runs.add(place(part, PanelLayout.of(part.format(), part.cols()), firstRow));
      firstRow += part.rows();
    }
    fill(parts, runs);
    return new PanelWeight(name, parts.get(0).cols(), runs);
  }

  PanelRun packRun(WeightSource part, PanelLayout layout, int firstRow) {
    PanelRun run = place(part, layout, firstRow);
    fill(List.of(part), List.of(run));
    return run;
  }

  private PanelRun place(WeightSource part, PanelLayout layout, int firstRow) {
    int units = part.cols() / layout.unitInner();
    int panelWords = Math.multiplyExact(units, layout.unitWords());
    int panels = (part.rows() + PanelLayout.COLUMNS - 1) / PanelLayout.COLUMNS;
    int[][] arrays = new int[panels][];
    int[] starts = new int[panels];
    for (int p = 0; p < panels; p++) {
      WordSlabs.Place place = slabs.take(panelWords, part.name());
      arrays[p] = place.array();
      starts[p] = place.start();
    }
    return new PanelRun(layout, firstRow, part.rows(), units, arrays, starts);
  }

  /** A panel of a part. */
  private record Item(int part, int panel) {}

  /** Panels of all parts by turns: gate and up may come out of the same panels of a file. */
  private void fill(List<WeightSource> parts, List<PanelRun> runs) {
    List<Item> items = new ArrayList<>();
    int most = runs.stream().mapToInt(PanelRun::numPanels).max().orElseThrow();
    for (int panel = 0; panel < most; panel++) {
      for (int part = 0; part < parts.size(); part++) {
        if (panel < runs.get(part).numPanels()) {
          items.add(new Item(part, panel));
        }
      }
    }
    PanelScratch[][] scratch = new PanelScratch[parallel.threads()][parts.size()];
    parallel.run(
        items.size(),
        (number, worker) -> {
          Item item = items.get(number);
          WeightSource part = parts.get(item.part());
          PanelRun run = runs.get(item.part());
          if (scratch[worker][item.part()] == null) {
            int panelWords = run.units() * run.layout().unitWords();
            scratch[worker][item.part()] = new PanelScratch(part, panelWords);
          }
          packPanel(part, run, item.panel(), scratch[worker][item.part()]);
        });
  }

  private record PanelScratch(ByteBuffer encoded, int[] words) {
    PanelScratch(WeightSource part, int panelWords) {
      this(
          ByteBuffer.allocate(
                  Math.toIntExact(part.format().rowBytes(part.cols()) * PanelLayout.COLUMNS))
              .order(ByteOrder.LITTLE_ENDIAN),
          new int[panelWords]);
    }
  }

  private static void packPanel(WeightSource part, PanelRun run, int panel, PanelScratch scratch) {
    PanelLayout layout = run.layout();
    int first = panel * PanelLayout.COLUMNS;
    int width = Math.min(PanelLayout.COLUMNS, part.rows() - first);
    part.readRows(first, width, scratch.encoded().clear());
    int rowBytes = Math.toIntExact(part.format().rowBytes(part.cols()));
    int[] words = scratch.words();
    Arrays.fill(words, 0);
    for (int unit = 0; unit < run.units(); unit++) {
      int to = unit * layout.unitWords();
      boolean finite = true;
      for (int c = 0; c < width; c++) {
        int at = c * rowBytes + unit * layout.unitBytes();
        layout.packUnit(scratch.encoded(), at, c, words, to);
        finite &= scalesFinite(part.format(), scratch.encoded(), at, at + layout.unitBytes());
      }
      if (!finite || !layout.scalesFinite(words, to)) {
        throw new IllegalArgumentException(
            "%s: rows %d to %d hold a scale that is no finite number; the file is damaged"
                .formatted(part.name(), first, first + width - 1));
      }
    }
    System.arraycopy(words, 0, run.words(panel), run.at(panel), words.length);
  }

  private static boolean scalesFinite(QuantFormat format, ByteBuffer encoded, int from, int to) {
    boolean finite = true;
    for (int at = from; at < to; at += format.blockBytes()) {
      finite &= format.codec().scalesFinite(encoded, at);
    }
    return finite;
  }
}

package io.sailfish.kernels.cpu;

import io.sailfish.kernels.WeightSource;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Packs weights into panels: each row is read once, panels in parallel, one panel at a time. */
final class PanelPacker {
  private final Parallel parallel;

  PanelPacker(Parallel parallel) {
    this.parallel = parallel;
  }

  PanelWeight pack(String name, List<WeightSource> parts) {
    List<PanelRun> runs = new ArrayList<>();
    int firstRow = 0;
    for (WeightSource part : parts) {
      runs.add(packRun(part, PanelLayout.of(part.format()), firstRow));
      firstRow += part.rows();
    }
    return new PanelWeight(name, parts.get(0).cols(), runs);
  }

  PanelRun packRun(WeightSource part, PanelLayout layout, int firstRow) {
    int units = part.cols() / layout.unitInner();
    int panelWords = Math.multiplyExact(units, layout.unitWords());
    if (panelWords > OffHeap.MAX_WORDS) {
      throw new IllegalArgumentException(
          "%s: %d inputs are more than a panel can hold".formatted(part.name(), part.cols()));
    }
    int perChunk = OffHeap.MAX_WORDS / panelWords;
    int panels = (part.rows() + PanelLayout.COLUMNS - 1) / PanelLayout.COLUMNS;
    IntBuffer[] chunks = new IntBuffer[(panels + perChunk - 1) / perChunk];
    for (int i = 0; i < chunks.length; i++) {
      long words = (long) Math.min(perChunk, panels - i * perChunk) * panelWords;
      chunks[i] = OffHeap.allocate(4 * words, part.name()).asIntBuffer();
    }
    PanelRun run = new PanelRun(layout, firstRow, part.rows(), units, chunks, perChunk);
    PanelScratch[] scratch = new PanelScratch[parallel.threads()];
    parallel.run(
        panels,
        (panel, worker) -> {
          if (scratch[worker] == null) {
            scratch[worker] = new PanelScratch(part, panelWords);
          }
          packPanel(part, run, panel, scratch[worker]);
        });
    return run;
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
    int blockBytes = part.format().blockBytes();
    int[] words = scratch.words();
    Arrays.fill(words, 0);
    for (int unit = 0; unit < run.units(); unit++) {
      int to = unit * layout.unitWords();
      boolean finite = true;
      for (int c = 0; c < width; c++) {
        int at = c * rowBytes + unit * blockBytes;
        layout.packBlock(scratch.encoded(), at, c, words, to);
        finite &= part.format().codec().scalesFinite(scratch.encoded(), at);
      }
      if (!finite || !layout.scalesFinite(words, to)) {
        throw new IllegalArgumentException(
            "%s: rows %d to %d hold a scale that is no finite number; the file is damaged"
                .formatted(part.name(), first, first + width - 1));
      }
    }
    int at = panel % run.panelsPerChunk() * words.length;
    run.chunks()[panel / run.panelsPerChunk()].put(at, words, 0, words.length);
  }
}

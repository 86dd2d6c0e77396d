package io.sailfish.kernels.cuda;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Recorded steps by key. A step runs as it is the first time, so that code is loaded and memory
 * taken, is recorded the second time, and replayed from then on. The least recently used recordings
 * go when there are too many.
 */
final class StepGraphs implements AutoCloseable {
  private static final int MOST = 96;

  private final Map<Object, CudaGraph> graphs = new LinkedHashMap<>(16, 0.75f, true);
  private boolean recording;

  /** Whether what is queued now goes into a graph. */
  boolean recording() {
    return recording;
  }

  void run(CudaStream stream, Object key, Runnable work) {
    if (!graphs.containsKey(key)) {
      work.run();
      graphs.put(key, null);
      return;
    }
    CudaGraph graph = graphs.get(key);
    if (graph == null) {
      graph = record(stream, key, work);
      graphs.put(key, graph);
      forgetOldest(stream);
    }
    graph.launch(stream);
  }

  private CudaGraph record(CudaStream stream, Object key, Runnable work) {
    recording = true;
    try {
      return stream.capture(key.toString(), work);
    } finally {
      recording = false;
    }
  }

  private void forgetOldest(CudaStream stream) {
    while (graphs.size() > MOST) {
      Map.Entry<Object, CudaGraph> oldest = graphs.entrySet().iterator().next();
      graphs.remove(oldest.getKey());
      if (oldest.getValue() != null) {
        stream.synchronize(); // it may be running
        oldest.getValue().close();
      }
    }
  }

  @Override
  public void close() {
    for (CudaGraph graph : graphs.values()) {
      if (graph != null) {
        graph.close();
      }
    }
    graphs.clear();
  }
}

package io.sailfish.kernels.cuda;

import io.sailfish.kernels.DeviceMemoryException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Recorded steps by key. A step runs as it is the first time, so that code is loaded and memory
 * taken, is recorded the second time, and replayed from then on; where the card has no memory for a
 * recording it runs as it is. The least recently used recordings go when there are too many.
 */
final class StepGraphs implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(StepGraphs.class);
  private static final int MOST = 96;

  private final Map<Object, CudaGraph> graphs = new LinkedHashMap<>(16, 0.75f, true);
  private boolean recording;

  /** Whether the card had no memory for a recording. */
  private boolean full;

  /** Whether what is queued now goes into a graph. */
  boolean recording() {
    return recording;
  }

  void run(CudaStream stream, Object key, Runnable work) {
    if (!graphs.containsKey(key) || full && graphs.get(key) == null) {
      work.run();
      graphs.put(key, null);
      return;
    }
    CudaGraph graph = graphs.get(key);
    if (graph == null) {
      try {
        graph = record(stream, key, work);
      } catch (DeviceMemoryException e) {
        LOG.warn("no further steps are recorded, so they are slower: {}", e.getMessage());
        full = true;
        work.run();
        return;
      }
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

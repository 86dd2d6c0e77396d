package io.sailfish.kernels.cpu;

/**
 * Heap memory for the panels of all weights of a backend, handed out one behind the other from
 * arrays of some MiB: a small model's weights in arrays of their own would each round up to whole
 * regions of G1, a third of the model on top. Arrays, because both Java 17 and its successors load
 * vectors from them with nothing in between.
 */
final class WordSlabs {
  private static final int HEADER_WORDS = 4;

  /** Little enough to waste in the last array, enough to start only whole regions of G1. */
  private static final long LEAST_BYTES = 4L << 20;

  private final int slabWords =
      Math.toIntExact(Math.max(LEAST_BYTES, HostMemory.regionBytes()) / 4) - HEADER_WORDS;
  private int[] slab = new int[0];
  private int used;

  /** Where a panel lies: {@code array[start ..]}. */
  record Place(int[] array, int start) {}

  /**
   * Zeroed words for one panel, side by side; more than a slab holds gets an array of its own.
   *
   * @param weight for the message when the heap is full
   */
  Place take(int words, String weight) {
    if (words > slabWords - HostMemory.ALIGNED) {
      return new Place(
          allocate(Math.addExact(words, HostMemory.ALIGNED), weight), HostMemory.ALIGNED);
    }
    if (words > slab.length - used) {
      slab = allocate(slabWords, weight);
      used = HostMemory.ALIGNED;
    }
    used += words;
    return new Place(slab, used - words);
  }

  private static int[] allocate(int words, String weight) {
    try {
      return new int[words];
    } catch (OutOfMemoryError e) {
      Runtime jvm = Runtime.getRuntime();
      long free = jvm.maxMemory() - jvm.totalMemory() + jvm.freeMemory();
      throw new IllegalStateException(
          ("%s: no %d bytes of heap left for weights (%d free of the JVM's limit of %d); raise -Xmx,"
                  + " in Spark spark.executor.memory (local mode: spark.driver.memory)")
              .formatted(weight, 4L * words, free, jvm.maxMemory()),
          e);
    }
  }
}

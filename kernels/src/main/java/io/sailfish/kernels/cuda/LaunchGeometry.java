package io.sailfish.kernels.cuda;

/**
 * How a kernel is launched.
 *
 * @param gridX blocks, x
 * @param gridY blocks, y
 * @param gridZ blocks, z
 * @param threads threads of a block
 * @param sharedBytes dynamic shared memory of a block
 * @param cluster blocks of a cluster along x; 1 for none or when the kernel fixes it itself
 * @param overlap programmatic dependent launch: the kernel may start while the one before it on the
 *     stream is still running, and waits by itself before it reads what that one wrote
 */
public record LaunchGeometry(
    int gridX, int gridY, int gridZ, int threads, int sharedBytes, int cluster, boolean overlap) {
  public LaunchGeometry {
    if (gridX <= 0 || gridY <= 0 || gridZ <= 0 || threads <= 0 || threads > 1024) {
      throw new IllegalArgumentException(
          "launch of %d x %d x %d blocks of %d threads".formatted(gridX, gridY, gridZ, threads));
    }
    if (sharedBytes < 0 || cluster < 1 || gridX % cluster != 0) {
      throw new IllegalArgumentException(
          "launch with %d bytes of shared memory, %d blocks in clusters of %d"
              .formatted(sharedBytes, gridX, cluster));
    }
  }

  /** One dimension, no shared memory, no overlap. */
  public static LaunchGeometry of(int blocks, int threads) {
    return new LaunchGeometry(blocks, 1, 1, threads, 0, 1, false);
  }

  public LaunchGeometry withShared(int bytes) {
    return new LaunchGeometry(gridX, gridY, gridZ, threads, bytes, cluster, overlap);
  }

  public LaunchGeometry withGrid(int x, int y, int z) {
    return new LaunchGeometry(x, y, z, threads, sharedBytes, cluster, overlap);
  }

  public LaunchGeometry withCluster(int blocks) {
    return new LaunchGeometry(gridX, gridY, gridZ, threads, sharedBytes, blocks, overlap);
  }

  /** Waits for all that was queued before. */
  LaunchGeometry apart() {
    return new LaunchGeometry(gridX, gridY, gridZ, threads, sharedBytes, cluster, false);
  }

  public LaunchGeometry overlapping() {
    return new LaunchGeometry(gridX, gridY, gridZ, threads, sharedBytes, cluster, true);
  }
}

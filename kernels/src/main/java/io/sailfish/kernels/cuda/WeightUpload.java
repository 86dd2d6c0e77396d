package io.sailfish.kernels.cuda;

import io.sailfish.kernels.format.packed.CodeMatrix;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedCodec;
import io.sailfish.kernels.format.packed.PackedLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Packs weights on all cores and sends them to the card through two page-locked panels: while one
 * is on its way, the next is filled. Belongs to the thread of its stream.
 */
public final class WeightUpload implements AutoCloseable {
  private static final int STAGING_BYTES = 16 << 20;

  private final CudaStream stream;
  private final CudaMemory memory;
  private final PinnedMemory[] staging = new PinnedMemory[2];
  private final CudaEvent[] sent = new CudaEvent[2];
  private int turn;

  public WeightUpload(CudaStream stream) {
    this.stream = stream;
    memory = stream.device().memory();
    for (int i = 0; i < staging.length; i++) {
      staging[i] = stream.device().pinned(STAGING_BYTES, "weight upload");
      sent[i] = stream.device().newEvent();
      stream.record(sent[i]);
    }
  }

  /**
   * Packs and uploads a matrix; what was allocated is given back if anything fails.
   *
   * @param tables null for integer codes
   * @param scope owns the memory that is taken
   */
  public DeviceWeight upload(
      String name, PackedLayout layout, CodeMatrix matrix, LutTables tables, MemoryScope scope) {
    DeviceBuffer blocks = scope.allocate(layout.bytes(), name);
    // Panels come from many threads; the copies are queued by one at a time, each a run of its own.
    CudaDevice device = stream.device();
    ScaleExponent scales = new ScaleExponent(matrix, layout);
    PackedCodec.pack(
        layout,
        scales,
        (panel, offset, bytes) -> {
          synchronized (this) {
            device.makeCurrent();
            send(bytes, bytes.length, blocks.address() + offset);
          }
        });
    device.makeCurrent();
    if (tables == null) {
      return DeviceWeight.integer(name, layout, blocks.address(), scales.value(null));
    }
    tables.requireFits(layout);
    DeviceBuffer values = scope.allocate(2L * tables.encoded().length, name + " tables");
    ByteBuffer encoded =
        ByteBuffer.allocate(2 * tables.encoded().length).order(ByteOrder.LITTLE_ENDIAN);
    encoded.asShortBuffer().put(tables.encoded());
    send(encoded.array(), encoded.capacity(), values.address());
    return new DeviceWeight(
        name, layout, blocks.address(), values.address(), tables.count(), scales.value(tables));
  }

  /** Queues a copy of heap bytes of any length. */
  public synchronized void send(byte[] bytes, int length, long dstAddress) {
    for (int done = 0; done < length; done += STAGING_BYTES) {
      int size = Math.min(STAGING_BYTES, length - done);
      sent[turn].synchronize();
      ByteBuffer buffer = staging[turn].buffer().clear();
      buffer.put(bytes, done, size).flip();
      stream.upload(buffer, dstAddress + done);
      stream.record(sent[turn]);
      turn = 1 - turn;
    }
  }

  @Override
  public void close() {
    stream.synchronize();
    for (int i = 0; i < staging.length; i++) {
      staging[i].close();
      sent[i].close();
    }
  }
}

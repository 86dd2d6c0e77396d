package io.sailfish.kernels.cuda;

import io.sailfish.kernels.format.packed.CodeMatrix;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedCodec;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.PackedSource;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.stream.IntStream;

/**
 * Packs weights on all cores and sends them to the card through two page-locked panels: while one
 * is on its way, the next is filled. Belongs to the thread of its stream.
 */
public final class WeightUpload implements AutoCloseable {
  private static final int STAGING_BYTES = 16 << 20;

  /** Pieces of a file that are read at a time, and how large one is. */
  private static final int SLOTS = 12;

  private static final int SLOT_BYTES = 4 << 20;

  private final CudaStream stream;
  private final PinnedMemory[] staging = new PinnedMemory[2];
  private final CudaEvent[] sent = new CudaEvent[2];
  private int turn;
  private ArrayBlockingQueue<Slot> slots;

  /** Page-locked memory and the copy from it that was queued last. */
  private static final class Slot {
    final PinnedMemory memory;
    final CudaEvent sent;

    Slot(CudaStream stream) {
      memory = stream.device().pinned(SLOT_BYTES, "weight upload");
      sent = stream.device().newEvent();
      stream.record(sent);
    }
  }

  public WeightUpload(CudaStream stream) {
    this.stream = stream;
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
    return upload(name, layout, matrix, tables, WeightHome.on(scope));
  }

  DeviceWeight upload(
      String name, PackedLayout layout, CodeMatrix matrix, LutTables tables, WeightHome home) {
    long blocks = home.place(layout.bytes(), name);
    // Panels come from many threads; the copies are queued by one at a time, each a run of its own.
    CudaDevice device = stream.device();
    ScaleExponent scales = new ScaleExponent(matrix, layout);
    PackedCodec.pack(
        layout,
        scales,
        (panel, offset, bytes) -> {
          synchronized (this) {
            device.makeCurrent();
            send(bytes, bytes.length, blocks + offset);
          }
        });
    device.makeCurrent();
    if (tables == null) {
      return DeviceWeight.integer(name, layout, blocks, scales.value(null));
    }
    tables.requireFits(layout);
    long values = tables(name, tables, home);
    return new DeviceWeight(name, layout, blocks, values, tables.count(), scales.value(tables));
  }

  /** Address of LUT tables on the card. */
  long tables(String name, LutTables tables, WeightHome home) {
    long values = home.keep(2L * tables.encoded().length, name + " tables");
    ByteBuffer encoded =
        ByteBuffer.allocate(2 * tables.encoded().length).order(ByteOrder.LITTLE_ENDIAN);
    encoded.asShortBuffer().put(tables.encoded());
    send(encoded.array(), encoded.capacity(), values);
    return values;
  }

  /**
   * Copies a packed weight from its file: read by many threads straight into page-locked memory.
   */
  void copy(PackedSource source, long dstAddress) {
    if (slots == null) {
      slots = new ArrayBlockingQueue<>(SLOTS);
      for (int i = 0; i < SLOTS; i++) {
        slots.add(new Slot(stream));
      }
    }
    long bytes = source.form().bytes();
    int chunks = Math.toIntExact((bytes - 1) / SLOT_BYTES + 1);
    IntStream.range(0, chunks)
        .parallel()
        .forEach(chunk -> copy(source, chunk * (long) SLOT_BYTES, bytes, dstAddress));
    stream.device().makeCurrent();
  }

  private void copy(PackedSource source, long offset, long bytes, long dstAddress) {
    stream.device().makeCurrent();
    Slot slot = take();
    try {
      slot.sent.synchronize();
      ByteBuffer buffer = slot.memory.buffer().clear();
      buffer.limit((int) Math.min(SLOT_BYTES, bytes - offset));
      source.read(offset, buffer);
      synchronized (this) {
        stream.upload(buffer.flip(), dstAddress + offset);
        stream.record(slot.sent);
      }
    } finally {
      slots.add(slot);
    }
  }

  private Slot take() {
    try {
      return slots.take();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while copying weights", e);
    }
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
    for (Slot slot = slots == null ? null : slots.poll(); slot != null; slot = slots.poll()) {
      slot.memory.close();
      slot.sent.close();
    }
  }
}

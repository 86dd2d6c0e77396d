package io.sailfish.kernels.cuda;

import com.sun.jna.Native;
import java.nio.ByteBuffer;
import jcuda.Pointer;

/** An off-heap address as JCuda wants it. */
final class HostAddress extends Pointer {
  HostAddress(long address) {
    super(address);
  }

  /** Address of a direct buffer's position. */
  static HostAddress of(ByteBuffer buffer) {
    return new HostAddress(addressOf(buffer) + buffer.position());
  }

  /** Address of a direct buffer's first byte. */
  static long addressOf(ByteBuffer buffer) {
    if (!buffer.isDirect()) {
      throw new IllegalArgumentException("copies to and from the card need direct buffers");
    }
    return com.sun.jna.Pointer.nativeValue(Native.getDirectBufferPointer(buffer));
  }

  long value() {
    return getNativePointer() + getByteOffset();
  }
}

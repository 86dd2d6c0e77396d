package io.sailfish.kernels.cuda;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;

/**
 * The shape rules of {@link io.sailfish.kernels.Ops} for tensors on the card. Contents of index
 * tensors are not looked at: they may change without the host. Their maker answers for them; an
 * unknown token gives a row of NaN, a wrong slot or block a lost device.
 */
final class CudaChecks {
  private CudaChecks() {}

  static CudaTensor half(String op, String argument, Tensor tensor, int rows, long cols) {
    CudaTensor own = own(op, argument, tensor, rows, cols);
    if (own.exact) {
      throw new KernelException(op, argument, "activations (floats)", "fp32 (exact)");
    }
    return own;
  }

  static CudaTensor exact(String op, String argument, Tensor tensor, int rows, long cols) {
    CudaTensor own = own(op, argument, tensor, rows, cols);
    if (!own.exact) {
      throw new KernelException(op, argument, "an fp32 tensor (exact)", "activations");
    }
    return own;
  }

  static CudaTensor own(String op, String argument, Tensor tensor, int rows, long cols) {
    if (!(tensor instanceof CudaTensor own)) {
      throw new KernelException(op, argument, "a tensor of the CUDA backend", tensor.getClass());
    }
    Arguments.inRange(op, argument + ".rows", rows, Integer.MAX_VALUE, own.rows());
    Arguments.same(op, argument + ".cols", cols, (long) own.cols());
    return own;
  }

  static long ints(String op, String argument, IntTensor ints, int length) {
    if (!(ints instanceof CudaInts own)) {
      throw new KernelException(op, argument, "integers of the CUDA backend", ints.getClass());
    }
    Arguments.atLeast(op, argument + ".length", length, own.length());
    return own.address();
  }

  static CudaWeight weight(String op, Weight weight) {
    if (!(weight instanceof CudaWeight own)) {
      throw new KernelException(op, "weight", "one of the CUDA backend", weight.getClass());
    }
    return own;
  }

  static CudaKvCache cache(String op, KvCache cache, int layer, AttentionShape shape) {
    CudaKvCache own = (CudaKvCache) cache;
    Arguments.same(op, "shape", own.shape(), shape);
    Arguments.inRange(op, "layer", 0, own.layers() - 1, layer);
    return own;
  }

  static void rows(String op, int rows) {
    Arguments.atLeast(op, "rows", 0, rows);
  }
}

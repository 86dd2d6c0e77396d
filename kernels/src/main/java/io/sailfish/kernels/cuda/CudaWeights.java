package io.sailfish.kernels.cuda;

import io.sailfish.kernels.KernelException;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.WeightPacker;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.PackedForm;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.PackedSource;
import io.sailfish.kernels.format.packed.SourcePacking;
import java.util.List;

/** Packs weights for one card and puts them into a {@link WeightHome}. */
final class CudaWeights implements WeightPacker {
  private final CudaBackend backend;
  private final WeightHome home;

  CudaWeights(CudaBackend backend, WeightHome home) {
    this.backend = backend;
    this.home = home;
  }

  /** Device memory that a weight of these parts takes. May read all scales. */
  static long bytes(List<WeightSource> parts) {
    SourcePacking packed = SourcePacking.of(parts);
    int rows = parts.stream().mapToInt(WeightSource::rows).sum();
    return packed == null ? DenseMatrix.bytes(rows, parts.get(0).cols()) : packed.layout().bytes();
  }

  @Override
  public Weight weight(String name, List<WeightSource> parts) {
    return pack(name, parts, false, true);
  }

  @Override
  public Weight gatedWeight(String name, WeightSource gate, WeightSource up) {
    List<WeightSource> parts = List.of(gate, up);
    Arguments.same("weight " + name, "rows of up", gate.rows(), up.rows());
    return pack(name, parts, true, true);
  }

  @Override
  public Weight vocabularyWeight(String name, WeightSource source) {
    return pack(name, List.of(source), false, false);
  }

  private Weight pack(String name, List<WeightSource> parts, boolean gated, boolean mayPack) {
    if (parts.isEmpty()) {
      throw new KernelException("weight " + name, "parts", "at least one", 0);
    }
    for (WeightSource part : parts) {
      Arguments.same("weight " + name, part.name() + ".cols", parts.get(0).cols(), part.cols());
      Arguments.atLeast("weight " + name, part.name() + ".rows", 1, part.rows());
      part.format().rowBytes(part.cols()); // refuses rows of broken blocks
    }
    WeightPacking packing = packing();
    SourcePacking packed = mayPack ? SourcePacking.of(parts) : null;
    if (packed == null) {
      return home.use(packing.dense(name, parts, gated));
    }
    backend.note(packed.layout(), packed.tables());
    return home.use(packing.packed(name, packed, parts, gated));
  }

  @Override
  public boolean takes(PackedForm form) {
    return form.layout() != null || backend.activations() == TwoByteFloat.F16;
  }

  @Override
  public Weight packedWeight(PackedSource source) {
    PackedLayout layout = source.form().layout();
    if (layout != null) {
      backend.note(layout, source.form().tables());
    }
    return home.use(packing().copied(source));
  }

  private WeightPacking packing() {
    return new WeightPacking(
        backend.stream().device(), backend.upload(), home, backend.activations());
  }
}

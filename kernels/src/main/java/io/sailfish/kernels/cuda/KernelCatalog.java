package io.sailfish.kernels.cuda;

import java.util.ArrayList;
import java.util.List;

/** Every entry in the device code, as its twin describes it. A test holds it against the PTX. */
final class KernelCatalog {
  private KernelCatalog() {}

  static List<KernelSpec> all() {
    List<KernelSpec> specs = new ArrayList<>();
    specs.addAll(MemoryProbe.SPECS);
    specs.addAll(PortableGemm.specs());
    specs.addAll(PrefillGemm.specs());
    specs.addAll(DecodeGemm.specs());
    specs.addAll(DenseGemm.specs());
    specs.addAll(RowKernels.specs());
    specs.addAll(TokenKernels.SPECS);
    specs.addAll(RopeKernels.specs());
    specs.addAll(Attention.specs());
    return specs;
  }
}

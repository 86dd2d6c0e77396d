package io.sailfish.kernels;

import io.sailfish.kernels.format.packed.PackedForm;
import io.sailfish.kernels.format.packed.PackedSource;
import java.util.List;

/** Packs weights of a checkpoint for the operators of one backend, which owns what comes out. */
public interface WeightPacker {
  /**
   * Packs a weight matrix from its parts, stacked along the outputs; all parts have the same {@code
   * cols}, formats may differ.
   */
  Weight weight(String name, List<WeightSource> parts);

  /** A weight for {@link Ops#swiGlu} alone: gate over up. */
  default Weight gatedWeight(String name, WeightSource gate, WeightSource up) {
    return weight(name, List.of(gate, up));
  }

  /**
   * An embedding table or output head {@code [vocabulary, hidden]}: for {@link Ops#embed}, and for
   * {@link Ops#linear} into an {@link Backend#exact} tensor.
   */
  default Weight vocabularyWeight(String name, WeightSource source) {
    return weight(name, List.of(source));
  }

  /** Whether {@link #packedWeight} takes weights of a form as they are. */
  default boolean takes(PackedForm form) {
    return false;
  }

  /**
   * A weight that a file holds in the backend's own layout, copied as it is; gated ones are for
   * {@link Ops#swiGlu} alone. Only of forms that it {@link #takes}.
   */
  default Weight packedWeight(PackedSource source) {
    throw new UnsupportedOperationException("no packed weights are taken");
  }
}

/**
 * The one layout in which weights of 4 bits or less lie in device memory, drawn in
 * docs/adr/0001-packed-weight-layout.md. {@link io.sailfish.kernels.format.packed.PackedCodec}
 * writes and reads it exactly; nothing here needs a card.
 */
package io.sailfish.kernels.format.packed;

/**
 * Logits to a token: the definition that every backend follows to the bit (docs/adr/0013). Plain
 * code without a device; {@link io.sailfish.kernels.choice.TokenChooser} is the oracle of the
 * card's kernel and what rows of a CPU go through.
 */
package io.sailfish.kernels.choice;

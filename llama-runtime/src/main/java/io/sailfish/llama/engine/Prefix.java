package io.sailfish.llama.engine;

import java.util.Arrays;

/**
 * A node of the tree of known prefixes: one full block of tokens after its parent's. Nodes are
 * compared by identity; the same tokens after another parent are another node.
 */
final class Prefix {
  /** Identity of the parent node and the block's tokens. Exact, so there are no false hits. */
  record Key(long parent, int[] tokens) {
    @Override
    public boolean equals(Object other) {
      return other instanceof Key key && key.parent == parent && Arrays.equals(key.tokens, tokens);
    }

    @Override
    public int hashCode() {
      return Long.hashCode(parent * 0x9E3779B97F4A7C15L) * 31 + Arrays.hashCode(tokens);
    }
  }

  final long id;
  final Key key;
  final int block;

  /**
   * False while the sequence that promised the block has not been given a step that computes it;
   * others that need it wait instead of computing it again.
   */
  boolean ready;

  Prefix(long id, Key key, int block) {
    this.id = id;
    this.key = key;
    this.block = block;
  }
}

package io.sailfish.llama.engine;

import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;

/**
 * Who holds which block of the KV cache, and which prefix a block contains. Pure book-keeping: the
 * memory is the backend's.
 *
 * <p>A block is held (references &gt; 0), cached (none, but its prefix is known and may be wanted
 * again) or empty. {@link #take} prefers empty blocks and then evicts the cached one that has been
 * unused the longest. Sequences give their blocks back last first, so a prefix is always evicted
 * after everything that continues it.
 */
final class BlockPool {
  private static final long ROOT = 0;

  private final int blockTokens;
  private final boolean reuse;
  private final boolean promptsOnly;
  private final int[] references;
  private final Prefix[] prefixOf;
  private final int[] empty;
  private int numEmpty;
  private final LinkedHashSet<Integer> cached = new LinkedHashSet<>();
  private final Map<Prefix.Key, Prefix> prefixes = new HashMap<>();
  private long lastId = ROOT;

  /**
   * @param reuse whether prefixes are remembered at all
   */
  BlockPool(int numBlocks, int blockTokens, boolean reuse) {
    this(numBlocks, blockTokens, reuse, false);
  }

  /**
   * @param promptsOnly whether only blocks of prompts are reused, and only for prompts: where
   *     prompts and answers are computed by different operators, a token's keys have other bits as
   *     part of one than of the other (docs/adr/0008)
   */
  BlockPool(int numBlocks, int blockTokens, boolean reuse, boolean promptsOnly) {
    if (numBlocks <= 0 || blockTokens <= 0) {
      throw new IllegalArgumentException(
          "block pool: numBlocks=%d and blockTokens=%d must be positive"
              .formatted(numBlocks, blockTokens));
    }
    this.blockTokens = blockTokens;
    this.reuse = reuse;
    this.promptsOnly = promptsOnly;
    this.references = new int[numBlocks];
    this.prefixOf = new Prefix[numBlocks];
    this.empty = new int[numBlocks];
    clear();
  }

  int numBlocks() {
    return references.length;
  }

  int blockTokens() {
    return blockTokens;
  }

  /** How many of a sequence's first tokens may be shared with others. */
  int shareable(Sequence sequence, int tokens) {
    return promptsOnly ? Math.min(tokens, sequence.promptLength()) : tokens;
  }

  /** Blocks that {@link #take} can give. */
  int available() {
    return numEmpty + cached.size();
  }

  /** Blocks held by nobody whose contents may still be reused. */
  int numCached() {
    return cached.size();
  }

  /** A block with one reference; there has to be one {@link #available}. */
  int take() {
    int block;
    if (numEmpty > 0) {
      block = empty[--numEmpty];
    } else {
      block = cached.iterator().next();
      cached.remove(block);
      forget(block);
    }
    references[block] = 1;
    return block;
  }

  boolean isHeld(int block) {
    return references[block] > 0;
  }

  void retain(int block) {
    if (references[block]++ == 0) {
      cached.remove(block);
    }
  }

  void release(int block) {
    if (references[block] <= 0) {
      throw new IllegalStateException("KV block " + block + " released more often than held");
    }
    if (--references[block] > 0) {
      return;
    }
    Prefix prefix = prefixOf[block];
    if (prefix != null && prefix.ready) {
      cached.add(block);
    } else {
      forget(block);
      empty[numEmpty++] = block;
    }
  }

  /**
   * The known prefix that continues {@code parent} (null: the beginning) by the block of tokens
   * from {@code from} on, or null.
   */
  Prefix find(Prefix parent, int[] tokens, int from) {
    return prefixes.get(key(parent, tokens, from));
  }

  /**
   * Says that {@code block} will hold these tokens after {@code parent}. Null when another block
   * does so already or nothing is to be remembered: the block stays private then.
   */
  Prefix promise(Prefix parent, int[] tokens, int from, int block) {
    if (!reuse) {
      return null;
    }
    Prefix prefix = new Prefix(lastId + 1, key(parent, tokens, from), block);
    if (prefixes.putIfAbsent(prefix.key, prefix) != null) {
      return null;
    }
    lastId++;
    prefixOf[block] = prefix;
    return prefix;
  }

  /** Forgets everything: no block is held, nothing is cached. */
  void clear() {
    prefixes.clear();
    cached.clear();
    Arrays.fill(prefixOf, null);
    Arrays.fill(references, 0);
    numEmpty = empty.length;
    for (int i = 0; i < empty.length; i++) {
      empty[i] = empty.length - 1 - i;
    }
  }

  private void forget(int block) {
    Prefix prefix = prefixOf[block];
    if (prefix != null) {
      prefixes.remove(prefix.key);
      prefixOf[block] = null;
    }
  }

  private Prefix.Key key(Prefix parent, int[] tokens, int from) {
    return new Prefix.Key(
        parent == null ? ROOT : parent.id, Arrays.copyOfRange(tokens, from, from + blockTokens));
  }
}

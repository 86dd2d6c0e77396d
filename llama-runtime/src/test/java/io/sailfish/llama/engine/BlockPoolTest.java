package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class BlockPoolTest {
  private static final int[] TOKENS = {1, 2, 3, 4, 5, 6};

  @Test
  void aReleasedReadyBlockIsFoundAgainUntilItIsEvicted() {
    BlockPool pool = new BlockPool(2, 2, true);
    int first = pool.take();
    pool.promise(null, TOKENS, 0, first).ready = true;
    pool.release(first);
    assertEquals(2, pool.available());
    assertEquals(1, pool.numCached());
    assertEquals(first, pool.find(null, TOKENS, 0).block);
    pool.take();
    assertNotNull(pool.find(null, TOKENS, 0), "the empty block goes first");
    pool.take();
    assertNull(pool.find(null, TOKENS, 0), "then the cached one, and its prefix with it");
    assertEquals(0, pool.available());
  }

  @Test
  void theLongestUnusedPrefixIsEvictedFirst() {
    BlockPool pool = new BlockPool(2, 2, true);
    int old = pool.take();
    int recent = pool.take();
    pool.promise(null, TOKENS, 0, old).ready = true;
    pool.promise(null, TOKENS, 2, recent).ready = true;
    pool.release(recent);
    pool.release(old);
    pool.retain(recent);
    pool.release(recent);
    pool.take();
    assertNull(pool.find(null, TOKENS, 0));
    assertNotNull(pool.find(null, TOKENS, 2));
  }

  @Test
  void theSameTokensAfterAnotherParentAreAnotherPrefix() {
    BlockPool pool = new BlockPool(3, 2, true);
    Prefix parent = pool.promise(null, TOKENS, 0, pool.take());
    pool.promise(parent, TOKENS, 2, pool.take());
    assertNull(pool.find(null, TOKENS, 2));
    assertNotNull(pool.find(parent, TOKENS, 2));
  }

  @Test
  void aPromiseNotKeptIsForgotten() {
    BlockPool pool = new BlockPool(1, 2, true);
    int block = pool.take();
    pool.promise(null, TOKENS, 0, block);
    pool.release(block);
    assertNull(pool.find(null, TOKENS, 0));
    assertEquals(0, pool.numCached());
  }

  @Test
  void aSecondBlockWithTheSameContentsStaysPrivate() {
    BlockPool pool = new BlockPool(2, 2, true);
    assertNotNull(pool.promise(null, TOKENS, 0, pool.take()));
    assertNull(pool.promise(null, TOKENS, 0, pool.take()));
  }

  @Test
  void withoutReuseNothingIsRemembered() {
    BlockPool pool = new BlockPool(1, 2, false);
    assertNull(pool.promise(null, TOKENS, 0, pool.take()));
  }

  @Test
  void releasingMoreThanHeldIsABug() {
    BlockPool pool = new BlockPool(1, 2, true);
    int block = pool.take();
    pool.release(block);
    assertThrows(IllegalStateException.class, () -> pool.release(block));
  }
}

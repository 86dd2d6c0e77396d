package io.sailfish.llama.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.RuntimeFailure;
import org.junit.jupiter.api.Test;

class KvSizingTest {
  private static final KvSizing PLENTY = new KvSizing(2048, 16, 1000, 1L << 40, false);

  @Test
  void theUsersSizeIsTakenAsItIs() {
    assertEquals(200, PLENTY.blocks(200_999, 32));
  }

  @Test
  void ownChoiceIsRoomForTheRowsAndAtLeastOneContext() {
    assertEquals(32 * KvSizing.TOKENS_PER_ROW / 16, PLENTY.blocks(0, 32));
    assertEquals(128, PLENTY.blocks(0, 1));
    assertEquals(
        150, new KvSizing(2048, 16, 1000, 300_000, false).blocks(0, 32), "half of what is free");
    assertEquals(
        4, new KvSizing(64, 16, 1000, 300_000, false).blocks(0, 1), "short contexts need less");
  }

  @Test
  void memoryOfItsOwnIsFilledUpToAContextForEachRow() {
    assertEquals(300, new KvSizing(2048, 16, 1000, 300_000, true).blocks(0, 32));
    assertEquals(32 * 128, new KvSizing(2048, 16, 1000, 1L << 40, true).blocks(0, 32));
  }

  @Test
  void aSizeBelowOneContextIsRefusedWithNumbersAndKey() {
    String message = refusal(PLENTY, 127_999);
    assertTrue(message.contains("spark.sailfish.engine.kvBytes=127999"), message);
    assertTrue(message.contains("2032 tokens"), message);
    assertTrue(message.contains("128000 bytes"), message);
    assertTrue(message.contains("spark.sailfish.engine.contextTokens"), message);
  }

  @Test
  void aSizeAboveWhatIsFreeIsRefused() {
    String message = refusal(new KvSizing(2048, 16, 1000, 200_000, false), 200_001);
    assertTrue(message.contains("200000"), message);
  }

  @Test
  void memoryThatCannotHoldOneContextIsRefused() {
    String message = refusal(new KvSizing(2048, 16, 1000, 127_999, false), 0);
    assertTrue(message.contains("128000 bytes, 127999 are free"), message);
  }

  private static String refusal(KvSizing sizing, long kvBytes) {
    RuntimeFailure failure = assertThrows(RuntimeFailure.class, () -> sizing.blocks(kvBytes, 32));
    assertEquals(RuntimeFailure.Kind.USER, failure.kind());
    return failure.getMessage();
  }
}

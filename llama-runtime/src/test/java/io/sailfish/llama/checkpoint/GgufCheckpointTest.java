package io.sailfish.llama.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.Golden;
import io.sailfish.llama.model.ModelConfig;
import io.sailfish.llama.model.RopeConfig;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Reads the golden files. */
class GgufCheckpointTest {

  @Test
  void configurationOfPlain() {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("plain"))) {
      ModelConfig c = checkpoint.config();
      assertEquals("Tiny plain", c.name());
      assertEquals(2, c.layers());
      assertEquals(64, c.hidden());
      assertEquals(160, c.inner());
      assertEquals(new AttentionShape(4, 2, 16), c.attention());
      assertEquals(512, c.vocabulary());
      assertEquals(256, c.context());
      assertEquals(1e-5f, c.normEps());
      assertEquals(new RopeConfig(10000.0, true, new RopeConfig.None()), c.rope());
      assertFalse(c.tiedEmbeddings());
      assertEquals("Tiny plain, gguf f32", checkpoint.describe());
    }
  }

  @Test
  void tiedEmbeddingsHaveNoOutput() {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("tied"))) {
      assertTrue(checkpoint.config().tiedEmbeddings());
      assertNull(checkpoint.tensor("output"));
      assertEquals(100000.0, checkpoint.config().rope().theta());
    }
  }

  @Test
  void headDimIsReadAndNotComputed() {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("headdim"))) {
      assertEquals(new AttentionShape(4, 2, 24), checkpoint.config().attention());
      assertEquals(96, checkpoint.tensor("layers.1.o").cols());
      assertEquals(48, checkpoint.tensor("layers.1.v").rows());
    }
  }

  @Test
  void ropeScalings() {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("linear"))) {
      assertEquals(new RopeConfig.Linear(4.0), checkpoint.config().rope().scaling());
    }
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("llama3"))) {
      RopeConfig.Factors factors =
          assertInstanceOf(RopeConfig.Factors.class, checkpoint.config().rope().scaling());
      assertEquals(8, factors.divisors().length);
      assertEquals(1f, factors.divisors()[0]);
      assertEquals(8f, factors.divisors()[7]);
    }
  }

  @Test
  void tensorsByOurNamesWithTheFilesBytes() throws Exception {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("plain"))) {
      for (String name : TensorShapes.of(checkpoint.config()).keySet()) {
        assertNotNull(checkpoint.tensor(name), name);
      }
      WeightSource gate = checkpoint.tensor("layers.1.gate");
      assertEquals("blk.1.ffn_gate.weight", gate.name());
      ByteBuffer all = read(gate, 0, gate.rows());
      ByteBuffer some = read(gate, 7, 3);
      assertEquals(all.slice(7 * 64 * 4, 3 * 64 * 4), some);
      // The bytes stand in the file as they are.
      byte[] file = Files.readAllBytes(Golden.model("plain"));
      assertTrue(indexOf(file, some.array()) > 0);
      assertTrue(Math.abs(all.order(ByteOrder.LITTLE_ENDIAN).getFloat(0)) < 10);
    }
  }

  @Test
  void stopTokensAndBos() {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("llama3"))) {
      TokenizerConfig t = checkpoint.tokenizerConfig();
      assertEquals(0, t.bosId());
      assertTrue(t.addBos());
      assertEquals(Set.of(1, 4, 5), t.stopIds());
      assertEquals("<|begin_of_text|>", t.bosText());
      assertEquals("<|end_of_text|>", t.eosText());
      assertTrue(checkpoint.chatTemplate().orElseThrow().contains("start_header_id"));
    }
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("plain"))) {
      TokenizerConfig t = checkpoint.tokenizerConfig();
      assertFalse(t.addBos());
      assertEquals(Set.of(0, 2), t.stopIds());
    }
  }

  @Test
  void hfNamesMapToTheSameNames() {
    assertEquals("model.layers.17.mlp.down_proj.weight", TensorNames.toHf("layers.17.down"));
    assertEquals("layers.17.down", TensorNames.fromGguf("blk.17.ffn_down.weight"));
    assertEquals("lm_head.weight", TensorNames.toHf("output"));
    assertNull(TensorNames.fromGguf("blk.0.ffn_up.bias"));
    assertNull(TensorNames.fromGguf("blk.00.attn_q.weight"));
    assertNull(TensorNames.fromGguf("blk.#.attn_q.weight"));
  }

  @Test
  void interruptedReaderKeepsReading() {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("plain"))) {
      WeightSource gate = checkpoint.tensor("layers.0.gate");
      ByteBuffer before = read(gate, 0, 4);
      Thread.currentThread().interrupt();
      assertEquals(before, read(gate, 0, 4));
      assertTrue(Thread.interrupted(), "the interrupt is kept for the caller");
      assertEquals(before, read(gate, 0, 4));
    }
  }

  @Test
  void rowsOutsideAreRefused() {
    try (Checkpoint checkpoint = Checkpoints.open(Golden.model("plain"))) {
      WeightSource gate = checkpoint.tensor("layers.0.gate");
      assertThrows(IndexOutOfBoundsException.class, () -> read(gate, 159, 2));
      assertThrows(
          IllegalArgumentException.class, () -> gate.readRows(0, 2, ByteBuffer.allocate(511)));
    }
  }

  private static ByteBuffer read(WeightSource source, int firstRow, int numRows) {
    ByteBuffer dst = ByteBuffer.allocate((int) (numRows * source.format().rowBytes(source.cols())));
    source.readRows(firstRow, numRows, dst);
    assertEquals(0, dst.remaining());
    return dst.flip();
  }

  private static int indexOf(byte[] in, byte[] what) {
    outer:
    for (int i = 0; i + what.length <= in.length; i++) {
      for (int j = 0; j < what.length; j++) {
        if (in[i + j] != what[j]) {
          continue outer;
        }
      }
      return i;
    }
    return -1;
  }
}

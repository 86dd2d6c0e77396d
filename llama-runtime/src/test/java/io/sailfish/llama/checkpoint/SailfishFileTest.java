package io.sailfish.llama.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.ThreadMXBean;
import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.Golden;
import io.sailfish.llama.RuntimeFailure;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SailfishFileTest {
  @TempDir Path folder;
  private Path file;
  private byte[] bytes;

  @BeforeEach
  void write() throws Exception {
    file = convert("hf/llama", "m.sailfish");
    bytes = Files.readAllBytes(file);
  }

  private Path convert(String golden, String name) {
    Path target = folder.resolve(name);
    try (Checkpoint source = Checkpoints.open(Golden.model(golden))) {
      SailfishWriter.write(
          target,
          SailfishWriter.Description.of(source, new ObjectMapper().createObjectNode().put("a", 1)),
          tensors(source));
    }
    return target;
  }

  private static Map<String, WeightSource> tensors(Checkpoint source) {
    Map<String, WeightSource> tensors = new LinkedHashMap<>();
    source.tensorNames().forEach(name -> tensors.put(name, source.tensor(name)));
    return tensors;
  }

  private static byte[] rows(WeightSource source) {
    byte[] rows = new byte[(int) (source.rows() * source.format().rowBytes(source.cols()))];
    source.readRows(0, source.rows(), ByteBuffer.wrap(rows).order(ByteOrder.LITTLE_ENDIAN));
    return rows;
  }

  private Path packed(String golden) {
    Path target = folder.resolve("packed.sailfish");
    try (Checkpoint source = Checkpoints.open(Golden.model(golden))) {
      SailfishWriter.writePacked(
          target,
          SailfishWriter.Description.of(source, new ObjectMapper().createObjectNode()),
          tensors(source));
    }
    return target;
  }

  @Test
  void packedWeightsGiveTheSameRows() throws Exception {
    int packedWeights = 0;
    for (List<String> goldens :
        List.of(Golden.FAMILIES, Golden.VARIANTS, Golden.GGUF_TYPES, Golden.QUANTIZED)) {
      for (String golden : goldens) {
        Path target = packed(golden);
        byte[] once = Files.readAllBytes(target);
        assertArrayEquals(once, Files.readAllBytes(packed(golden)), golden);
        try (Checkpoint source = Checkpoints.open(Golden.model(golden));
            Checkpoint own = Checkpoints.open(target)) {
          ((SailfishCheckpoint) own).verify();
          for (String name : source.tensorNames()) {
            assertEquals(source.tensor(name).format(), own.tensor(name).format(), name);
            assertArrayEquals(rows(source.tensor(name)), rows(own.tensor(name)), name);
            assertArrayEquals(
                source.tensor(name).inputOrder(), own.tensor(name).inputOrder(), name);
          }
          for (FusedWeights weights : FusedWeights.of(own.config())) {
            packedWeights += own.packed(weights) == null ? 0 : 1;
          }
        }
      }
    }
    assertTrue(packedWeights > 40, packedWeights + " packed weights");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"code\":\"w4\"       | \"code\":\"w5\"       | code",
        "\"group\":32          | \"group\":33          | group",
        "\"zeros\":\"symmetric\" | \"zeros\":\"symmetrik\" | zeros",
        "\"step\":2            | \"step\":1            | do not lie in",
        "\"first\":1,          | \"first\":9,          | do not lie in",
        "\"packed_version\":2  | \"packed_version\":1  | packed_version",
        "layers.0.gate_up     | layers.0.gate_uq     | packed",
      })
  void damagedEntriesOfPackedWeightsAreRefused(String from, String to, String named)
      throws Exception {
    byte[] all = Files.readAllBytes(packed("types/q4_0"));
    String text = new String(all, StandardCharsets.ISO_8859_1);
    int at = text.lastIndexOf(from.strip());
    assertTrue(at > 0, from);
    byte[] other = to.strip().getBytes(StandardCharsets.ISO_8859_1);
    System.arraycopy(other, 0, all, at, other.length);
    Path damaged = Files.write(folder.resolve("damaged.sailfish"), all);
    RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> Checkpoints.open(damaged));
    assertTrue(e.getMessage().contains(named.strip()), e.getMessage());
  }

  /** Two fields that agree with each other, but not with the file. */
  @Test
  void tablesThatTheFileDoesNotHoldAreNotAllocated() throws Exception {
    byte[] all = Files.readAllBytes(packed("quantized/bnb_nf4"));
    int length = (int) ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).getLong(8);
    ObjectNode header = (ObjectNode) new ObjectMapper().readTree(all, 24, length);
    ObjectNode weight = (ObjectNode) header.get("packed").get("layers.0.o");
    weight.put("rows", 1 << 30).put("tables", (1 << 30) / 64);
    byte[] other = new ObjectMapper().writeValueAsBytes(header);
    int dataStart = (int) SailfishFile.aligned(24 + length);
    int newStart = (int) SailfishFile.aligned(24 + other.length);
    ByteBuffer file =
        ByteBuffer.allocate(newStart + all.length - dataStart).order(ByteOrder.LITTLE_ENDIAN);
    file.put(all, 0, 24).put(other).putLong(8, other.length);
    file.position(newStart).put(all, dataStart, all.length - dataStart);
    Path damaged = Files.write(folder.resolve("damaged.sailfish"), file.array());
    var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    assertThrows(RuntimeFailure.class, () -> Checkpoints.open(damaged));
    long before = threads.getCurrentThreadAllocatedBytes();
    RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> Checkpoints.open(damaged));
    long allocated = threads.getCurrentThreadAllocatedBytes() - before;
    assertTrue(e.getMessage().contains("tables_offset"), e.getMessage());
    assertTrue(allocated < 2L * all.length + (256 << 10), allocated + " bytes");
  }

  @Test
  void everyFamilyComesBackAsItWas() {
    Stream.of(Golden.FAMILIES, Golden.VARIANTS, Golden.GGUF_TYPES, Golden.QUANTIZED)
        .flatMap(List::stream)
        .forEach(
            golden -> {
              try (Checkpoint source = Checkpoints.open(Golden.model(golden));
                  Checkpoint own = Checkpoints.open(convert(golden, "copy.sailfish"))) {
                // Scalings may hold arrays, which records compare by identity.
                assertEquals(
                    SailfishConfig.write(source.config()), SailfishConfig.write(own.config()));
                assertEquals(source.tokenizerConfig(), own.tokenizerConfig());
                assertEquals(source.tokenizerJson(), own.tokenizerJson());
                assertEquals(source.chatTemplate(), own.chatTemplate());
                ((SailfishCheckpoint) own).verify();
                assertEquals(1, ((SailfishCheckpoint) own).provenance().get("a").asInt());
                for (String name : source.tensorNames()) {
                  assertEquals(source.tensor(name).format(), own.tensor(name).format());
                  assertArrayEquals(rows(source.tensor(name)), rows(own.tensor(name)), name);
                  assertArrayEquals(
                      source.tensor(name).inputOrder(), own.tensor(name).inputOrder(), name);
                }
              }
            });
  }

  @Test
  void theSameModelGivesTheSameBytesAndNothingElseIsLeft() throws Exception {
    assertArrayEquals(bytes, Files.readAllBytes(convert("hf/llama", "m.sailfish")));
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(file), files.toList());
    }
  }

  @Test
  void aWriteThatFailsLeavesNothing() throws Exception {
    Path target = folder.resolve("half.sailfish");
    try (Checkpoint source = Checkpoints.open(Golden.model("hf/llama"))) {
      Map<String, WeightSource> tensors = tensors(source);
      WeightSource last = source.tensor("output_norm");
      tensors.put(
          "output_norm",
          new WeightSource() {
            @Override
            public String name() {
              return "broken";
            }

            @Override
            public io.sailfish.kernels.format.QuantFormat format() {
              return last.format();
            }

            @Override
            public int rows() {
              return last.rows();
            }

            @Override
            public int cols() {
              return last.cols();
            }

            @Override
            public void readRows(int firstRow, int numRows, ByteBuffer dst) {
              throw new IllegalStateException("pulled out");
            }
          });
      SailfishWriter.Description model =
          SailfishWriter.Description.of(source, new ObjectMapper().createObjectNode());
      assertThrows(IllegalStateException.class, () -> SailfishWriter.write(target, model, tensors));
    }
    assertFalse(Files.exists(target));
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(file), files.toList());
    }
  }

  private String refusal(byte[] damaged) throws Exception {
    Path path = Files.write(folder.resolve("damaged.sailfish"), damaged);
    RuntimeFailure e =
        assertThrows(
            RuntimeFailure.class,
            () -> {
              try (Checkpoint opened = Checkpoints.open(path)) {
                opened.tokenizerJson();
              }
            });
    assertEquals(RuntimeFailure.Kind.USER, e.kind());
    assertTrue(e.getMessage().contains("damaged.sailfish"), e.getMessage());
    return e.getMessage();
  }

  private byte[] replaced(String from, String to) {
    assertEquals(from.length(), to.length());
    String text = new String(bytes, StandardCharsets.ISO_8859_1);
    assertTrue(text.contains(from), from);
    return text.replaceFirst(java.util.regex.Pattern.quote(from), to)
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`\"version\":1`|`\"version\":7`|version = 7: must lie in [1, 2]",
        "`\"layers\":2`|`\"layers\":9`|config.layers",
        "`\"format\":\"f`|`\"format\":\"g`|formats known are",
        "`\"rows\":512`|`\"rows\":513`|bytes",
        "`\"tokenizer_json_offset\":0`|`\"tokenizer_json_offset\":1`|multiple of 256",
        "`\"cols\":64`|`\"cols\":-4`|cols = -4",
        "`\"rows\":`|`\"rowz\":`|rows = (none): the model needs it",
        "`layers.1.down`|`layers.7.down`|layers.1.down"
      })
  void damagedHeadersAreRefusedByName(String from, String to, String message) throws Exception {
    String refusal = refusal(replaced(from, to));
    assertTrue(refusal.contains(message), refusal);
  }

  @Test
  void truncatedFilesAreRefused() throws Exception {
    for (int length : new int[] {3, 8, 15, 16, 23, 24, 400, bytes.length / 2, bytes.length - 1}) {
      refusal(java.util.Arrays.copyOf(bytes, length));
    }
    refusal(java.util.Arrays.copyOf(bytes, bytes.length + 1));
    ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putLong(16, -1);
    assertTrue(refusal(bytes).contains("data bytes = 18446744073709551615"));
  }

  @Test
  void verifyFindsAFlippedBit() throws Exception {
    bytes[bytes.length - 2000] ^= 4;
    Path path = Files.write(folder.resolve("flipped.sailfish"), bytes);
    try (SailfishFile damaged = SailfishFile.open(path)) {
      RuntimeFailure e = assertThrows(RuntimeFailure.class, damaged::verify);
      assertTrue(e.getMessage().contains("sha256"), e.getMessage());
    }
  }

  /** Whatever single byte of the header is changed: a clear refusal, or a model that opens. */
  @Test
  void noChangedByteOfTheHeaderDoesHarm() throws Exception {
    int end =
        SailfishFile.HEADER_AT
            + (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(8);
    Random random = new Random(1);
    int refused = 0;
    for (int i = 0; i < 2000; i++) {
      byte[] damaged = bytes.clone();
      damaged[random.nextInt(end)] = (byte) random.nextInt();
      Path path = Files.write(folder.resolve("damaged.sailfish"), damaged);
      try (Checkpoint opened = Checkpoints.open(path)) {
        opened.tokenizerJson();
      } catch (RuntimeFailure e) {
        assertEquals(RuntimeFailure.Kind.USER, e.kind(), e.getMessage());
        refused++;
      }
    }
    assertTrue(refused > 500, refused + " refused");
  }
}

package io.sailfish.llama.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.llama.Golden;
import io.sailfish.llama.RuntimeFailure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A model in three GGUF files, and what may be wrong with them. */
class GgufFilesTest {
  private static final String NAME = "mistral_split-0000%d-of-00003.gguf";

  @TempDir private Path folder;

  @BeforeEach
  void copy() throws IOException {
    for (int i = 1; i <= 3; i++) {
      Files.copy(Golden.file("gguf/" + NAME.formatted(i)), file(i));
    }
  }

  private Path file(int number) {
    return folder.resolve(NAME.formatted(number));
  }

  private void refused(Path path, String... expected) {
    RuntimeFailure e = assertThrows(RuntimeFailure.class, () -> Checkpoints.open(path).close());
    assertEquals(RuntimeFailure.Kind.USER, e.kind());
    for (String part : expected) {
      assertTrue(e.getMessage().contains(part), e.getMessage());
    }
  }

  @Test
  void tensorsOfAllFilesAreRead() {
    try (GgufFiles files = GgufFiles.open(file(1))) {
      assertEquals(21, files.tensors().size());
      assertEquals(
          3, files.tensors().values().stream().map(t -> t.file().path()).distinct().count());
    }
  }

  @Test
  void missingFileIsNamed() throws IOException {
    Files.delete(file(2));
    refused(file(1), "split.count = 3: " + NAME.formatted(2) + " is not beside it");
  }

  @Test
  void anotherThanTheFirstPointsToTheFirst() {
    refused(file(3), "split.no = 2: give the first file, " + NAME.formatted(1));
  }

  @Test
  void renamedFilesAreRefused() throws IOException {
    Path renamed = Files.move(file(1), folder.resolve("model.gguf"));
    refused(renamed, "split.count = 3: the files of a split model are called");
  }

  @Test
  void aFileInAnothersPlaceIsRefused() throws IOException {
    Files.delete(file(3));
    Files.copy(file(2), file(3));
    refused(file(1), NAME.formatted(3), "is in " + file(2) + " too");
  }
}

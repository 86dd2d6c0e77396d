package io.sailfish.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Some seconds of what {@link FormatFuzz} does by the million. */
class FormatFuzzTest {
  private static final Path GOLDEN = Path.of("../llama-runtime/src/test/resources/golden");
  private static final int FILES = 3000;

  @TempDir private Path work;

  @Test
  void damagedModelsAreReadOrRefused() throws IOException {
    DamagedModels models = new DamagedModels(GOLDEN, work);
    assertTrue(models.numModels() > 20, models.numModels() + " models");
    FormatFuzz.Progress none = new FormatFuzz.Progress(20240611, 0, 0, 0, List.of());
    FormatFuzz.Progress done = FormatFuzz.run(List.of(models), none, FILES);
    assertEquals(List.of(), done.kept());
    assertEquals(0, done.failures());
    // Neither a reader that refuses everything nor one that checks nothing would pass.
    assertTrue(done.refused() > FILES / 4, "refused " + done.refused());
    assertTrue(done.refused() < FILES * 98 / 100, "refused " + done.refused());
  }
}

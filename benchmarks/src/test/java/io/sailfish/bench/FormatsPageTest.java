package io.sailfish.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sailfish.kernels.format.QuantFormat;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class FormatsPageTest {
  private static final Path REPOSITORY = Path.of("..");

  @Test
  void thePageIsThatOfTheCode() throws IOException {
    String page = FormatsPage.page(REPOSITORY);
    assertEquals(
        page,
        Files.readString(REPOSITORY.resolve("docs/formats.md")),
        "docs/formats.md is older than the code: run benchmarks/formats-page.sh");
    for (QuantFormat format : QuantFormat.values()) {
      assertTrue(page.contains("| `" + format.id() + "` |"), format.id());
    }
  }
}

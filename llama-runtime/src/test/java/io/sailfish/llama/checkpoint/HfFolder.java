package io.sailfish.llama.checkpoint;

import io.sailfish.llama.Golden;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** A copy of a golden folder, of which tests change one thing. */
record HfFolder(Path path) {
  static HfFolder copyOf(String variant, Path under) {
    try (Stream<Path> files = Files.list(Golden.model(variant))) {
      Path copy = Files.createTempDirectory(under, "model");
      for (Path file : (Iterable<Path>) files::iterator) {
        Files.copy(file, copy.resolve(file.getFileName()));
      }
      return new HfFolder(copy);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  HfFolder replace(String file, String regex, String by) {
    String text = text(file);
    String changed = text.replaceFirst(regex, by);
    if (changed.equals(text)) {
      throw new IllegalArgumentException(regex + " is not in " + file);
    }
    return write(file, changed.getBytes(StandardCharsets.UTF_8));
  }

  /** Adds a field to a JSON object file. */
  HfFolder set(String file, String field) {
    return replace(file, "\\{", "{" + field.replace("\\", "\\\\") + ",");
  }

  /** Changes the JSON header of a safetensors file, keeping its length right. */
  HfFolder header(String file, String regex, String by) {
    byte[] whole = bytes(file);
    ByteBuffer in = ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN);
    int length = (int) in.getLong(0);
    String header = new String(whole, 8, length, StandardCharsets.UTF_8);
    String changed = header.replaceFirst(regex, by);
    if (changed.equals(header)) {
      throw new IllegalArgumentException(regex + " is not in " + header);
    }
    byte[] head = changed.getBytes(StandardCharsets.UTF_8);
    ByteBuffer out =
        ByteBuffer.allocate(8 + head.length + whole.length - 8 - length)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(head.length)
            .put(head)
            .put(whole, 8 + length, whole.length - 8 - length);
    return write(file, out.array());
  }

  HfFolder delete(String file) {
    try {
      Files.delete(path.resolve(file));
      return this;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  HfFolder write(String file, byte[] bytes) {
    try {
      Files.write(path.resolve(file), bytes);
      return this;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  byte[] bytes(String file) {
    try {
      return Files.readAllBytes(path.resolve(file));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  String text(String file) {
    return new String(bytes(file), StandardCharsets.UTF_8);
  }

  List<String> files() {
    try (Stream<Path> files = Files.list(path)) {
      return files.map(f -> f.getFileName().toString()).sorted().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

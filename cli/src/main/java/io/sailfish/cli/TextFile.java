package io.sailfish.cli;

import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** Plain text that the user names. */
final class TextFile {
  private TextFile() {}

  static String read(Path path) {
    try {
      return Files.readString(path);
    } catch (NoSuchFileException e) {
      throw new IllegalArgumentException(path + ": no such file", e);
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException(path + ": is no UTF-8 text", e);
    } catch (IOException e) {
      throw new IllegalArgumentException(path + ": cannot be read: " + e, e);
    }
  }

  static void write(Path path, String text) {
    try {
      Files.writeString(path, text);
    } catch (IOException e) {
      throw new IllegalArgumentException(path + ": cannot be written: " + e, e);
    }
  }
}

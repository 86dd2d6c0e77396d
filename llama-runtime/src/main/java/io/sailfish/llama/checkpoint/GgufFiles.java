package io.sailfish.llama.checkpoint;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A GGUF model of one file, or of several as llama-gguf-split writes them: NAME-00001-of-0000N.gguf
 * has all metadata, the others tensors alone. The first one's path stands for the model.
 */
final class GgufFiles implements AutoCloseable {
  private static final String COUNT = "split.count";
  private static final String NUMBER = "split.no";
  private static final String TENSORS = "split.tensors.count";
  private static final int MAX_FILES = 65535;
  private static final Pattern NAME = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.gguf");

  private final List<GgufReader> readers = new ArrayList<>();
  private final Map<String, GgufTensor> tensors = new LinkedHashMap<>();

  private GgufFiles() {}

  static GgufFiles open(Path path) {
    GgufFiles files = new GgufFiles();
    try {
      files.add(path);
      int count = files.metadata().integer(COUNT, 0, MAX_FILES, 1);
      if (count > 1) {
        files.addOthers(count);
      }
      return files;
    } catch (Throwable t) {
      files.close();
      throw t;
    }
  }

  private GgufReader add(Path path) {
    GgufReader reader = GgufReader.open(path);
    readers.add(reader);
    reader
        .tensors()
        .forEach(
            (name, tensor) -> {
              GgufTensor other = tensors.putIfAbsent(name, tensor);
              if (other != null) {
                throw reader.fail("tensor", name, "is in " + other.file().path() + " too");
              }
            });
    return reader;
  }

  private void addOthers(int count) {
    int number = metadata().integer(NUMBER, 0, count - 1);
    Matcher name = NAME.matcher(String.valueOf(path().getFileName()));
    if (!name.matches() || Integer.parseInt(name.group(3)) != count) {
      throw unsupported(
          COUNT,
          "" + count,
          "the files of a split model are called NAME-00001-of-%05d.gguf and so on"
              .formatted(count));
    }
    String first = "%s-%05d-of-%05d.gguf".formatted(name.group(1), 1, count);
    if (number != 0) {
      throw unsupported(NUMBER, "" + number, "give the first file, " + first);
    }
    for (int i = 1; i < count; i++) {
      String file = "%s-%05d-of-%05d.gguf".formatted(name.group(1), i + 1, count);
      Path sibling = path().resolveSibling(file);
      if (!Files.exists(sibling)) {
        throw unsupported(COUNT, "" + count, file + " is not beside it; get it again");
      }
      GgufReader reader = add(sibling);
      reader.metadata().integer(NUMBER, i, i);
      reader.metadata().integer(COUNT, count, count);
    }
    metadata().integer(TENSORS, tensors.size(), tensors.size(), tensors.size());
  }

  Path path() {
    return readers.get(0).path();
  }

  GgufMetadata metadata() {
    return readers.get(0).metadata();
  }

  /** By the files' names, in the files' order. */
  Map<String, GgufTensor> tensors() {
    return tensors;
  }

  RuntimeFailure fail(String what, String value, String problem) {
    return readers.get(0).fail(what, value, problem);
  }

  RuntimeFailure unsupported(String what, String value, String support) {
    return new RuntimeFailure(
        Kind.USER, "%s: %s = %s: %s".formatted(path(), what, value, support), null);
  }

  @Override
  public void close() {
    readers.forEach(GgufReader::close);
  }
}

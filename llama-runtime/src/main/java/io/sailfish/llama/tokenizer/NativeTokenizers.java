package io.sailfish.llama.tokenizer;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;

/**
 * Loads the native code of DJL's HuggingFace tokenizer, once per process.
 *
 * <p>Not through DJL's own loader, which unpacks under the home folder for ever, looks for CUDA and
 * downloads another build of the library where it finds it, and reports use over the network. Ours
 * unpacks to the JVM's temporary folder, which Spark gives every executor, and removes the file at
 * once: the library stays mapped.
 */
final class NativeTokenizers {
  private NativeTokenizers() {}

  private static final class Loaded {
    static final TokenizersLibrary LIBRARY = load();
  }

  static TokenizersLibrary library() {
    return Loaded.LIBRARY;
  }

  private static TokenizersLibrary load() {
    String file = System.mapLibraryName("tokenizers");
    String resource = "/native/lib/" + platform() + "/cpu/" + file;
    Path unpacked = null;
    try (InputStream in = TokenizersLibrary.class.getResourceAsStream(resource)) {
      if (in == null) {
        throw new RuntimeFailure(
            Kind.FATAL,
            "tokenizer: no native library for this platform in the jar: " + resource,
            null);
      }
      unpacked = Files.createTempFile("sailfish-", "-" + file);
      Files.copy(in, unpacked, StandardCopyOption.REPLACE_EXISTING);
      System.load(unpacked.toString());
      return TokenizersLibrary.LIB;
    } catch (IOException | UnsatisfiedLinkError e) {
      throw new RuntimeFailure(
          Kind.FATAL,
          "tokenizer: native library cannot be loaded from %s: %s; java.io.tmpdir must be a folder"
                  .formatted(System.getProperty("java.io.tmpdir"), e.getMessage())
              + " in which this process may write and run code",
          e);
    } finally {
      delete(unpacked);
    }
  }

  private static String platform() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String arch = System.getProperty("os.arch");
    String cpu = arch.equals("amd64") || arch.equals("x86_64") ? "x86_64" : arch;
    return (os.startsWith("mac") ? "osx" : os) + "-" + cpu;
  }

  private static void delete(Path file) {
    try {
      if (file != null) {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      file.toFile().deleteOnExit();
    }
  }
}

package io.sailfish.llama.quantize;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/** SHA-256 of a model file, or of names and digests of a folder's files in the order of names. */
public final class SourceDigest {
  private SourceDigest() {}

  public static String of(Path model) {
    try {
      if (!Files.isDirectory(model)) {
        return HexFormat.of().formatHex(file(model));
      }
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      List<Path> files;
      try (Stream<Path> all = Files.list(model)) {
        files = all.filter(Files::isRegularFile).sorted().toList();
      }
      for (Path path : files) {
        digest.update(path.getFileName().toString().getBytes(StandardCharsets.UTF_8));
        digest.update(file(path));
      }
      return HexFormat.of().formatHex(digest.digest());
    } catch (IOException e) {
      throw new RuntimeFailure(Kind.USER, model + ": cannot be read: " + e, e);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private static byte[] file(Path path) throws IOException, NoSuchAlgorithmException {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    try (InputStream in = new DigestInputStream(Files.newInputStream(path), digest)) {
      in.transferTo(java.io.OutputStream.nullOutputStream());
    }
    return digest.digest();
  }
}

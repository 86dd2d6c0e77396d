package io.sailfish.spark.source;

import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.spark.conf.SailfishConf;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileChecksum;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkEnv;
import org.apache.spark.deploy.SparkHadoopUtil;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Finds a model by any path that Hadoop opens. Local ones are used where they are. Others are
 * fetched once per host into the cache folder, which the host's executors share:
 *
 * <pre>
 * cache/
 *   &lt;key&gt;.lock     held by the executor that fetches
 *   &lt;key&gt;/         a whole model; made elsewhere in the cache and renamed
 *     SHA256SUMS       of every file, written when it was copied
 *     &lt;name&gt;         the file, or the folder: under their own names, as models may have no other
 * </pre>
 *
 * The key is made of the path and of size, time and (where the file system has one) checksum of
 * every file, so that a changed model is another entry.
 */
public final class ModelSource {
  private static final Logger LOG = LoggerFactory.getLogger(ModelSource.class);
  private static final String SUMS = "SHA256SUMS";
  private static final int COPY_BYTES = 1 << 20;
  private static final Pattern OTHER_WEIGHTS =
      Pattern.compile("consolidated.*|.*\\.(bin|pt|pth|h5|msgpack|onnx|gguf|ot)");

  private static final Pattern FIRST_PART = Pattern.compile("(.*)-00001-of-(\\d{5})\\.gguf");

  /** File locks are per process; this is for the threads of it. */
  private static final Map<String, Object> LOCKS = new ConcurrentHashMap<>();

  private final Configuration hadoop;
  private final java.nio.file.Path cache;

  public ModelSource(Configuration hadoop, java.nio.file.Path cache) {
    this.hadoop = hadoop;
    this.cache = cache;
  }

  /** As an application's settings say. */
  public static ModelSource of(SparkConf conf) {
    String folder = conf.get(SailfishConf.CACHE_DIR.key(), "");
    java.nio.file.Path cache =
        folder.isBlank()
            ? java.nio.file.Path.of(
                System.getProperty("java.io.tmpdir"), "sailfish-" + System.getProperty("user.name"))
            : java.nio.file.Path.of(folder);
    return new ModelSource(SparkHadoopUtil.get().newConfiguration(conf), cache);
  }

  /**
   * A model as a file or folder of this host, driver's or executor's, fetched if need be.
   *
   * @throws RuntimeFailure when it cannot be read
   */
  public static java.nio.file.Path ofHost(String model) {
    try {
      return of(SparkEnv.get().conf()).local(model);
    } catch (IOException e) {
      throw new RuntimeFailure(Kind.USER, e.getMessage(), e);
    }
  }

  /**
   * The model as a local file or folder, fetched if need be.
   *
   * @throws IOException naming path and cause
   */
  public java.nio.file.Path local(String path) throws IOException {
    try {
      Path model = new Path(path);
      FileSystem fs = model.getFileSystem(hadoop);
      if (fs instanceof LocalFileSystem) {
        return readable(java.nio.file.Path.of(fs.makeQualified(model).toUri().getPath()));
      }
      return fetched(fs, fs.makeQualified(model));
    } catch (IOException | UncheckedIOException | IllegalArgumentException e) {
      throw new IOException("cannot read " + path + ": " + reason(e), e);
    }
  }

  private static java.nio.file.Path readable(java.nio.file.Path file) throws IOException {
    if (!Files.exists(file)) {
      throw new NoSuchFileException(file.toString(), null, "there is no such file on this host");
    }
    if (!Files.isReadable(file)) {
      throw new IOException("the file is not readable for user " + System.getProperty("user.name"));
    }
    return file;
  }

  private java.nio.file.Path fetched(FileSystem fs, Path model) throws IOException {
    FileStatus status = fs.getFileStatus(model);
    List<FileStatus> files = new ArrayList<>();
    if (status.isDirectory()) {
      for (FileStatus file : fs.listStatus(model)) {
        if (file.isFile() && !file.getPath().getName().startsWith(".")) {
          files.add(file);
        }
      }
      leaveOutCopies(files);
      files.sort(Comparator.comparing(file -> file.getPath().getName()));
    } else {
      files.addAll(parts(fs, status));
    }
    if (files.isEmpty()) {
      throw new IOException("the folder is empty");
    }
    String key = key(fs, model.toUri(), files);
    java.nio.file.Path entry = cache.resolve(key);
    String folder = status.isDirectory() ? model.getName() : "";
    Files.createDirectories(cache);
    synchronized (LOCKS.computeIfAbsent(entry.toString(), name -> new Object())) {
      try (FileChannel lock =
              FileChannel.open(
                  cache.resolve(key + ".lock"),
                  StandardOpenOption.CREATE,
                  StandardOpenOption.WRITE);
          var held = lock.lock()) {
        if (!isWhole(entry, folder, files)) {
          fetch(fs, files, entry, folder);
        }
      }
    }
    return entry.resolve(model.getName());
  }

  /** The file, or all parts of a split GGUF model that is named by its first. */
  private static List<FileStatus> parts(FileSystem fs, FileStatus file) throws IOException {
    Matcher name = FIRST_PART.matcher(file.getPath().getName());
    if (!name.matches()) {
      return List.of(file);
    }
    List<FileStatus> parts = new ArrayList<>();
    for (int i = 1; i <= Integer.parseInt(name.group(2)); i++) {
      String part = "%s-%05d-of-%s.gguf".formatted(name.group(1), i, name.group(2));
      parts.add(fs.getFileStatus(new Path(file.getPath().getParent(), part)));
    }
    return parts;
  }

  /**
   * Folders often hold the weights once more in other forms; beside safetensors nobody reads them.
   */
  private static void leaveOutCopies(List<FileStatus> files) {
    boolean safetensors =
        files.stream()
            .map(file -> file.getPath().getName())
            .anyMatch(name -> name.startsWith("model") && name.endsWith(".safetensors"));
    if (safetensors) {
      files.removeIf(file -> OTHER_WEIGHTS.matcher(file.getPath().getName()).matches());
    }
  }

  private void fetch(FileSystem fs, List<FileStatus> files, java.nio.file.Path entry, String folder)
      throws IOException {
    deleteFolder(entry);
    java.nio.file.Path part = Files.createTempDirectory(cache, ".part-");
    long start = System.nanoTime();
    try {
      StringBuilder sums = new StringBuilder();
      java.nio.file.Path inside = Files.createDirectories(part.resolve(folder));
      for (FileStatus file : files) {
        java.nio.file.Path target = inside.resolve(file.getPath().getName());
        String copied = copy(fs, file, target);
        if (!copied.equals(sha256(target))) {
          throw new IOException("the copy in " + target + " is not what was read");
        }
        sums.append(copied).append("  ").append(target.getFileName()).append('\n');
      }
      Files.writeString(part.resolve(SUMS), sums);
      Files.move(part, entry, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      deleteFolder(part);
    }
    LOG.info(
        "Fetched {} to {} in {} ms",
        files.get(0).getPath(),
        entry,
        (System.nanoTime() - start) / 1_000_000);
  }

  /** Copies and returns the SHA-256 of what was read. */
  private static String copy(FileSystem fs, FileStatus file, java.nio.file.Path target)
      throws IOException {
    MessageDigest digest = digest();
    try (InputStream in = fs.open(file.getPath());
        OutputStream out = new DigestOutputStream(Files.newOutputStream(target), digest)) {
      byte[] buffer = new byte[COPY_BYTES];
      long total = 0;
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        out.write(buffer, 0, n);
        total += n;
      }
      if (total != file.getLen()) {
        throw new IOException(
            file.getPath() + " ended after " + total + " of " + file.getLen() + " bytes");
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Whether every file is there with the size of its source and the checksum of its copy. */
  private static boolean isWhole(java.nio.file.Path entry, String folder, List<FileStatus> files)
      throws IOException {
    java.nio.file.Path sums = entry.resolve(SUMS);
    if (!Files.exists(sums)) {
      return false;
    }
    List<String> expected = Files.readAllLines(sums);
    if (expected.size() != files.size()) {
      return false;
    }
    for (int i = 0; i < files.size(); i++) {
      java.nio.file.Path copy = entry.resolve(folder).resolve(files.get(i).getPath().getName());
      boolean whole =
          Files.exists(copy)
              && Files.size(copy) == files.get(i).getLen()
              && expected.get(i).equals(sha256(copy) + "  " + copy.getFileName());
      if (!whole) {
        LOG.warn("The cached file {} is damaged; the model is fetched again", copy);
        return false;
      }
    }
    return true;
  }

  private static String key(FileSystem fs, URI model, List<FileStatus> files) throws IOException {
    StringBuilder identity = new StringBuilder(model.toString());
    for (FileStatus file : files) {
      FileChecksum checksum = fs.getFileChecksum(file.getPath());
      identity
          .append('\n')
          .append(file.getPath().getName())
          .append(' ')
          .append(file.getLen())
          .append(' ')
          .append(file.getModificationTime())
          .append(' ')
          .append(checksum == null ? "" : HexFormat.of().formatHex(checksum.getBytes()));
    }
    byte[] hash = digest().digest(identity.toString().getBytes(StandardCharsets.UTF_8));
    return HexFormat.of().formatHex(hash, 0, 16);
  }

  private static String sha256(java.nio.file.Path file) throws IOException {
    MessageDigest digest = digest();
    try (InputStream in = Files.newInputStream(file)) {
      byte[] buffer = new byte[COPY_BYTES];
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        digest.update(buffer, 0, n);
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  private static MessageDigest digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }

  private static void deleteFolder(java.nio.file.Path folder) throws IOException {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<java.nio.file.Path> all = Files.walk(folder)) {
      for (java.nio.file.Path path : all.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
  }

  private static String reason(Exception e) {
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }
}

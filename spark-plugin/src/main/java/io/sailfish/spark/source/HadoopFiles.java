package io.sailfish.spark.source;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;

/**
 * Writes files by any path that Hadoop opens: under another name first, renamed when they are
 * whole, so that a process that is killed leaves no half a file under the name that was asked for.
 */
public final class HadoopFiles {
  /** Beginning of the names of files that are being written. */
  static final String UNFINISHED = ".part-";

  private HadoopFiles() {}

  /** The file system of a path; local files get no checksum files beside them. */
  public static FileSystem of(Path path, Configuration hadoop) throws IOException {
    FileSystem fs = path.getFileSystem(hadoop);
    return fs instanceof LocalFileSystem local ? local.getRawFileSystem() : fs;
  }

  /** Writes to a stream. */
  public interface Content {
    void write(OutputStream out) throws IOException;
  }

  /** Writes a file, in place of the one that is there. */
  public static void put(FileSystem fs, Path target, Content content) throws IOException {
    Path unfinished = new Path(target.getParent(), UNFINISHED + UUID.randomUUID());
    try {
      try (OutputStream out = fs.create(unfinished, true)) {
        content.write(out);
      }
      if (fs.exists(target)) {
        fs.delete(target, false);
      }
      if (!fs.rename(unfinished, target)) {
        throw new IOException("%s could not be renamed to %s".formatted(unfinished, target));
      }
    } finally {
      fs.delete(unfinished, false);
    }
  }

  /** Writes text. */
  public static void put(FileSystem fs, Path target, String text) throws IOException {
    put(fs, target, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
  }
}

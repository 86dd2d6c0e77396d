package io.sailfish.spark.quantize;

import io.sailfish.llama.quantize.LayerFolder;
import io.sailfish.spark.source.HadoopFiles;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.FileUtil;
import org.apache.hadoop.fs.Path;

/**
 * A folder by any path that Hadoop opens. Files are written on this machine, then copied there
 * under another name and renamed; what is asked for is fetched once.
 */
final class HadoopLayerFolder implements LayerFolder, AutoCloseable {
  private final Path folder;
  private final FileSystem fs;
  private final java.nio.file.Path scratch;

  HadoopLayerFolder(Path folder, Configuration hadoop) throws IOException {
    this.folder = folder;
    this.fs = HadoopFiles.of(folder, hadoop);
    fs.mkdirs(folder);
    this.scratch = Files.createTempDirectory("sailfish-layers-");
  }

  @Override
  public boolean has(String name) throws IOException {
    return fs.exists(new Path(folder, name));
  }

  @Override
  public java.nio.file.Path scratch(String name) {
    return scratch.resolve(name);
  }

  @Override
  public void keep(String name) throws IOException {
    java.nio.file.Path file = scratch(name);
    HadoopFiles.put(fs, new Path(folder, name), out -> Files.copy(file, out));
  }

  @Override
  public java.nio.file.Path local(String name) throws IOException {
    java.nio.file.Path file = scratch(name);
    if (!Files.exists(file)) {
      try (InputStream in = fs.open(new Path(folder, name))) {
        Files.copy(in, file, StandardCopyOption.REPLACE_EXISTING);
      }
    }
    return file;
  }

  @Override
  public void delete(String name) throws IOException {
    fs.delete(new Path(folder, name), false);
    Files.deleteIfExists(scratch(name));
  }

  @Override
  public void delete() throws IOException {
    fs.delete(folder, true);
  }

  @Override
  public String toString() {
    return folder.toString();
  }

  /** Deletes this machine's copies. */
  @Override
  public void close() {
    FileUtil.fullyDelete(scratch.toFile());
  }
}

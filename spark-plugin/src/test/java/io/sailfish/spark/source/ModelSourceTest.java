package io.sailfish.spark.source;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelSourceTest {
  @TempDir private Path folder;
  private Path remote;
  private Path cache;

  /** Local files under another scheme, so that they count as remote. */
  public static final class Remote extends RawLocalFileSystem {
    static final AtomicInteger OPENED = new AtomicInteger();

    @Override
    public URI getUri() {
      return URI.create("remote:///");
    }

    @Override
    public String getScheme() {
      return "remote";
    }

    @Override
    public FSDataInputStream open(org.apache.hadoop.fs.Path path, int bufferSize)
        throws IOException {
      OPENED.incrementAndGet();
      return super.open(path, bufferSize);
    }
  }

  @BeforeEach
  void files() throws IOException {
    remote = Files.createDirectory(folder.resolve("remote"));
    cache = folder.resolve("cache");
    Files.write(remote.resolve("m.gguf"), new byte[3_000_000]);
    Files.writeString(remote.resolve("config.json"), "{}");
    Remote.OPENED.set(0);
  }

  private ModelSource source() {
    Configuration hadoop = new Configuration(false);
    hadoop.set("fs.remote.impl", Remote.class.getName());
    hadoop.set("fs.file.impl", "org.apache.hadoop.fs.LocalFileSystem");
    hadoop.setBoolean("fs.remote.impl.disable.cache", true);
    return new ModelSource(hadoop, cache);
  }

  @Test
  void localFilesAreUsedWhereTheyAre() throws IOException {
    Path model = remote.resolve("m.gguf");
    assertEquals(model, source().local(model.toString()));
    assertEquals(model, source().local("file:" + model));
    assertFalse(Files.exists(cache));
  }

  @Test
  void remoteFilesAreFetchedOnce() throws IOException {
    Path first = source().local("remote:" + remote.resolve("m.gguf"));
    assertTrue(first.startsWith(cache));
    assertEquals("m.gguf", first.getFileName().toString());
    assertEquals(-1, Files.mismatch(remote.resolve("m.gguf"), first));
    assertEquals(first, source().local("remote:" + remote.resolve("m.gguf")));
    assertEquals(1, Remote.OPENED.get());
  }

  @Test
  void foldersAreFetchedWhole() throws IOException {
    Path model = source().local("remote:" + remote);
    assertEquals(-1, Files.mismatch(remote.resolve("m.gguf"), model.resolve("m.gguf")));
    assertEquals("{}", Files.readString(model.resolve("config.json")));
    // Nothing else lies there, and a model that has no other name is called as it was.
    assertEquals("remote", model.getFileName().toString());
    try (Stream<Path> copies = Files.list(model)) {
      assertEquals(2, copies.count());
    }
    assertEquals(model, source().local("remote:" + remote));
    assertEquals(2, Remote.OPENED.get());
  }

  @Test
  void allPartsOfASplitModelAreFetched() throws IOException {
    for (int i = 1; i <= 3; i++) {
      Files.writeString(remote.resolve("s-0000%d-of-00003.gguf".formatted(i)), "part " + i);
    }
    Path first = source().local("remote://" + remote + "/s-00001-of-00003.gguf");
    assertEquals("part 1", Files.readString(first));
    assertEquals("part 3", Files.readString(first.resolveSibling("s-00003-of-00003.gguf")));
    Files.delete(remote.resolve("s-00002-of-00003.gguf"));
    assertMessage("remote://" + remote + "/s-00001-of-00003.gguf", "s-00002-of-00003.gguf");
  }

  @Test
  void copiesOfTheWeightsInOtherFormsStay() throws IOException {
    for (String name :
        new String[] {"model.safetensors", "pytorch_model.bin", "consolidated.pth"}) {
      Files.write(remote.resolve(name), new byte[1000]);
    }
    Path model = source().local("remote:" + remote);
    assertTrue(Files.exists(model.resolve("model.safetensors")));
    assertTrue(Files.exists(model.resolve("config.json")));
    assertFalse(Files.exists(model.resolve("pytorch_model.bin")));
    assertFalse(Files.exists(model.resolve("consolidated.pth")));
    assertFalse(Files.exists(model.resolve("m.gguf")));
  }

  @Test
  void aChangedModelIsFetchedAnew() throws IOException {
    Path first = source().local("remote:" + remote.resolve("config.json"));
    Files.writeString(remote.resolve("config.json"), "{\"changed\": true}");
    Path second = source().local("remote:" + remote.resolve("config.json"));
    assertNotEquals(first, second);
    assertEquals("{\"changed\": true}", Files.readString(second));
  }

  @Test
  void damagedCopiesAreFetchedAnew() throws IOException {
    Path copy = source().local("remote:" + remote.resolve("m.gguf"));
    byte[] bytes = Files.readAllBytes(copy);
    bytes[1_234_567] = 1;
    Files.write(copy, bytes);
    assertEquals(copy, source().local("remote:" + remote.resolve("m.gguf")));
    assertEquals(-1, Files.mismatch(remote.resolve("m.gguf"), copy));
    assertEquals(2, Remote.OPENED.get());
  }

  @Test
  void executorsOfAHostShareOneFetch() throws Exception {
    ExecutorService executors = Executors.newFixedThreadPool(8);
    try {
      List<Callable<Path>> fetches = new ArrayList<>();
      for (int i = 0; i < 8; i++) {
        fetches.add(() -> source().local("remote:" + remote.resolve("m.gguf")));
      }
      Set<Path> paths = new java.util.HashSet<>();
      for (Future<Path> fetch : executors.invokeAll(fetches)) {
        paths.add(fetch.get());
      }
      assertEquals(1, paths.size());
      assertEquals(1, Remote.OPENED.get());
    } finally {
      executors.shutdown();
    }
    try (Stream<Path> entries = Files.list(cache)) {
      assertEquals(2, entries.count(), "the model and its lock, nothing half done");
    }
  }

  @Test
  void errorsNamePathAndCause() throws IOException {
    assertMessage(remote.resolve("none.gguf").toString(), "there is no such file on this host");
    assertMessage("remote:" + remote.resolve("none.gguf"), "does not exist");
    assertMessage("nosuch://host/m.gguf", "nosuch");
    Path empty = Files.createDirectory(folder.resolve("empty"));
    assertMessage("remote:" + empty, "the folder is empty");
  }

  private void assertMessage(String path, String cause) {
    IOException e = assertThrows(IOException.class, () -> source().local(path));
    assertTrue(e.getMessage().startsWith("cannot read " + path + ": "), e.getMessage());
    assertTrue(e.getMessage().contains(cause), e.getMessage());
  }
}

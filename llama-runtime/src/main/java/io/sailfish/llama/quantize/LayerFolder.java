package io.sailfish.llama.quantize;

import java.io.IOException;
import java.nio.file.Path;

/**
 * Where finished layers are kept while a model is quantised: a folder of this machine or, for jobs
 * that may go on elsewhere, of any file system. Used by one thread.
 */
public interface LayerFolder {
  /** Whether a file has been kept whole, as far as its file system can tell. */
  boolean has(String name) throws IOException;

  /** Where a file is to be written, on this machine, before it is kept. */
  Path scratch(String name) throws IOException;

  /** Keeps what has been written to {@link #scratch}: in place of the one that is there, if any. */
  void keep(String name) throws IOException;

  /** A file that is kept, on this machine. */
  Path local(String name) throws IOException;

  /** Deletes a file that is kept. */
  void delete(String name) throws IOException;

  /** Deletes the folder with all that it holds. */
  void delete() throws IOException;

  /** Its name, for messages. */
  @Override
  String toString();
}

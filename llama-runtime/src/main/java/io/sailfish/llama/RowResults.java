package io.sailfish.llama;

import io.sailfish.arrow.Utf8Column;

/**
 * Answers of one batch in row order, in Arrow memory; closed by the receiver. For each row exactly
 * one of text and error is non-null, or both are null for a null input and for {@link
 * RowTask.Overflow#NULL}.
 */
public interface RowResults extends AutoCloseable {
  int rows();

  Utf8Column text();

  Utf8Column error();

  RowUsage usage();

  @Override
  void close();
}

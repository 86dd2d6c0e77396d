package io.sailfish.llama.tokenizer;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import com.fasterxml.jackson.core.JsonProcessingException;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import io.sailfish.llama.checkpoint.TokenizerConfig;
import java.util.Arrays;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * Tokenizer over HuggingFace's tokenizers (Rust, by way of DJL), from the text of a tokenizer.json.
 *
 * <p>The native tokenizer knows no special tokens at all, so no text can become one; those that a
 * template wrote are found by {@link SpecialTokens}. Decoding is done here from {@link TokenBytes}.
 * Calls the library's own functions and not DJL's HuggingFaceTokenizer, which fetches six more
 * arrays for every text than the ids.
 */
public final class HfTokenizer implements Tokenizer {
  private final TokenizersLibrary library = NativeTokenizers.library();
  private final TokenizerConfig config;
  private final SpecialTokens specials;
  private final TokenBytes bytes;
  // Encoding takes the read lock, so that close() cannot free what is being used.
  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();
  private long handle;

  private HfTokenizer(TokenizerJson json, TokenizerConfig config) throws JsonProcessingException {
    this.config = config;
    this.specials = new SpecialTokens(json.specials());
    this.bytes = json.tokenBytes();
    this.handle = library.createTokenizerFromString(json.withoutSpecials());
    library.disableTruncation(handle);
    library.disablePadding(handle);
    NativeHeap.trim();
  }

  /**
   * Makes a tokenizer. Closed by the caller.
   *
   * @param tokenizerJson the whole text of a HuggingFace tokenizer.json
   * @throws RuntimeFailure of kind USER for a text that is none, or one of a kind not known
   */
  public static HfTokenizer of(String tokenizerJson, TokenizerConfig config) {
    try {
      return new HfTokenizer(TokenizerJson.parse(tokenizerJson), config);
    } catch (RuntimeFailure e) {
      throw e;
    } catch (RuntimeException | JsonProcessingException e) {
      throw new RuntimeFailure(Kind.USER, "tokenizer.json: cannot be used: " + e.getMessage(), e);
    }
  }

  @Override
  public int[] encodeText(String text) {
    IntList ids = new IntList();
    ids.addAll(encodePlain(text));
    return ids.toArray();
  }

  @Override
  public String escape(String userText) {
    return specials.escape(userText);
  }

  @Override
  public int[] encodePrompt(String rendered) {
    IntList ids = new IntList();
    for (SpecialTokens.Part part : specials.split(rendered)) {
      if (part.text() == null) {
        ids.add(part.id());
      } else {
        ids.addAll(encodePlain(part.text()));
      }
    }
    boolean begun = ids.size > 0 && ids.values[0] == config.bosId();
    return config.addBos() && !begun ? ids.toArrayAfter(config.bosId()) : ids.toArray();
  }

  private long[] encodePlain(String text) {
    String valid = replaceLoneSurrogates(text);
    lock.readLock().lock();
    try {
      if (handle == 0) {
        throw new IllegalStateException("tokenizer: used after close");
      }
      long encoding = library.encode(handle, valid, false);
      try {
        return library.getTokenIds(encoding);
      } finally {
        library.deleteEncoding(encoding);
      }
    } finally {
      lock.readLock().unlock();
    }
  }

  /** Half a surrogate pair is no text; the native side would refuse it. */
  private static String replaceLoneSurrogates(String text) {
    StringBuilder out = null;
    for (int i = 0; i < text.length(); i++) {
      if (!Character.isSurrogate(text.charAt(i))) {
        continue;
      }
      if (i + 1 < text.length() && Character.isSurrogatePair(text.charAt(i), text.charAt(i + 1))) {
        i++;
        continue;
      }
      out = out == null ? new StringBuilder(text) : out;
      out.setCharAt(i, '\uFFFD');
    }
    return out == null ? text : out.toString();
  }

  @Override
  public String decode(int[] ids) {
    StringBuilder text = new StringBuilder();
    StreamingDecoder decoder = streamingDecoder();
    for (int id : ids) {
      text.append(decoder.next(id));
    }
    return text.append(decoder.finish()).toString();
  }

  @Override
  public StreamingDecoder streamingDecoder() {
    return new Utf8StreamingDecoder(bytes);
  }

  @Override
  public void close() {
    lock.writeLock().lock();
    try {
      if (handle != 0) {
        library.deleteTokenizer(handle);
        handle = 0;
      }
    } finally {
      lock.writeLock().unlock();
    }
  }

  /** Growing list of ids. */
  private static final class IntList {
    private int[] values = new int[64];
    private int size;

    void add(int value) {
      reserve(1);
      values[size++] = value;
    }

    void addAll(long[] more) {
      reserve(more.length);
      for (long id : more) {
        values[size++] = Math.toIntExact(id);
      }
    }

    private void reserve(int count) {
      if (size + count > values.length) {
        values = Arrays.copyOf(values, Math.max(2 * values.length, size + count));
      }
    }

    int[] toArray() {
      return Arrays.copyOf(values, size);
    }

    int[] toArrayAfter(int first) {
      int[] all = new int[size + 1];
      all[0] = first;
      System.arraycopy(values, 0, all, 1, size);
      return all;
    }
  }
}

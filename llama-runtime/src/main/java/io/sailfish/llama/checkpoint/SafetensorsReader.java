package io.sailfish.llama.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.sailfish.llama.RuntimeFailure;
import io.sailfish.llama.RuntimeFailure.Kind;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads the header of a safetensors file (layout: the project's README): eight bytes of length,
 * JSON, data.
 *
 * <p>Nothing in it is believed: length, types, shapes and offsets are checked against the file, and
 * the tensors must fill the data without a hole or an overlap, as the format demands. The JSON is
 * read as a stream, so memory stays in proportion to the number of tensors.
 */
final class SafetensorsReader {
  /** The limit of the format's own library. */
  private static final long MAX_HEADER = 100_000_000;

  private static final int MAX_DIMS = 8;
  private static final JsonFactory JSON = new JsonFactory();

  private final FileBytes file;
  private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();
  private long dataStart;

  private SafetensorsReader(FileBytes file) {
    this.file = file;
  }

  /** Tensors by name, in the header's order. */
  static Map<String, StoredTensor> read(FileBytes file) {
    SafetensorsReader reader = new SafetensorsReader(file);
    reader.parse();
    reader.checkCoverage();
    return reader.tensors;
  }

  private void parse() {
    if (file.size() < 8) {
      throw fail("header length", "(none)", "the file ends before it");
    }
    ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    file.read(0, length);
    long header = length.getLong(0);
    if (header < 2 || header > MAX_HEADER || header > file.size() - 8) {
      throw fail(
          "header length",
          Long.toUnsignedString(header),
          "must lie in [2, %d]".formatted(Math.min(MAX_HEADER, file.size() - 8)));
    }
    dataStart = 8 + header;
    try (JsonParser json = JSON.createParser(new FileRange(file, 8, dataStart))) {
      expect(json, json.nextToken(), JsonToken.START_OBJECT, "header");
      while (json.nextToken() != JsonToken.END_OBJECT) {
        String name = json.currentName();
        json.nextToken();
        if ("__metadata__".equals(name)) {
          json.skipChildren();
        } else {
          readTensor(json, name);
        }
      }
      if (json.nextToken() != null) {
        throw fail("header", "" + json.currentToken(), "goes on after its object");
      }
    } catch (IOException e) {
      throw new RuntimeFailure(
          Kind.USER, "%s: header is no JSON: %s".formatted(file.path(), firstLine(e)), e);
    }
  }

  private static String firstLine(IOException e) {
    String message = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    return message.length() > 200 ? message.substring(0, 200) + "..." : message;
  }

  private void readTensor(JsonParser json, String name) throws IOException {
    String what = "tensor " + JsonFields.shown(name);
    expect(json, json.currentToken(), JsonToken.START_OBJECT, what);
    StoredTensor.Type type = null;
    List<Long> shape = null;
    List<Long> offsets = null;
    while (json.nextToken() != JsonToken.END_OBJECT) {
      String field = json.currentName();
      JsonToken value = json.nextToken();
      switch (field) {
        case "dtype" -> {
          expect(json, value, JsonToken.VALUE_STRING, what + " dtype");
          type = StoredTensor.Type.byName(json.getText());
          if (type == null) {
            throw fail(what + " dtype", json.getText(), "types known are " + typeNames());
          }
        }
        case "shape" -> shape = numbers(json, what + " shape", MAX_DIMS);
        case "data_offsets" -> offsets = numbers(json, what + " data_offsets", 2);
        default -> throw fail(what, field, "fields known are dtype, shape, data_offsets");
      }
    }
    if (type == null || shape == null || offsets == null || offsets.size() != 2) {
      throw fail(what, "(incomplete)", "must have dtype, shape and two data_offsets");
    }
    add(name, type, shape, offsets.get(0), offsets.get(1));
  }

  private static String typeNames() {
    return List.of(StoredTensor.Type.values()).toString();
  }

  private List<Long> numbers(JsonParser json, String what, int max) throws IOException {
    expect(json, json.currentToken(), JsonToken.START_ARRAY, what);
    List<Long> numbers = new ArrayList<>(2);
    while (json.nextToken() != JsonToken.END_ARRAY) {
      expect(json, json.currentToken(), JsonToken.VALUE_NUMBER_INT, what);
      if (json.getNumberType() == JsonParser.NumberType.BIG_INTEGER || json.getLongValue() < 0) {
        throw fail(what, json.getText(), "must be whole numbers from 0 to 2^63 - 1");
      }
      if (numbers.size() == max) {
        throw fail(what, numbers + " and more", "there may be " + max);
      }
      numbers.add(json.getLongValue());
    }
    return numbers;
  }

  private void add(String name, StoredTensor.Type type, List<Long> shape, long begin, long end) {
    String what = "tensor " + JsonFields.shown(name);
    long dataBytes = file.size() - dataStart;
    if (begin > end || end > dataBytes) {
      throw fail(
          what + " data_offsets",
          "[%d, %d]".formatted(begin, end),
          "the file has %d bytes of data: it is truncated or damaged".formatted(dataBytes));
    }
    long elements = 1;
    for (long dim : shape) {
      if (dim != 0 && elements > Long.MAX_VALUE / 8 / dim) {
        throw fail(what + " shape", shape.toString(), "more elements than a file can hold");
      }
      elements *= dim;
    }
    if (elements * type.bytes != end - begin) {
      throw fail(
          what + " shape",
          "%s %s".formatted(type, shape),
          "takes %d bytes, data_offsets give it %d".formatted(elements * type.bytes, end - begin));
    }
    StoredTensor tensor =
        new StoredTensor(file, name, type, List.copyOf(shape), dataStart + begin, end - begin);
    if (tensors.putIfAbsent(name, tensor) != null) {
      throw fail("tensor", name, "occurs twice");
    }
  }

  /** The format wants every byte of the data to belong to exactly one tensor. */
  private void checkCoverage() {
    List<StoredTensor> byOffset = new ArrayList<>(tensors.values());
    byOffset.sort(
        Comparator.comparingLong(StoredTensor::offset).thenComparing(StoredTensor::bytes));
    long next = dataStart;
    for (StoredTensor tensor : byOffset) {
      if (tensor.offset() != next) {
        throw fail(
            "tensor " + JsonFields.shown(tensor.name()) + " data_offsets",
            "" + (tensor.offset() - dataStart),
            (tensor.offset() < next
                    ? "overlaps the tensor before, which ends at "
                    : "leaves a hole after ")
                + (next - dataStart));
      }
      next += tensor.bytes();
    }
    if (next != file.size()) {
      throw fail(
          "data",
          (file.size() - next) + " bytes at the end",
          "belong to no tensor; the file is damaged");
    }
  }

  private void expect(JsonParser json, JsonToken got, JsonToken expected, String what)
      throws IOException {
    if (got != expected) {
      String shown = got == null ? "(end)" : json.getText();
      throw fail(what, shown, "must be " + expected);
    }
  }

  private RuntimeFailure fail(String what, String value, String problem) {
    return GgufCursor.fail(file, what, value, problem);
  }

  /** Bytes [from, to) of a file as a stream. */
  private static final class FileRange extends InputStream {
    private final FileBytes file;
    private final long end;
    private long at;

    FileRange(FileBytes file, long from, long to) {
      this.file = file;
      this.at = from;
      this.end = to;
    }

    @Override
    public int read() {
      byte[] one = new byte[1];
      return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] dst, int offset, int length) {
      if (at == end) {
        return -1;
      }
      int count = (int) Math.min(length, end - at);
      file.read(at, ByteBuffer.wrap(dst, offset, count));
      at += count;
      return count;
    }
  }
}

package io.sailfish.llama.checkpoint;

import io.sailfish.kernels.WeightSource;
import java.util.Map;
import java.util.Set;

/** The quantised matrices of a folder, by what {@code quantization_config} says of them. */
interface QuantizedTensors {
  String KEY = "quantization_config";

  static QuantizedTensors of(JsonFields config, Map<String, StoredTensor> tensors) {
    JsonFields quantization = config.objectOrNull(KEY);
    if (quantization == null) {
      return new Unquantized();
    }
    String method = quantization.text("quant_method");
    return switch (method) {
      case "gptq" -> new GptqTensors(quantization, tensors);
      case "awq" -> new AwqTensors(quantization, tensors);
      case "compressed-tensors" -> new PackQuantizedTensors(quantization, tensors);
      case "bitsandbytes" -> new BitsAndBytesTensors(quantization, tensors);
      default ->
          throw quantization.fail(
              "quant_method", method, "gptq, awq, compressed-tensors and bitsandbytes are read");
    };
  }

  /**
   * A matrix that is quantised, or null when this one is not.
   *
   * @param name name of the dense weight that it stands for, ending in {@code .weight}
   * @param used takes the names of the stored tensors that the source reads
   */
  WeightSource source(String name, TensorShapes.Shape shape, Set<String> used);

  /** What a quantised matrix would consist of; the end of a message. */
  String expectation();

  /** One word for descriptions. */
  String describe();

  /** A folder of plain floats. */
  final class Unquantized implements QuantizedTensors {
    @Override
    public WeightSource source(String name, TensorShapes.Shape shape, Set<String> used) {
      return null;
    }

    @Override
    public String expectation() {
      return "";
    }

    @Override
    public String describe() {
      return "safetensors";
    }
  }
}

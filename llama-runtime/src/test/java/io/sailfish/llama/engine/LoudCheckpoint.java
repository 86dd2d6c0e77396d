package io.sailfish.llama.engine;

import io.sailfish.kernels.DerivedSource;
import io.sailfish.kernels.WeightSource;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.TokenizerConfig;
import io.sailfish.llama.model.ModelConfig;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;

/**
 * An F32 checkpoint with all that goes into the residual stream so many times as large, as models
 * with massive activations have it: weights that fp16 holds, sums that it does not. Norms take it
 * out again, so the logits are the same.
 */
record LoudCheckpoint(Checkpoint quiet) implements Checkpoint {
  private static final float FACTOR = 30_000;

  @Override
  public ModelConfig config() {
    ModelConfig c = quiet.config();
    return new ModelConfig(
        c.name(),
        c.layers(),
        c.hidden(),
        c.inner(),
        c.attention(),
        c.variant(),
        c.vocabulary(),
        c.context(),
        c.normEps() * FACTOR * FACTOR,
        c.rope(),
        c.tiedEmbeddings(),
        c.layerSizes());
  }

  @Override
  public WeightSource tensor(String name) {
    WeightSource tensor = quiet.tensor(name);
    boolean adds = name.equals("embedding") || name.endsWith(".o") || name.endsWith(".down");
    return adds ? new Loud(tensor) : tensor;
  }

  private record Loud(WeightSource source) implements DerivedSource {
    @Override
    public void readRows(int firstRow, int numRows, ByteBuffer dst) {
      int from = dst.position();
      source.readRows(firstRow, numRows, dst);
      ByteBuffer values = dst.duplicate().order(ByteOrder.LITTLE_ENDIAN);
      for (int at = from; at < dst.position(); at += Float.BYTES) {
        values.putFloat(at, FACTOR * values.getFloat(at));
      }
    }
  }

  @Override
  public String tokenizerJson() {
    return quiet.tokenizerJson();
  }

  @Override
  public TokenizerConfig tokenizerConfig() {
    return quiet.tokenizerConfig();
  }

  @Override
  public Optional<String> chatTemplate() {
    return quiet.chatTemplate();
  }

  @Override
  public String describe() {
    return quiet.describe();
  }

  @Override
  public void close() {
    quiet.close();
  }
}

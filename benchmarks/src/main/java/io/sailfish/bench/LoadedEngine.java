package io.sailfish.bench;

import io.sailfish.kernels.Backend;
import io.sailfish.kernels.Backends;
import io.sailfish.llama.RuntimeConfig;
import io.sailfish.llama.checkpoint.Checkpoint;
import io.sailfish.llama.checkpoint.Checkpoints;
import io.sailfish.llama.engine.Engine;
import io.sailfish.llama.engine.GenerationRequest;
import io.sailfish.llama.engine.GenerationResult;
import io.sailfish.llama.engine.LlamaEngine;
import io.sailfish.llama.engine.Ticket;
import io.sailfish.llama.tokenizer.HfTokenizer;
import io.sailfish.llama.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.List;

/** An engine and the tokenizer it was given; closed together. */
record LoadedEngine(Engine engine, Tokenizer tokenizer) implements AutoCloseable {
  static LoadedEngine load(Path model, RuntimeConfig config) {
    return load(model, config, 0);
  }

  /**
   * @param chunkTokens where prompts are cut, 0 = as in production
   */
  static LoadedEngine load(Path model, RuntimeConfig config, int chunkTokens) {
    try (Checkpoint checkpoint = Checkpoints.open(model)) {
      Tokenizer tokenizer =
          HfTokenizer.of(checkpoint.tokenizerJson(), checkpoint.tokenizerConfig());
      Backend backend = Backends.open(config.backend());
      int cut = chunkTokens > 0 ? chunkTokens : backend.promptCut();
      return new LoadedEngine(
          LlamaEngine.load(checkpoint, backend, tokenizer, config, cut), tokenizer);
    }
  }

  List<GenerationResult> run(List<GenerationRequest> requests) {
    List<Ticket> tickets = requests.stream().map(engine::submit).toList();
    return tickets.stream().map(Ticket::join).toList();
  }

  @Override
  public void close() {
    engine.close();
    tokenizer.close();
  }
}

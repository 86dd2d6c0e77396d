package io.sailfish.kernels;

/**
 * The operators of a Llama forward pass: THE contract that every backend fulfils and that {@code
 * cpu.ReferenceOps} defines by plain loops with double sums. {@code rows} is the number of leading
 * rows of the activations to work on (M); everything else comes from the shapes.
 *
 * <p>Same answer always: a row of the result depends on that row's inputs alone, bit for bit, never
 * on {@code rows} or on its neighbours. So the order of every sum is fixed by the layer's shape.
 *
 * <p>A call may return before the work is done (CUDA); {@link Backend#read} waits. No argument may
 * alias another unless said so. Wrong shapes are refused with {@link KernelException} before any
 * work.
 */
public interface Ops {
  /**
   * y[r, :] = table[tokenIds[r], :], dequantised. y: [rows, hidden], table: [vocabulary, hidden],
   * of {@link Backend#vocabularyWeight}.
   */
  void embed(Tensor y, Weight table, IntTensor tokenIds, int rows);

  /** y = x / sqrt(mean(x²) + eps) · weight, row by row. weight: [1, cols]. y may be x. */
  void rmsNorm(Tensor y, Tensor x, Tensor weight, float eps, int rows);

  /** y[M, N] = x[M, K] · Wᵀ. */
  void linear(Tensor y, Tensor x, Weight w, int rows);

  /** y[M, N] += x[M, K] · Wᵀ: a projection that ends in the residual stream. */
  void linearAdd(Tensor y, Tensor x, Weight w, int rows);

  /** y[M, F] = silu(x·Gᵀ) ∘ (x·Uᵀ), gateUp: [2F, K] = G over U, of {@link Backend#gatedWeight}. */
  void swiGlu(Tensor y, Tensor x, Weight gateUp, int rows);

  /**
   * Rotates the q and k parts of fused rows in place. cosSin: [context, headDim], the first half of
   * a row the cosines, the second half the sines of the position's {@code headDim / 2} angles
   * (magnitude scaling included). {@code interleaved}: pairs are (2i, 2i+1), as GGUF's llama files
   * have them; otherwise (i, i + headDim/2), as HF has them.
   */
  void rope(
      Tensor qkv,
      Tensor cosSin,
      IntTensor positions,
      AttentionShape shape,
      boolean interleaved,
      int rows);

  /** Writes the k and v parts of fused rows to {@code slots} of a layer. */
  void kvAppend(
      KvCache cache, int layer, Tensor qkv, IntTensor slots, AttentionShape shape, int rows);

  /**
   * What {@code how} does to q, k and v, then {@link #kvAppend}; the k and v parts of {@code qkv}
   * are undefined afterwards.
   */
  default void ropeAppend(
      Tensor qkv,
      LayerAttention how,
      StepInputs step,
      KvCache cache,
      int layer,
      AttentionShape shape,
      int rows) {
    if (how.bias() != null) {
      addBias(qkv, how.bias(), rows);
    }
    if (how.qNorm() != null) {
      headNorm(qkv, how.qNorm(), how.kNorm(), how.normEps(), shape, rows);
    }
    rope(qkv, how.cosSin(), step.positions(), shape, how.interleaved(), rows);
    kvAppend(cache, layer, qkv, step.slots(), shape, rows);
  }

  /**
   * Copies block {@code fromBlock} of all layers, keys and values, over block {@code toBlock}: copy
   * on write of a partly filled block that several sequences go on from.
   */
  void kvCopy(KvCache cache, int fromBlock, int toBlock);

  /**
   * Causal attention over the paged cache, scale 1/sqrt(headDim): y[r, h·headDim..] =
   * softmax(q·K[0..p]) · V[0..p] with p the row's position. The rows' own keys and values are in
   * the cache already. y: [rows, heads·headDim].
   */
  void attention(
      Tensor y,
      Tensor qkv,
      KvCache cache,
      int layer,
      StepInputs step,
      AttentionShape shape,
      int rows);

  /**
   * {@link #ropeAppend}, then {@link #attention} or {@link #slidingAttention}; {@code qkv} is
   * undefined afterwards.
   */
  default void ropeAttention(
      Tensor y,
      Tensor qkv,
      LayerAttention how,
      StepInputs step,
      KvCache cache,
      int layer,
      AttentionShape shape,
      int rows) {
    ropeAppend(qkv, how, step, cache, layer, shape, rows);
    if (how.window() == 0) {
      attention(y, qkv, cache, layer, step, shape, rows);
    } else {
      slidingAttention(y, qkv, cache, layer, step, shape, how.window(), rows);
    }
  }

  /** y[i, :] = x[rowIds[i], :] for i in [0, numRows). */
  void gatherRows(Tensor y, Tensor x, IntTensor rowIds, int numRows);

  // What some families and formats need beyond a plain Llama.

  /** y[r, :] += bias. bias: [1, cols]. */
  void addBias(Tensor y, Tensor bias, int rows);

  /**
   * {@link #rmsNorm} of each query head and each key head of fused rows, in place, before {@link
   * #rope}. qWeight, kWeight: [1, headDim].
   */
  void headNorm(
      Tensor qkv, Tensor qWeight, Tensor kWeight, float eps, AttentionShape shape, int rows);

  /**
   * {@link #attention} where a row at position p sees positions {@code max(0, p + 1 - window)..p}
   * alone.
   */
  void slidingAttention(
      Tensor y,
      Tensor qkv,
      KvCache cache,
      int layer,
      StepInputs step,
      AttentionShape shape,
      int window,
      int rows);

  /**
   * y[r, i] = x[r, order[i]] for all columns: the inputs of a weight that keeps them in another
   * order (see {@link WeightSource#inputOrder()}).
   */
  void gatherCols(Tensor y, Tensor x, IntTensor order, int rows);
}

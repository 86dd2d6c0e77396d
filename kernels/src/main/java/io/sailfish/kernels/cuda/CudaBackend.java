package io.sailfish.kernels.cuda;

import io.sailfish.kernels.AttentionShape;
import io.sailfish.kernels.Backend;
import io.sailfish.kernels.BackendRequest;
import io.sailfish.kernels.BufferSource;
import io.sailfish.kernels.ChoiceInputs;
import io.sailfish.kernels.IntTensor;
import io.sailfish.kernels.KvCache;
import io.sailfish.kernels.Ops;
import io.sailfish.kernels.StepInputs;
import io.sailfish.kernels.Tensor;
import io.sailfish.kernels.Weight;
import io.sailfish.kernels.WeightSource;
import io.sailfish.kernels.WeightStreaming;
import io.sailfish.kernels.format.TwoByteFloat;
import io.sailfish.kernels.format.packed.LutTables;
import io.sailfish.kernels.format.packed.PackedForm;
import io.sailfish.kernels.format.packed.PackedLayout;
import io.sailfish.kernels.format.packed.PackedSource;
import java.util.List;
import java.util.Optional;

/**
 * One card. Activations, keys, values and dense weights are fp16 or bf16, as asked for, with fp32
 * sums; weights are packed to 4 bits where the checkpoint has them so, dense otherwise. All work
 * goes to one stream; memory is taken from the device's pool and given back with {@link #close()}.
 */
public final class CudaBackend implements Backend {
  /** Rows of recorded steps; a batch is filled up to the next of them. */
  private static final int[] STEP_ROWS = {1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256};

  private static final int PROMPT_CUT = 64;
  private static final float LARGEST_HALF = 65504;

  /** What recorded steps take of the card, and what the driver takes for itself. */
  private static final long RECORDINGS_BYTES = 512L << 20;

  /**
   * Prompt rows of a step: the products of prompts run at their best, and rows that decode wait a
   * tenth of a second for them.
   */
  private static final int PROMPT_ROWS = 4096;

  private final CudaDevice device;
  private final TwoByteFloat activations;
  private final CudaStream stream;
  private final MemoryScope scope;
  private final HostCopies copies;
  private final Products products;
  private final Attention attention;
  private final StepGraphs graphs = new StepGraphs();
  private final Ops decodeOps;
  private final Ops promptOps;
  private final CudaWeights weights;
  private final WeightStream streamed;
  private WeightUpload upload;
  private TokenChoosing choosing;

  /** Whether a weight gives a row other bits in the tiles of prompts than in small ones. */
  private boolean tilesDiffer;

  private Thread current = Thread.currentThread();

  private CudaBackend(CudaDevice device, TwoByteFloat activations) {
    this.device = device;
    this.activations = activations;
    stream = device.newStream();
    scope = device.memory().scope();
    copies = new HostCopies(device);
    products = new Products(stream);
    attention = new Attention(stream);
    decodeOps = new CudaOps(this, products, attention, false);
    promptOps = new CudaOps(this, products, attention, true);
    weights = new CudaWeights(this, WeightHome.on(scope));
    streamed = new WeightStream(this);
  }

  /** Opens a card by its number, with fp16 activations. */
  public static CudaBackend open(int ordinal) {
    return open(ordinal, TwoByteFloat.F16);
  }

  /**
   * Opens a card by its number.
   *
   * @throws CudaException when there is none, or it is none that the kernels serve
   */
  public static CudaBackend open(int ordinal, TwoByteFloat activations) {
    String card = Integer.toString(ordinal);
    return open(new BackendRequest("cuda", 0, card, BackendRequest.MEMORY_FRACTION, activations));
  }

  /**
   * Opens a card by its address and takes no more than a fraction of its memory.
   *
   * @throws CudaException when there is none, or it is none that the kernels serve
   * @throws io.sailfish.kernels.DeviceMemoryException when others have left it no memory
   */
  public static CudaBackend open(BackendRequest request) {
    String refusal = CudaProvider.refusalOf(request);
    if (refusal != null) {
      throw new CudaException(refusal);
    }
    CudaDevice device = CudaDevice.open(CardAddress.ordinal(request.card()));
    try {
      CudaBackend backend = new CudaBackend(device, request.activations());
      long total = device.properties().totalBytes();
      device.memory().limitTo((long) (total * request.memoryFraction()));
      return backend;
    } catch (RuntimeException | Error e) {
      device.close();
      throw e;
    }
  }

  /** The one stream; the card is current for the calling thread afterwards. */
  public CudaStream stream() {
    if (Thread.currentThread() != current) {
      device.makeCurrent();
      current = Thread.currentThread();
    }
    return stream;
  }

  /** Type of activations, keys, values and dense weights. */
  public TwoByteFloat activations() {
    return activations;
  }

  Staging staging() {
    return copies.staging();
  }

  MemoryScope scope() {
    return scope;
  }

  boolean tilesDiffer() {
    return tilesDiffer;
  }

  /** Whether what is queued now is recorded for {@link #replay}. */
  boolean recording() {
    return graphs.recording();
  }

  @Override
  public String id() {
    return "cuda";
  }

  @Override
  public String describe() {
    String card =
        "CUDA, %s, %s activations"
            .formatted(device.properties().describe(), activations.describe());
    return streamed.streamedBytes() == 0 ? card : card + ", " + streamed.describe();
  }

  @Override
  public Ops ops() {
    return decodeOps;
  }

  @Override
  public Ops promptOps() {
    return promptOps;
  }

  @Override
  public boolean separatesPrompts() {
    return true;
  }

  /** Full tiles of the attention over prompts, the only cut that a card's checks have seen. */
  @Override
  public int promptCut() {
    return PROMPT_CUT;
  }

  @Override
  public int replayRows(int rows) {
    for (int bucket : STEP_ROWS) {
      if (bucket >= rows) {
        return bucket;
      }
    }
    int largest = STEP_ROWS[STEP_ROWS.length - 1];
    return (rows + largest - 1) / largest * largest;
  }

  @Override
  public void replay(Object key, Runnable work) {
    streamed.settle(stream());
    graphs.run(stream(), key, work);
  }

  @Override
  public Tensor floats(int rows, int cols, String purpose) {
    long bytes = CudaTensor.bytes(rows, cols, false);
    return CudaTensor.tiled(purpose, rows, cols, activations, zeroed(bytes, purpose));
  }

  @Override
  public Tensor exact(int rows, int cols, String purpose) {
    long bytes = CudaTensor.bytes(rows, cols, true);
    return CudaTensor.exact(purpose, rows, cols, zeroed(bytes, purpose));
  }

  private DeviceBuffer zeroed(long bytes, String purpose) {
    CudaStream queue = stream();
    DeviceBuffer buffer = scope.allocate(bytes, purpose);
    queue.fill(buffer.address(), 0, bytes);
    return buffer;
  }

  @Override
  public IntTensor ints(int length, String purpose) {
    return new CudaInts(zeroed((long) length * Integer.BYTES, purpose), 0, length);
  }

  @Override
  public Weight weight(String name, List<WeightSource> parts) {
    return weights.weight(name, parts);
  }

  @Override
  public Weight gatedWeight(String name, WeightSource gate, WeightSource up) {
    return weights.gatedWeight(name, gate, up);
  }

  @Override
  public Weight vocabularyWeight(String name, WeightSource source) {
    return weights.vocabularyWeight(name, source);
  }

  @Override
  public boolean takes(PackedForm form) {
    return weights.takes(form);
  }

  @Override
  public Weight packedWeight(PackedSource source) {
    return weights.packedWeight(source);
  }

  @Override
  public Optional<WeightStreaming> streaming() {
    return Optional.of(streamed());
  }

  WeightStream streamed() {
    return streamed;
  }

  /** The way of weights to the card, made when there is a first one. */
  WeightUpload upload() {
    if (upload == null) {
      upload = new WeightUpload(stream());
    }
    return upload;
  }

  /**
   * Notes that there is such a weight.
   *
   * @param tables null for integer codes
   */
  void note(PackedLayout layout, LutTables tables) {
    tilesDiffer |= !products.takesPromptTiles(layout, activations, tables);
  }

  @Override
  public KvCache kvCache(int layers, int numBlocks, int blockTokens, AttentionShape shape) {
    CudaKvCache.check(blockTokens, shape);
    Attention.check(activations, shape, true);
    long bytes = numBlocks * CudaKvCache.blockBytes(layers, shape);
    DeviceBuffer buffer = zeroed(bytes, "keys and values");
    return new CudaKvCache(layers, numBlocks, shape, buffer.address());
  }

  @Override
  public long kvBlockBytes(int layers, int blockTokens, AttentionShape shape) {
    CudaKvCache.check(blockTokens, shape);
    return CudaKvCache.blockBytes(layers, shape);
  }

  @Override
  public long freeBytes() {
    stream();
    return device.memory().freeBytes();
  }

  @Override
  public boolean ownsFreeBytes() {
    return true;
  }

  @Override
  public double bytesPerSecond() {
    return device.properties().bytesPerSecond();
  }

  @Override
  public float largestActivation() {
    return activations == TwoByteFloat.F16 ? LARGEST_HALF : Float.MAX_VALUE;
  }

  @Override
  public int floatBytes() {
    return Short.BYTES;
  }

  @Override
  public int largestBatch() {
    return STEP_ROWS[STEP_ROWS.length - 1];
  }

  @Override
  public int promptRows() {
    return PROMPT_ROWS;
  }

  @Override
  public long stepBytes(AttentionShape shape, int rows, int blockTableStride) {
    return RECORDINGS_BYTES
        + TokenChoosing.BYTES
        + Attention.decodeBytes(shape, rows, blockTableStride);
  }

  @Override
  public void reserveSteps(AttentionShape shape, int rows, int blockTableStride) {
    stream();
    attention.reserve(shape, rows, blockTableStride);
    choosing();
  }

  private TokenChoosing choosing() {
    if (choosing == null) {
      choosing = new TokenChoosing(zeroed(TokenChoosing.BYTES, "greedy choice").address());
    }
    return choosing;
  }

  @Override
  public void write(Tensor dst, long offset, float[] src, int srcOffset, int count) {
    copies.write(stream(), dst, offset, src, srcOffset, count);
  }

  @Override
  public void write(IntTensor dst, int[] src, int count) {
    copies.write(stream(), dst, src, count);
  }

  @Override
  public void read(Tensor src, long offset, float[] dst, int dstOffset, int count) {
    copies.read(stream(), src, offset, dst, dstOffset, count);
  }

  /** Waits for what is queued and copies the first {@code count} integers back. */
  public void read(IntTensor src, int[] dst, int count) {
    copies.read(stream(), src, dst, count);
  }

  /** Greedy choices of the first rows, none of which ends anything. */
  public void argmax(IntTensor ids, Tensor logits, int rows) {
    choose(ids, 0, logits, rows, ChoiceInputs.greedy(null));
  }

  @Override
  public void choose(IntTensor ids, int first, Tensor logits, int rows, ChoiceInputs how) {
    choosing().choose(stream(), ids, first, logits, rows, how);
  }

  @Override
  public void takeTokens(
      StepInputs step, KvCache cache, IntTensor sources, IntTensor chosen, int rows) {
    TokenChoosing.take(stream(), step, (CudaKvCache) cache, sources, chosen, rows);
  }

  @Override
  public void logProbTerms(
      IntTensor terms, Tensor logits, IntTensor rowIds, IntTensor tokens, int count) {
    TokenChoosing.logProbTerms(stream(), terms, logits, rowIds, tokens, count);
  }

  @Override
  public Optional<BufferSource> transferMemory() {
    return Optional.of(copies.buffers());
  }

  @Override
  public IntTensor part(IntTensor whole, int first, int length) {
    Arguments.inRange("part", "first", 0, whole.length() - length, first);
    CudaInts own = (CudaInts) whole;
    return new CudaInts(own.buffer(), own.first() + first, length);
  }

  @Override
  public void upload(IntTensor dst, long address, int rows, int cols) {
    Arguments.inRange("upload", "cols", 1, dst.length() / rows, cols);
    long pitch = (long) dst.length() / rows * Integer.BYTES;
    stream().upload(address, ((CudaInts) dst).address(), pitch, (long) cols * Integer.BYTES, rows);
  }

  @Override
  public ReadBack readBack(IntTensor src, int count, long address) {
    return copies.readBack(stream(), src, count, address);
  }

  /** Makes of a step's inputs those of the next, in which each row goes on with its token. */
  public void advance(StepInputs step, IntTensor ids, int rows) {
    long from = CudaChecks.ints("advance", "ids", ids, rows);
    TokenKernels.advance(stream(), CudaStep.of(step), from, rows);
  }

  @Override
  public void close() {
    stream();
    if (!device.lost()) {
      stream.synchronize();
    }
    graphs.close();
    streamed.close();
    if (upload != null) {
      upload.close();
    }
    copies.close();
    attention.close();
    products.close();
    scope.close();
    stream.close();
    device.close();
  }
}

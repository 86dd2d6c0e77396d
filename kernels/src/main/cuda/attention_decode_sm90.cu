// Attention of rows that go on by one token: y[r, h] = softmax(q[r, h] * K^T / sqrt(headDim)) * V over positions 0 .. positions[r] of the row's sequence.
//
// Operands: qkv tiled fp16 rows (heads + 2 kvHeads) * headDim, y tiled fp16 rows heads * headDim (padding untouched), cache: the layer's keys and values
//   (ops/rows.cuh), blockTables [sequences][stride]. A row with a negative position gives zeros. headDim: a multiple of 8 up to 128; entry _dD serves head dims
//   D-15 .. D. Accuracy: weights and values fp16, sums fp32.
// Work: a block has one row, one kv head (up to 8 of its query heads) and one span of the sequence. A row of up to 1024 tokens has S = 1 span, a longer one min(64, ceil(tokens / 512)); of
//   its B blocks of 16 tokens span i has [i B / S, (i + 1) B / S): functions of the row alone. Warp w of four has the blocks w, w + 4, ... of the span, two of them
//   under way in shared memory of its own, and a running softmax of its own; the warps are added in order, then the spans in order by the last block of the row
//   to arrive. So a row's bits depend on nothing but the row.
//   Products are transposed, scores^T = K * q^T and y^T = V^T * weights^T, so that the query heads are the n8 of an mma instead of half an m16 of nothing.
// Grid: (spans, kvHeads * ceil(heads / kvHeads / 8), rows), spans >= the most spans of a row. Block: 128. Dynamic shared memory: 8 * 2 * D * 32 bytes.
//   partials: fp32 [rows][gridDim.y][spans][8][D + 2]; arrivals: int [rows][gridDim.y], zero before the first launch and left zero. Launches of one stream share them.
//   early: keys and values of blocks before the row's last one, positions and tables were there before this graph began: they are read before the kernel
//   ahead has ended. Only for steps whose rows all belong to different sequences.
// sm_90: bulk copies. Floor: the keys and values over the memory bandwidth.
#include "ops/attention.cuh"

constexpr int WHOLE = 1024, SPAN = 512, WARPS = 4, SLOTS = 2, HEADS = 8, MAX_SPANS = 64;

struct DecodeAttention {
  uint16_t* y;
  const uint16_t *qkv, *cache;
  const int *positions, *rowSequences, *blockTables;
  float* partials;
  int* arrivals;
  int stride, tileRows, heads, kvHeads, headDim, early;
  float scale;
};

// A warp's 16 tokens at a time: scores s = {(token, head), (token, head + 1), (token + 8, head), (token + 8, head + 1)}, token = lane / 4, head = 2 * (lane % 4);
// sums o[j] = the same with dims 16 j + lane / 4 in the place of tokens.
template <int DIM> struct HeadColumns {
  using H = Head<DIM>;
  float largest[2] = {NEGATIVE, NEGATIVE}, sum[2] = {0.f, 0.f}, o[H::STEPS][4] = {};

  static __device__ __forceinline__ uint32_t transposed(uint32_t pair) {
    uint32_t t;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(t) : "r"(pair));
    return t;
  }

  // `tokens` of the block at `keys` count.
  __device__ __forceinline__ void add(const uint32_t (&q)[H::STEPS][2], uint32_t keys, int tokens, float scale, int lane) {
    float s[4] = {};
#pragma unroll
    for (int i = 0; i < H::STEPS; i++) {
      uint32_t a[4];
      loadKeys(a, keys + i * 2 * H::PLANE + H::valueLane(lane));  // 16 tokens by 16 dims
      mma(s, a, q[i][0], q[i][1]);
    }
    const int token = lane >> 2;
    if (token >= tokens) s[0] = s[1] = NEGATIVE;
    if (token + 8 >= tokens) s[2] = s[3] = NEGATIVE;
    float shrink[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
      float top = fmaxf(s[h], s[2 + h]);
#pragma unroll
      for (int lanes = 4; lanes < 32; lanes *= 2) top = fmaxf(top, __shfl_xor_sync(~0u, top, lanes));
      top = fmaxf(top, largest[h]);
      const float base = top == NEGATIVE ? 0.f : top * scale;
      shrink[h] = exp2f(largest[h] * scale - base);
      largest[h] = top;
      s[h] = exp2f(fmaf(s[h], scale, -base)), s[2 + h] = exp2f(fmaf(s[2 + h], scale, -base));
      sum[h] = fmaf(sum[h], shrink[h], s[h] + s[2 + h]);
    }
    const uint32_t low = transposed(packHalves(s[0], s[1])), high = transposed(packHalves(s[2], s[3]));
#pragma unroll
    for (int j = 0; j < H::STEPS; j++) {
      uint32_t a[4];
      loadValues(a, keys + H::KEY_BYTES + j * 2 * H::PLANE + H::keyLane(lane));  // 16 dims by 16 tokens
      o[j][0] *= shrink[0], o[j][1] *= shrink[1], o[j][2] *= shrink[0], o[j][3] *= shrink[1];
      mma(o[j], a, low, high);
    }
  }

  __device__ __forceinline__ void finish() {
#pragma unroll
    for (int h = 0; h < 2; h++)
#pragma unroll
      for (int lanes = 4; lanes < 32; lanes *= 2) sum[h] += __shfl_xor_sync(~0u, sum[h], lanes);
  }
};

// The row's spans added in order. All threads of the last block.
template <int DIM> __device__ __forceinline__ void addSpans(const DecodeAttention& s, const Rows& y, int row, int firstHead, int numHeads, int spans) {
  constexpr int HEAD = DIM + 2, STRIDE = HEADS * HEAD;
  const float* from = s.partials + ((int64_t)row * gridDim.y + blockIdx.y) * gridDim.x * STRIDE;
  const int pairs = s.headDim / 2;
  for (int i = threadIdx.x; i < numHeads * pairs; i += blockDim.x) {
    const int head = i / pairs, d = i % pairs * 2;
    const float* p = from + head * HEAD;
    float top = NEGATIVE;
#pragma unroll 4
    for (int c = 0; c < spans; c++) top = fmaxf(top, __ldcg(p + c * STRIDE + DIM));
    float sum = 0.f, a = 0.f, b = 0.f;
#pragma unroll 4
    for (int c = 0; c < spans; c++) {
      const float2 weight = __ldcg((const float2*)(p + c * STRIDE + DIM)), v = __ldcg((const float2*)(p + c * STRIDE + d));
      const float share = exp2f(weight.x - top);
      sum = fmaf(share, weight.y, sum), a = fmaf(share, v.x, a), b = fmaf(share, v.y, b);
    }
    const int column = (firstHead + head) * s.headDim + d;
    *(uint32_t*)(y.piece(row, column / 8) + column % 8) = packHalves(a / sum, b / sum);
  }
}

template <int DIM> __device__ __forceinline__ void attend(const DecodeAttention& s) {
  using H = Head<DIM>;
  extern __shared__ __align__(128) unsigned char shared[];
  __shared__ uint64_t arrived[WARPS][SLOTS];
  __shared__ float tops[WARPS][HEADS], sums[WARPS][HEADS];
  __shared__ int isLast;
  const int tid = threadIdx.x, warp = tid >> 5, lane = tid & 31, row = blockIdx.z;
  const int group = s.heads / s.kvHeads, parts = (group + HEADS - 1) / HEADS, kvHead = blockIdx.y / parts;
  const int firstHead = kvHead * group + blockIdx.y % parts * HEADS, numHeads = min(HEADS, kvHead * group + group - firstHead);
  const Rows y{s.y, s.tileRows, (s.heads * s.headDim + 127) / 128 * 16};
  const Rows qkv{(uint16_t*)s.qkv, s.tileRows, ((s.heads + 2 * s.kvHeads) * s.headDim + 127) / 128 * 16};
  startSuccessor();
  if (!s.early) awaitPredecessor();
  const int sequence = s.rowSequences[row], length = s.positions[row] + 1;
  if (tid == 0) {
    for (int i = 0; i < WARPS * SLOTS; i++) barrierInit(sharedAddress(&arrived[i / SLOTS][i % SLOTS]), 1);
    barrierInitFence();
  }
  const int spans = length <= WHOLE ? min(length, 1) : min(MAX_SPANS, (length + SPAN - 1) / SPAN), allBlocks = (length + KV_TOKENS - 1) / KV_TOKENS;
  if ((int)blockIdx.x >= spans) {  // also a row without tokens
    if (s.early) awaitPredecessor();
    if (length <= 0 && blockIdx.x == 0)
      for (int i = tid; i < numHeads * s.headDim; i += blockDim.x) {
        const int column = firstHead * s.headDim + i;
        y.piece(row, column / 8)[column % 8] = 0;
      }
    return;
  }
  __syncthreads();
  const int firstBlock = blockIdx.x * allBlocks / spans + warp, endBlock = (blockIdx.x + 1) * allBlocks / spans;
  const int mine = (endBlock - firstBlock + WARPS - 1) / WARPS;
  const int* table = s.blockTables + (int64_t)sequence * s.stride + firstBlock;
  const uint32_t store = sharedAddress(shared) + warp * SLOTS * H::BLOCK_BYTES;
  // Lane i knows block i of 32 of the warp's.
  int known = lane < mine ? table[lane * WARPS] : 0;
  auto bring = [&](int i) {
    if (i > 0 && i % 32 == 0) known = i + lane < mine ? table[(i + lane) * WARPS] : 0;
    const int block = __shfl_sync(~0u, known, i % 32);
    if (lane == 0) {
      const uint32_t bar = sharedAddress(&arrived[warp][i % SLOTS]);
      barrierExpect(bar, H::BLOCK_BYTES);
      bulkCopy(store + i % SLOTS * H::BLOCK_BYTES, s.cache + ((int64_t)block * s.kvHeads + kvHead) * (H::BLOCK_BYTES / 2), H::BLOCK_BYTES, bar);
    }
  };
  auto isNewest = [&](int i) { return firstBlock + i * WARPS == allBlocks - 1; };
#pragma unroll
  for (int i = 0; i < SLOTS; i++)
    if (i < mine && !(s.early && isNewest(i))) bring(i);
  if (s.early) {
    awaitPredecessor();
#pragma unroll
    for (int i = 0; i < SLOTS; i++)
      if (i < mine && isNewest(i)) bring(i);
  }
  uint32_t q[H::STEPS][2];
  {
    const int head = lane >> 2, column = (lane & 3) * 2;
#pragma unroll
    for (int i = 0; i < H::STEPS; i++)
#pragma unroll
      for (int e = 0; e < 2; e++) {
        const int piece = 2 * i + e;
        q[i][e] = head < numHeads && piece * 8 < s.headDim ? *(const uint32_t*)(qkv.piece(row, (firstHead + head) * s.headDim / 8 + piece) + column) : 0u;
      }
  }
  HeadColumns<DIM> work;
  for (int i = 0; i < mine; i++) {
    const int slot = i % SLOTS, tokens = length - (firstBlock + i * WARPS) * KV_TOKENS;
    barrierWait(sharedAddress(&arrived[warp][slot]), (i / SLOTS) & 1);
    if (tokens < KV_TOKENS) {  // what lies past the row's end may be anything; weight 0 times NaN would be NaN
      unsigned char* values = shared + (warp * SLOTS + slot) * H::BLOCK_BYTES + H::KEY_BYTES;
      for (int p = lane; p < H::TILES * KV_TOKENS; p += 32)
        if (p % KV_TOKENS >= tokens) *(uint4*)(values + p * 16) = make_uint4(0, 0, 0, 0);
      __syncwarp();
    }
    work.add(q, store + slot * H::BLOCK_BYTES, tokens, s.scale, lane);
    __syncwarp();  // the warp has read the slot
    if (i + SLOTS < mine) bring(i + SLOTS);
  }
  work.finish();
  const int low = lane >> 2, pair = (lane & 3) * 2;
  if (low == 0)
#pragma unroll
    for (int h = 0; h < 2; h++) tops[warp][pair + h] = work.largest[h] * s.scale, sums[warp][pair + h] = work.sum[h];
  __syncthreads();  // and nobody reads keys or values any more: their place takes the warps' sums, [warp][dim][8 heads]
  float* warpSums = (float*)shared;
  float share[2];
#pragma unroll
  for (int h = 0; h < 2; h++) {
    float top = tops[0][pair + h];
#pragma unroll
    for (int w = 1; w < WARPS; w++) top = fmaxf(top, tops[w][pair + h]);
    share[h] = exp2f(tops[warp][pair + h] - top);
  }
#pragma unroll
  for (int j = 0; j < H::STEPS; j++)
#pragma unroll
    for (int e = 0; e < 2; e++)
      *(float2*)(warpSums + (warp * DIM + 16 * j + 8 * e + low) * HEADS + pair) = make_float2(work.o[j][2 * e] * share[0], work.o[j][2 * e + 1] * share[1]);
  __syncthreads();
  constexpr int HEAD = DIM + 2;
  const int pairs = s.headDim / 2;
  float* span0 = s.partials + (((int64_t)row * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x) * HEADS * HEAD;
  for (int i = tid; i < numHeads * pairs; i += blockDim.x) {
    const int head = i / pairs, d = i % pairs * 2;
    float top = tops[0][head], sum = 0.f, a = 0.f, b = 0.f;
#pragma unroll
    for (int w = 1; w < WARPS; w++) top = fmaxf(top, tops[w][head]);
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      const float* part = warpSums + (w * DIM + d) * HEADS + head;
      sum = fmaf(exp2f(tops[w][head] - top), sums[w][head], sum), a += part[0], b += part[HEADS];
    }
    if (spans == 1) {
      const int column = (firstHead + head) * s.headDim + d;
      *(uint32_t*)(y.piece(row, column / 8) + column % 8) = packHalves(a / sum, b / sum);
    } else {
      __stcg((float2*)(span0 + head * HEAD + d), make_float2(a, b));
      if (d == 0) __stcg((float2*)(span0 + head * HEAD + DIM), make_float2(top, sum));
    }
  }
  if (spans == 1) return;
  __syncthreads();
  if (tid == 0) {  // the barrier and this fence stand for a fence of every thread
    __threadfence();
    int* count = s.arrivals + row * gridDim.y + blockIdx.y;
    isLast = atomicAdd(count, 1) == spans - 1;
    if (isLast) *count = 0;
    __threadfence();
  }
  __syncthreads();
  if (isLast) addSpans<DIM>(s, y, row, firstHead, numHeads, spans);
}

#define DECODE_ENTRY(dim)                                                                                                                                       \
  extern "C" __global__ void __launch_bounds__(128) attention_decode_d##dim(                                                                                    \
      uint16_t* y, const uint16_t* qkv, const uint16_t* cache, const int* positions, const int* rowSequences, const int* blockTables, float* partials, int* arrivals, \
      int stride, int tileRows, int heads, int kvHeads, int headDim, int early, float scale) {                                                                    \
    attend<dim>({y, qkv, cache, positions, rowSequences, blockTables, partials, arrivals, stride, tileRows, heads, kvHeads, headDim, early, scale});              \
  }

DECODE_ENTRY(16)
DECODE_ENTRY(32)
DECODE_ENTRY(48)
DECODE_ENTRY(64)
DECODE_ENTRY(80)
DECODE_ENTRY(96)
DECODE_ENTRY(112)
DECODE_ENTRY(128)

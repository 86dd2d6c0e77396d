// The body of attention_decode_*_sm90.cu; contract in attention_decode_sm90.cu. T: F16 or Bf16 of common/mma.cuh.
#pragma once
#include "attention.cuh"
#include "rope.cuh"

constexpr int WHOLE = 1024, SPAN = 512, WARPS = 4, MOST_SLOTS = 8, EARLY = 2, HEADS = 8, MAX_SPANS = 64;

struct DecodeAttention {
  uint16_t* y;
  const uint16_t* qkv;
  uint16_t* cache;
  const int *positions, *rowSequences, *blockTables;
  const float* cosSin;
  const int* slots;
  float* partials;
  int* arrivals;
  int stride, tileRows, heads, kvHeads, headDim, interleaved, ring;
  float scale;
  Variant variant;
  int window;
};

// A warp's 16 tokens at a time: scores s = {(token, head), (token, head + 1), (token + 8, head), (token + 8, head + 1)}, token = lane / 4, head = 2 * (lane % 4);
// sums o[j] = the same with dims 16 j + lane / 4 in the place of tokens.
template <class T, int DIM> struct HeadColumns {
  using H = Head<DIM>;
  float largest[2] = {NEGATIVE, NEGATIVE}, sum[2] = {0.f, 0.f}, o[H::STEPS][4] = {};

  static __device__ __forceinline__ uint32_t transposed(uint32_t pair) {
    uint32_t t;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(t) : "r"(pair));
    return t;
  }

  // Tokens first .. tokens - 1 of the block at `keys` count.
  template <bool WINDOW> __device__ __forceinline__ void add(const uint32_t (&q)[H::STEPS][2], uint32_t keys, int first, int tokens, float scale, int lane) {
    float s[4] = {}, odd[4] = {};  // two sums: half the way through the tensor core's latency
#pragma unroll
    for (int i = 0; i < H::STEPS; i++) {
      uint32_t a[4];
      loadKeys(a, keys + i * 2 * H::PLANE + H::valueLane(lane));  // 16 tokens by 16 dims
      mma<T>(i % 2 ? odd : s, a, q[i][0], q[i][1]);
    }
    uint32_t values[H::STEPS][4];  // on their way while the weights are made
#pragma unroll
    for (int j = 0; j < H::STEPS; j++) loadValues(values[j], keys + H::KEY_BYTES + j * 2 * H::PLANE + H::keyLane(lane));  // 16 dims by 16 tokens
#pragma unroll
    for (int e = 0; e < 4; e++) s[e] += odd[e];
    const int token = lane >> 2;
    if (token >= tokens) s[0] = s[1] = NEGATIVE;
    if (token + 8 >= tokens) s[2] = s[3] = NEGATIVE;
    if (WINDOW && token < first) s[0] = s[1] = NEGATIVE;
    if (WINDOW && token + 8 < first) s[2] = s[3] = NEGATIVE;
    float shrink[2];
#pragma unroll
    for (int h = 0; h < 2; h++) {
      float top = fmaxf(s[h], s[2 + h]);
#pragma unroll
      for (int lanes = 4; lanes < 32; lanes *= 2) top = fmaxf(top, __shfl_xor_sync(~0u, top, lanes));
      top = fmaxf(top, largest[h]);
      const float base = top == NEGATIVE ? 0.f : top * scale;
      shrink[h] = powerOfTwo(fmaf(largest[h], scale, -base));
      largest[h] = top;
      s[h] = powerOfTwo(fmaf(s[h], scale, -base)), s[2 + h] = powerOfTwo(fmaf(s[2 + h], scale, -base));
      sum[h] = fmaf(sum[h], shrink[h], s[h] + s[2 + h]);
    }
    const uint32_t low = transposed(T::pack(s[0], s[1])), high = transposed(T::pack(s[2], s[3]));
#pragma unroll
    for (int j = 0; j < H::STEPS; j++) {
      o[j][0] *= shrink[0], o[j][1] *= shrink[1], o[j][2] *= shrink[0], o[j][3] *= shrink[1];
      mma<T>(o[j], values[j], low, high);
    }
  }

  __device__ __forceinline__ void finish() {
#pragma unroll
    for (int h = 0; h < 2; h++)
#pragma unroll
      for (int lanes = 4; lanes < 32; lanes *= 2) sum[h] += __shfl_xor_sync(~0u, sum[h], lanes);
  }
};

// Query fragments of a lane: pieces p = 0 .. 2 STEPS - 1 of head lane / 4, columns 2 * (lane % 4) and the next; q[p / 2][p % 2].
template <class T, int DIM> struct Queries {
  using H = Head<DIM>;
  float cosines[H::TILES], sines[H::TILES];

  // The angles of what this lane holds; only where headDim = DIM.
  __device__ __forceinline__ void fetchAngles(const float* angles, int interleaved, int lane) {
#pragma unroll
    for (int p = 0; p < H::STEPS; p++) {
      if (interleaved) {  // a piece has four pairs, one of them this lane's
        const int first = 8 * p + (lane & 3);
        cosines[2 * p] = angles[first], cosines[2 * p + 1] = angles[first + 4];
        sines[2 * p] = angles[DIM / 2 + first], sines[2 * p + 1] = angles[DIM / 2 + first + 4];
      } else {
        const int first = 8 * p + 2 * (lane & 3);
        const float2 c = *(const float2*)(angles + first), n = *(const float2*)(angles + DIM / 2 + first);
        cosines[2 * p] = c.x, cosines[2 * p + 1] = c.y, sines[2 * p] = n.x, sines[2 * p + 1] = n.y;
      }
    }
  }
  // Biases and norms of the lane's pieces; `bias`: of its head.
  static __device__ __forceinline__ void prepare(float2 (&v)[H::TILES], const float* bias, const float* norm, float eps, int lane) {
    const int column = 2 * (lane & 3);
    if (bias)
#pragma unroll
      for (int p = 0; p < H::TILES; p++) {
        const float2 b = *(const float2*)(bias + 8 * p + column);
        v[p].x = __fadd_rn(v[p].x, b.x), v[p].y = __fadd_rn(v[p].y, b.y);
      }
    if (!norm) return;
    float sum = 0.f;
#pragma unroll
    for (int j = 0; j < H::STEPS; j++) {
      float pair = squares(v[j].x, v[j].y, v[j + H::STEPS].x, v[j + H::STEPS].y);
      pair = __fadd_rn(pair, __shfl_xor_sync(~0u, pair, 1));
      pair = __fadd_rn(pair, __shfl_xor_sync(~0u, pair, 2));
      sum = j ? __fadd_rn(sum, pair) : pair;
    }
    const float scale = headScale(sum, DIM, eps);
#pragma unroll
    for (int p = 0; p < H::TILES; p++) {
      const float2 w = *(const float2*)(norm + 8 * p + column);
      v[p].x = normed(v[p].x, scale, w.x), v[p].y = normed(v[p].y, scale, w.y);
    }
  }
  // `head`: the lane's, or any of its group where it has none.
  template <bool VARIANT> __device__ __forceinline__ void rotate(uint32_t (&q)[H::STEPS][2], const DecodeAttention& s, int head, int lane) const {
    [[maybe_unused]] float2 prepared[VARIANT ? H::TILES : 1];
    if constexpr (VARIANT) {
#pragma unroll
      for (int p = 0; p < H::TILES; p++) prepared[p] = T::unpack(q[p / 2][p % 2]);
      prepare(prepared, s.variant.bias ? s.variant.bias + head * DIM : nullptr, s.variant.qNorm, s.variant.eps, lane);
    }
    auto value = [&](int p) {
      if constexpr (VARIANT) return prepared[p];
      else return T::unpack(q[p / 2][p % 2]);
    };
    if (s.interleaved) {
#pragma unroll
      for (int p = 0; p < H::TILES; p++) {
        const float2 v = value(p), t = turn(v.x, v.y, cosines[p], sines[p]);
        q[p / 2][p % 2] = T::pack(t.x, t.y);
      }
      return;
    }
#pragma unroll
    for (int p = 0; p < H::STEPS; p++) {
      const float2 a = value(p), b = value(p + H::STEPS), u = turn(a.x, b.x, cosines[2 * p], sines[2 * p]), v = turn(a.y, b.y, cosines[2 * p + 1], sines[2 * p + 1]);
      q[p / 2][p % 2] = T::pack(u.x, v.x), q[(p + H::STEPS) / 2][(p + H::STEPS) % 2] = T::pack(u.y, v.y);
    }
  }
};

// The row's own key and value out of the product, eight dims a piece: lane i of the first STEPS has pieces i and i + STEPS of the key, lanes 16 .. have one of the value
// each. One warp; headDim = DIM. `slot`: where they belong in the cache, negative: nowhere.
template <class T, int DIM> struct OwnToken {
  using H = Head<DIM>;
  Piece<T> first, second;

  static __device__ __forceinline__ bool hasKey(int lane) { return lane < H::STEPS; }
  static __device__ __forceinline__ bool hasValue(int lane) { return lane >= 16 && lane < 16 + H::TILES; }
  __device__ __forceinline__ void fetch(const DecodeAttention& s, const Rows& qkv, int row, int kvHead, int lane) {
    if (!hasKey(lane) && !hasValue(lane)) return;
    const int key = (s.heads + kvHead) * H::TILES + lane, value = (s.heads + s.kvHeads + kvHead) * H::TILES + lane - 16;
    first.bits = loadFresh((const uint4*)qkv.piece(row, hasKey(lane) ? key : value));
    second.bits = loadFresh((const uint4*)qkv.piece(row, hasKey(lane) ? key + H::STEPS : value));
  }
  // Biases, norm and rotation, of a whole warp.
  __device__ __forceinline__ void prepare(const DecodeAttention& s, const float* angles, int kvHead, int lane) {
    float a[8], b[8];
    first.unpack(a), second.unpack(b);
    if (s.variant.bias) {
      const float* keyBias = s.variant.bias + (s.heads + kvHead) * DIM + 8 * lane;
      if (hasKey(lane)) add8(a, keyBias), add8(b, keyBias + DIM / 2);
      if (hasValue(lane)) add8(a, s.variant.bias + (s.heads + s.kvHeads + kvHead) * DIM + 8 * (lane - 16));
    }
    if (s.variant.kNorm) {
      const float pair = pairSquares(a, b);
      float sum = __shfl_sync(~0u, pair, 0);
#pragma unroll
      for (int j = 1; j < H::STEPS; j++) sum = __fadd_rn(sum, __shfl_sync(~0u, pair, j));
      const float scale = headScale(sum, DIM, s.variant.eps), *weight = s.variant.kNorm + 8 * lane;
      if (hasKey(lane)) norm8(a, scale, weight), norm8(b, scale, weight + DIM / 2);
    }
    if (hasKey(lane)) rotateElements(a, b, angles, DIM / 2, lane, s.interleaved);
    first = Piece<T>::pack(a), second = Piece<T>::pack(b);
  }
  // To `fresh`, key pieces before value pieces, and to the cache.
  template <bool VARIANT> __device__ __forceinline__ void put(const DecodeAttention& s, uint4* fresh, const float* angles, int kvHead, int slot, int lane) {
    if (VARIANT) prepare(s, angles, kvHead, lane);
    else if (hasKey(lane)) rotatePieces(first, second, angles, DIM / 2, lane, s.interleaved);
    uint16_t* to = s.cache + ((int64_t)(slot / KV_TOKENS) * s.kvHeads + kvHead) * (H::BLOCK_BYTES / 2) + slot % KV_TOKENS * 8;
    const int piece = hasKey(lane) ? lane : H::TILES + lane - 16;
    if (hasKey(lane) || hasValue(lane)) fresh[piece] = first.bits;
    if (hasKey(lane)) fresh[piece + H::STEPS] = second.bits;
    if (slot < 0) return;
    if (hasKey(lane) || hasValue(lane)) *(uint4*)(to + piece * (H::PLANE / 2)) = first.bits;
    if (hasKey(lane)) *(uint4*)(to + (piece + H::STEPS) * (H::PLANE / 2)) = second.bits;
  }
};

// The row's spans added in order. All threads of the last block.
template <class T, int DIM> __device__ __forceinline__ void addSpans(const DecodeAttention& s, const Rows& y, int row, int firstHead, int numHeads, int spans) {
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
      const float share = powerOfTwo(weight.x - top);
      sum = fmaf(share, weight.y, sum), a = fmaf(share, v.x, a), b = fmaf(share, v.y, b);
    }
    const int column = (firstHead + head) * s.headDim + d;
    *(uint32_t*)(y.piece(row, column / 8) + column % 8) = T::pack(a / sum, b / sum);
  }
}

template <class T, int DIM, bool VARIANT> __device__ __forceinline__ void attend(const DecodeAttention& s) {
  using H = Head<DIM>;
  extern __shared__ __align__(128) unsigned char shared[];
  __shared__ uint64_t arrived[WARPS][MOST_SLOTS];
  __shared__ float tops[WARPS][HEADS], sums[WARPS][HEADS];
  __shared__ uint4 fresh[2 * H::TILES];
  __shared__ int isLast;
  const int tid = threadIdx.x, warp = tid >> 5, lane = tid & 31, row = blockIdx.z;
  const int group = s.heads / s.kvHeads, parts = (group + HEADS - 1) / HEADS, kvHead = blockIdx.y / parts;
  const int firstHead = kvHead * group + blockIdx.y % parts * HEADS, numHeads = min(HEADS, kvHead * group + group - firstHead);
  const Rows y{s.y, s.tileRows, (s.heads * s.headDim + 127) / 128 * 16};
  const Rows qkv{(uint16_t*)s.qkv, s.tileRows, ((s.heads + 2 * s.kvHeads) * s.headDim + 127) / 128 * 16};
  const bool rotates = s.cosSin != nullptr;
  startSuccessor();
  if (!rotates) awaitPredecessor();
  const int sequence = s.rowSequences[row], length = s.positions[row] + 1;
  if (tid < WARPS * MOST_SLOTS) {
    barrierInit(sharedAddress(&arrived[tid / MOST_SLOTS][tid % MOST_SLOTS]), 1);
    barrierInitFence();
  }
  const int begin = VARIANT && s.window > 0 ? max(0, length - s.window) : 0, passed = begin / KV_TOKENS;  // blocks that lie ahead of the window
  const int tokens = length - passed * KV_TOKENS, allBlocks = (tokens + KV_TOKENS - 1) / KV_TOKENS;
  const int spans = tokens <= WHOLE ? min(tokens, 1) : min(MAX_SPANS, (tokens + SPAN - 1) / SPAN);
  if ((int)blockIdx.x >= spans) {  // also a row without tokens
    if (rotates) awaitPredecessor();
    if (length <= 0 && blockIdx.x == 0)
      for (int i = tid; i < numHeads * s.headDim; i += blockDim.x) {
        const int column = firstHead * s.headDim + i;
        y.piece(row, column / 8)[column % 8] = 0;
      }
    return;
  }
  __syncthreads();
  const int firstBlock = passed + blockIdx.x * allBlocks / spans + warp, endBlock = passed + (blockIdx.x + 1) * allBlocks / spans;
  const int mine = (endBlock - firstBlock + WARPS - 1) / WARPS;
  const int* table = s.blockTables + (int64_t)sequence * s.stride + firstBlock;
  const uint32_t store = sharedAddress(shared) + warp * s.ring * H::BLOCK_BYTES, bars = sharedAddress(&arrived[warp]);
  // Lane i knows block i of 32 of the warp's.
  int known = lane < mine ? table[lane * WARPS] : 0;
  auto bring = [&](int i, int slot) {
    if (i > 0 && i % 32 == 0) known = i + lane < mine ? table[(i + lane) * WARPS] : 0;
    const int block = __shfl_sync(~0u, known, i % 32);
    if (lane == 0) {
      barrierExpect(bars + slot * 8, H::BLOCK_BYTES);
      bulkCopy(store + slot * H::BLOCK_BYTES, s.cache + ((int64_t)block * s.kvHeads + kvHead) * (H::BLOCK_BYTES / 2), H::BLOCK_BYTES, bars + slot * 8);
    }
  };
  const bool hasNewest = mine > 0 && firstBlock + (mine - 1) * WARPS == passed + allBlocks - 1;
  const float* angles = s.cosSin + (int64_t)(length - 1) * DIM;
  Queries<T, DIM> queries;
  OwnToken<T, DIM> own;
  int slot = -1, brought = 0;
  if (rotates) {
    queries.fetchAngles(angles, s.interleaved, lane);
    if (hasNewest && blockIdx.y % parts == 0) slot = s.slots[row];
    for (; brought < min(EARLY, min(s.ring, mine)); brought++) bring(brought, brought);
    awaitPredecessor();
    if (hasNewest) own.fetch(s, qkv, row, kvHead, lane);
  }
  // Ahead of the rest of the keys: what a multiprocessor has asked for comes in about that order.
  uint32_t q[H::STEPS][2];
  {
    const int head = lane >> 2, stride = s.tileRows * 8;
    const uint16_t* from = qkv.piece(row, (firstHead + head) * s.headDim / 8) + (lane & 3) * 2;
#pragma unroll
    for (int i = 0; i < H::STEPS; i++)
#pragma unroll
      for (int e = 0; e < 2; e++) q[i][e] = head < numHeads && (2 * i + e) * 8 < s.headDim ? loadFresh((const uint32_t*)(from + (2 * i + e) * stride)) : 0u;
  }
  for (; brought < min(s.ring, mine); brought++) bring(brought, brought);
  if (rotates) {
    queries.template rotate<VARIANT>(q, s, firstHead + min(lane >> 2, numHeads - 1), lane);
    if (hasNewest) own.template put<VARIANT>(s, fresh, angles, kvHead, slot, lane);
  }
  HeadColumns<T, DIM> work;
  auto tokensOf = [&](int i) { return length - (firstBlock + i * WARPS) * KV_TOKENS; };
  // The sequence's last block: its own token, if it was not in the cache yet, and nothing that lies past the end (weight 0 times NaN would be NaN).
  auto complete = [&](int i, int slot) {
    unsigned char* block = shared + (warp * s.ring + slot) * H::BLOCK_BYTES;
    if (rotates && hasNewest && i == mine - 1)
      for (int p = lane; p < 2 * H::TILES; p += 32) *(uint4*)(block + p * H::PLANE + (length - 1) % KV_TOKENS * 16) = fresh[p];
    if (tokensOf(i) < KV_TOKENS)
      for (int p = lane; p < H::TILES * KV_TOKENS; p += 32)
        if (p % KV_TOKENS >= tokensOf(i)) *(uint4*)(block + H::KEY_BYTES + p * 16) = make_uint4(0, 0, 0, 0);
    __syncwarp();
  };
  int place = 0;
  uint32_t parity = 0;
  for (int i = 0; i < mine; i++) {
    barrierWait(bars + place * 8, parity);
    if (i == mine - 1) complete(i, place);
    work.template add<VARIANT>(q, store + place * H::BLOCK_BYTES, begin - (firstBlock + i * WARPS) * KV_TOKENS, tokensOf(i), s.scale, lane);
    __syncwarp();  // the warp has read the slot
    if (i + s.ring < mine) bring(i + s.ring, place);
    if (++place == s.ring) place = 0, parity ^= 1;
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
    share[h] = powerOfTwo(tops[warp][pair + h] - top);
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
    const int head = i % numHeads, d = i / numHeads * 2;  // as the sums lie
    float top = tops[0][head], sum = 0.f, a = 0.f, b = 0.f;
#pragma unroll
    for (int w = 1; w < WARPS; w++) top = fmaxf(top, tops[w][head]);
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      const float* part = warpSums + (w * DIM + d) * HEADS + head;
      sum = fmaf(powerOfTwo(tops[w][head] - top), sums[w][head], sum), a += part[0], b += part[HEADS];
    }
    if (spans == 1) {
      const int column = (firstHead + head) * s.headDim + d;
      *(uint32_t*)(y.piece(row, column / 8) + column % 8) = T::pack(a / sum, b / sum);
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
  if (isLast) addSpans<T, DIM>(s, y, row, firstHead, numHeads, spans);
}

#define DECODE_PARAMETERS                                                                                                                                        \
  uint16_t *y, const uint16_t *qkv, uint16_t *cache, const int *positions, const int *rowSequences, const int *blockTables, const float *cosSin, const int *slots,  \
      float *partials, int *arrivals, int stride, int tileRows, int heads, int kvHeads, int headDim, int interleaved, int ring, float scale
#define DECODE_ARGUMENTS \
  y, qkv, cache, positions, rowSequences, blockTables, cosSin, slots, partials, arrivals, stride, tileRows, heads, kvHeads, headDim, interleaved, ring, scale
// Plain entry `name` and the one with biases, norms and windows.
#define DECODE_ENTRY(name, T, dim) \
  extern "C" __global__ void __launch_bounds__(128) name(DECODE_PARAMETERS) { attend<T, dim, false>({DECODE_ARGUMENTS}); }
#define DECODE_VARIANT_ENTRY(name, T, dim)                                                                                                             \
  extern "C" __global__ void __launch_bounds__(128) name(DECODE_PARAMETERS, const float* bias, const float* qNorm, const float* kNorm, float eps, int window) { \
    attend<T, dim, true>({DECODE_ARGUMENTS, {bias, qNorm, kNorm, eps}, window});                                                                          \
  }

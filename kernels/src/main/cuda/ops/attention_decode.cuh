// The body of attention_decode_*_sm90.cu; contract in attention_decode_sm90.cu. T: F16 or Bf16 of common/mma.cuh.
#pragma once
#include "../common/cluster.cuh"
#include "attention_decode_warp.cuh"

template <int N> struct Count {
  static constexpr int value = N;
};

// Partial sums of a span and a head: DIM sums, then {largest score, sum of weights} of each block that finished some of them.
template <int DIM> constexpr int PARTIAL = DIM + 2 * WARPS;

// The row's spans added in order: `dims` of each head from firstDim on, which the blocks of number `part` finished. All threads of the last block.
template <class T, int DIM> __device__ __forceinline__ void addSpans(const DecodeAttention& s, const Rows& y, const float* from, int row, int firstHead, int numHeads, int spans, int firstDim, int dims, int part) {
  constexpr int HEAD = PARTIAL<DIM>, STRIDE = HEADS * HEAD;
  const int pairs = dims / 2;
  for (int i = threadIdx.x; i < numHeads * pairs; i += blockDim.x) {
    const int head = i / pairs, d = firstDim + i % pairs * 2;
    const float* p = from + head * HEAD;
    float top = NEGATIVE;
#pragma unroll 4
    for (int c = 0; c < spans; c++) top = fmaxf(top, __ldcg(p + c * STRIDE + DIM + 2 * part));
    float sum = 0.f, a = 0.f, b = 0.f;
#pragma unroll 4
    for (int c = 0; c < spans; c++) {
      const float2 weight = __ldcg((const float2*)(p + c * STRIDE + DIM + 2 * part)), v = __ldcg((const float2*)(p + c * STRIDE + d));
      const float share = powerOfTwo(weight.x - top);
      sum = fmaf(share, weight.y, sum), a = fmaf(share, v.x, a), b = fmaf(share, v.y, b);
    }
    const int column = (firstHead + head) * s.headDim + d;
    *(uint32_t*)(y.piece(row, column / 8) + column % 8) = T::pack(a / sum, b / sum);
  }
}

// Where the four warps of a span are blocks of a cluster: what they send each other. The block of warp w finishes the w-th quarter of the dims.
template <int DIM> struct Quarters {
  static constexpr int STEPS = Head<DIM>::STEPS / WARPS;
  float4 sums[WARPS][STEPS][32], weights[WARPS][4];  // by sender; of its lanes the sums, of four of them {largest scores of two heads, sums of weights of two heads}
  uint64_t full;
};

// TOGETHER blocks of a warp are worked at together, which changes no bit: more hide each other's latencies where few warps share a multiprocessor.
// SPLIT: the four warps are blocks of a cluster.
template <class T, int DIM, bool VARIANT, int TOGETHER, bool SPLIT> __device__ __forceinline__ void attend(const DecodeAttention& s) {
  using H = Head<DIM>;
  using Columns = HeadColumns<T, DIM>;
  extern __shared__ __align__(128) unsigned char shared[];
  __shared__ uint64_t arrived[SPLIT ? 1 : WARPS][MOST_SLOTS];
  __shared__ float tops[WARPS][HEADS], sums[WARPS][HEADS];
  __shared__ Quarters<SPLIT ? DIM : 64> quarters;
  __shared__ uint4 fresh[2 * H::TILES];
  __shared__ int isLast;
  const int tid = threadIdx.x, lane = tid & 31, row = blockIdx.z;
  const int ownWarp = SPLIT ? 0 : tid >> 5, warp = SPLIT ? blockIdx.x % WARPS : ownWarp;  // blockIdx.x % 4 is the rank in the cluster
  const int span = SPLIT ? blockIdx.x / WARPS : blockIdx.x, mostSpans = SPLIT ? gridDim.x / WARPS : gridDim.x;
  const int group = s.heads / s.kvHeads, parts = (group + HEADS - 1) / HEADS, kvHead = blockIdx.y / parts;
  const int firstHead = kvHead * group + blockIdx.y % parts * HEADS, numHeads = min(HEADS, kvHead * group + group - firstHead);
  const Rows y{s.y, s.tileRows, (s.heads * s.headDim + 127) / 128 * 16};
  const Rows qkv{(uint16_t*)s.qkv, s.tileRows, ((s.heads + 2 * s.kvHeads) * s.headDim + 127) / 128 * 16};
  const bool rotates = s.cosSin != nullptr;
  startSuccessor();
  if (!rotates) awaitPredecessor();
  const int sequence = s.rowSequences[row], length = s.positions[row] + 1;
  if (lane < MOST_SLOTS) barrierInit(sharedAddress(&arrived[ownWarp][lane]), 1);
  if (SPLIT && lane == MOST_SLOTS) {
    const uint32_t full = sharedAddress(&quarters.full);
    barrierInit(full, 1);
    barrierExpect(full, sizeof(quarters.sums) + sizeof(quarters.weights));
  }
  barrierInitFence();
  const int begin = VARIANT && s.window > 0 ? max(0, length - s.window) : 0, passed = begin / KV_TOKENS;  // blocks that lie ahead of the window
  const int tokens = length - passed * KV_TOKENS, allBlocks = (tokens + KV_TOKENS - 1) / KV_TOKENS;
  const int spans = tokens <= WHOLE ? min(tokens, 1) : min(MAX_SPANS, (tokens + SPAN - 1) / SPAN);
  if (span >= spans) {  // also a row without tokens
    if (rotates) awaitPredecessor();
    if (length <= 0 && blockIdx.x == 0)
      for (int i = tid; i < numHeads * s.headDim; i += blockDim.x) {
        const int column = firstHead * s.headDim + i;
        y.piece(row, column / 8)[column % 8] = 0;
      }
    return;
  }
  __syncthreads();
  if (SPLIT) clusterArrive();
  const int firstBlock = passed + span * allBlocks / spans + warp, endBlock = passed + (span + 1) * allBlocks / spans;
  const int mine = (endBlock - firstBlock + WARPS - 1) / WARPS;
  const int* table = s.blockTables + (int64_t)sequence * s.stride + firstBlock;
  const uint32_t store = sharedAddress(shared) + ownWarp * s.ring * H::BLOCK_BYTES, bars = sharedAddress(&arrived[ownWarp]);
  // Lane i knows block i of 32 of the warp's.
  int known = lane < mine ? table[lane * WARPS] : 0;
  // `read`: something that hangs on all that was read of the slot. The copy's barrier hangs on it too, for the order of instructions alone does not keep a copy behind the
  // loads ahead of it.
  const uint32_t nothing = (uint32_t)s.interleaved >> 8;  // 0, which the compiler cannot know
  auto bring = [&](int i, int slot, uint32_t read) {
    if (i > 0 && i % 32 == 0) known = i + lane < mine ? table[(i + lane) * WARPS] : 0;
    const int block = __shfl_sync(~0u, known, i % 32);
    if (lane == 0) {
      const uint32_t bar = bars + slot * 8 + (read & nothing);
      barrierExpect(bar, H::BLOCK_BYTES);
      bulkCopy(store + slot * H::BLOCK_BYTES, s.cache + ((int64_t)block * s.kvHeads + kvHead) * (H::BLOCK_BYTES / 2), H::BLOCK_BYTES, bar);
    }
  };
  const bool hasNewest = mine > 0 && firstBlock + (mine - 1) * WARPS == passed + allBlocks - 1;
  const float* angles = s.cosSin + (int64_t)(length - 1) * DIM;
  Queries<T, DIM> queries;
  OwnToken<T, DIM> own;
  int slot = -1, brought = 0;
  if (rotates) {
    for (; brought < min(s.ring, mine); brought++) bring(brought, brought, 0);
    queries.fetchAngles(angles, s.interleaved, lane);
    if (hasNewest && blockIdx.y % parts == 0) slot = s.slots[row];
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
  for (; brought < min(s.ring, mine); brought++) bring(brought, brought, 0);
  if (rotates) {
    queries.template rotate<VARIANT>(q, s, firstHead + min(lane >> 2, numHeads - 1), lane);
    if (hasNewest) own.template put<VARIANT>(s, fresh, angles, kvHead, slot, lane);
    __syncwarp();  // what lanes kept of the row's own token is there
  }
  Columns work;
  auto tokensOf = [&](int i) { return length - (firstBlock + i * WARPS) * KV_TOKENS; };
  // The sequence's last block: its own token, if it was not in the cache yet, and nothing that lies past the end (weight 0 times NaN would be NaN).
  auto complete = [&](int i, int slot) {
    unsigned char* block = shared + (ownWarp * s.ring + slot) * H::BLOCK_BYTES;
    if (rotates && hasNewest && i == mine - 1)
      for (int p = lane; p < 2 * H::TILES; p += 32) *(uint4*)(block + p * H::PLANE + (length - 1) % KV_TOKENS * 16) = fresh[p];
    if (tokensOf(i) < KV_TOKENS)
      for (int p = lane; p < H::TILES * KV_TOKENS; p += 32)
        if (p % KV_TOKENS >= tokensOf(i)) *(uint4*)(block + H::KEY_BYTES + p * 16) = make_uint4(0, 0, 0, 0);
    __syncwarp();
  };
  int place = 0;
  uint32_t parity = 0;
  // N blocks from the i-th on.
  auto take = [&](auto together, int i) {
    constexpr int N = decltype(together)::value;
    float weights[N][4], top[N][2], shrink[N][2];
    int slots[N];
    uint32_t read = 0;
#pragma unroll
    for (int n = 0; n < N; n++) {
      barrierWait(bars + place * 8, parity);
      slots[n] = place;
      if (++place == s.ring) place = 0, parity ^= 1;
    }
    if (i + N == mine) complete(mine - 1, slots[N - 1]);
#pragma unroll
    for (int n = 0; n < N; n++) read ^= Columns::score(weights[n], q, store + slots[n] * H::BLOCK_BYTES, lane);
#pragma unroll
    for (int n = 0; n < N; n++) Columns::template mask<VARIANT>(weights[n], top[n], begin - (firstBlock + (i + n) * WARPS) * KV_TOKENS, tokensOf(i + n), lane);
#pragma unroll
    for (int n = 0; n < N; n++) work.weigh(weights[n], top[n], shrink[n], s.scale);
#pragma unroll
    for (int n = 0; n < N; n++) {
      typename Columns::Fragments values;
      read ^= Columns::fetchValues(values, store + slots[n] * H::BLOCK_BYTES, lane);
      work.add(values, weights[n], shrink[n]);
    }
    __syncwarp();  // the warp has read the slots
#pragma unroll
    for (int n = 0; n < N; n++)
      if (i + n + s.ring < mine) bring(i + n + s.ring, slots[n], read);
  };
  int i = 0;
  for (; i + TOGETHER <= mine; i += TOGETHER) take(Count<TOGETHER>(), i);
  if (TOGETHER > 1)
    for (; i < mine; i++) take(Count<1>(), i);
  work.finish();
  const int low = lane >> 2, pair = (lane & 3) * 2;
  constexpr int HEAD = PARTIAL<DIM>;
  const int64_t item = (int64_t)row * gridDim.y + blockIdx.y;
  float* const row0 = s.partials + item * mostSpans * HEADS * HEAD;
  float* const span0 = row0 + span * HEADS * HEAD;
  if constexpr (SPLIT) {
    using Q = Quarters<DIM>;
    __syncwarp();
    clusterWait();
#pragma unroll
    for (int j = 0; j < H::STEPS; j++) {
      const int peer = j / Q::STEPS;
      sendPeer(peerAddress(sharedAddress(&quarters.sums[warp][j % Q::STEPS][lane]), peer), make_float4(work.o[j][0], work.o[j][1], work.o[j][2], work.o[j][3]), peerAddress(sharedAddress(&quarters.full), peer));
    }
    if (low < WARPS)
      sendPeer(peerAddress(sharedAddress(&quarters.weights[warp][lane & 3]), low), make_float4(work.largest[0] * s.scale, work.largest[1] * s.scale, work.sum[0], work.sum[1]), peerAddress(sharedAddress(&quarters.full), low));
    barrierWait(sharedAddress(&quarters.full), 0);
    float top[2] = {NEGATIVE, NEGATIVE}, sum[2] = {0.f, 0.f}, all[Q::STEPS][4] = {};
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      const float4 v = quarters.weights[w][lane & 3];
      top[0] = fmaxf(top[0], v.x), top[1] = fmaxf(top[1], v.y);
    }
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      const float4 v = quarters.weights[w][lane & 3];
      const float share[2] = {powerOfTwo(v.x - top[0]), powerOfTwo(v.y - top[1])};
      sum[0] = fmaf(share[0], v.z, sum[0]), sum[1] = fmaf(share[1], v.w, sum[1]);
#pragma unroll
      for (int j = 0; j < Q::STEPS; j++) {
        const float4 a = quarters.sums[w][j][lane];
        all[j][0] = __fadd_rn(all[j][0], __fmul_rn(a.x, share[0])), all[j][1] = __fadd_rn(all[j][1], __fmul_rn(a.y, share[1]));
        all[j][2] = __fadd_rn(all[j][2], __fmul_rn(a.z, share[0])), all[j][3] = __fadd_rn(all[j][3], __fmul_rn(a.w, share[1]));
      }
    }
#pragma unroll
    for (int j = 0; j < Q::STEPS; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int head = pair + e % 2, d = (warp * Q::STEPS + j) * 16 + e / 2 * 8 + low;
        if (head >= numHeads) continue;
        const int column = (firstHead + head) * DIM + d;
        if (spans == 1) y.piece(row, column / 8)[column % 8] = T::bits(all[j][e] / sum[e % 2]);
        else __stcg(span0 + head * HEAD + d, all[j][e]);
      }
    if (spans > 1 && low == 0)
#pragma unroll
      for (int h = 0; h < 2; h++)
        if (pair + h < numHeads) __stcg((float2*)(span0 + (pair + h) * HEAD + DIM + 2 * warp), make_float2(top[h], sum[h]));
  } else {
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
    const int pairs = s.headDim / 2;
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
  }
  if (spans == 1) return;
  __syncthreads();
  if (tid == 0) {  // the barrier and this fence stand for a fence of every thread
    __threadfence();
    int* count = s.arrivals + item * WARPS + (SPLIT ? warp : 0);
    isLast = atomicAdd(count, 1) == spans - 1;
    if (isLast) *count = 0;
    __threadfence();
  }
  __syncthreads();
  if (!isLast) return;
  if (SPLIT) addSpans<T, DIM>(s, y, row0, row, firstHead, numHeads, spans, warp * (DIM / WARPS), DIM / WARPS, warp);
  else addSpans<T, DIM>(s, y, row0, row, firstHead, numHeads, spans, 0, s.headDim, 0);
}

#define DECODE_PARAMETERS                                                                                                                                        \
  uint16_t *y, const uint16_t *qkv, uint16_t *cache, const int *positions, const int *rowSequences, const int *blockTables, const float *cosSin, const int *slots,  \
      float *partials, int *arrivals, int stride, int tileRows, int heads, int kvHeads, int headDim, int interleaved, int ring, float scale
#define DECODE_ARGUMENTS \
  y, qkv, cache, positions, rowSequences, blockTables, cosSin, slots, partials, arrivals, stride, tileRows, heads, kvHeads, headDim, interleaved, ring, scale
// Plain entry `name` and the one with biases, norms and windows.
#define DECODE_ENTRY(name, T, dim) \
  extern "C" __global__ void __launch_bounds__(128) name(DECODE_PARAMETERS) { attend<T, dim, false, 1, false>({DECODE_ARGUMENTS}); }
#define DECODE_VARIANT_ENTRY(name, T, dim)                                                                                                             \
  extern "C" __global__ void __launch_bounds__(128) name(DECODE_PARAMETERS, const float* bias, const float* qNorm, const float* kNorm, float eps, int window) { \
    attend<T, dim, true, 1, false>({DECODE_ARGUMENTS, {bias, qNorm, kNorm, eps}, window});                                                                          \
  }
// A plain entry whose four warps are a cluster of blocks, so that the keys of few rows come to four times as many multiprocessors.
#define DECODE_SPLIT_ENTRY(name, T, dim) \
  extern "C" __global__ void __cluster_dims__(WARPS, 1, 1) __launch_bounds__(32, 1) name(DECODE_PARAMETERS) { attend<T, dim, false, 3, true>({DECODE_ARGUMENTS}); }

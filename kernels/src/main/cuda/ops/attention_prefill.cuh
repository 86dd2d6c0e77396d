// The body of attention_prefill_*_sm90.cu; contract in attention_prefill_sm90.cu. T: F16 or Bf16 of common/mma.cuh.
#pragma once
#include "attention.cuh"
#include "attention_wgmma.cuh"

constexpr int ROWS = 64, TOKENS = 64, BLOCKS = TOKENS / KV_TOKENS, STAGES = 2;

struct PrefillAttention {
  uint16_t* y;
  const uint16_t *qkv, *cache;
  const int *positions, *rowSequences, *blockTables;
  int stride, rows, tileRows, heads, kvHeads, headDim;
  float scale;
  int window;
};

template <class T, int DIM, bool WINDOW> struct PrefillTile {
  using H = Head<DIM>;
  static constexpr int STAGE_BYTES = BLOCKS * H::BLOCK_BYTES;
  const PrefillAttention& s;
  unsigned char* shared;
  uint64_t* full;
  int kvHead, lane;

  // The warp's part of tile `tile` of a sequence of `length` tokens: one block, whose number is known.
  __device__ __forceinline__ void bring(int block, int tile, int length, int warp) {
    if (lane != 0) return;
    const int stage = tile % STAGES;
    const uint32_t bar = sharedAddress(&full[stage]), to = sharedAddress(shared) + stage * STAGE_BYTES + warp * H::BLOCK_BYTES;
    if ((tile * BLOCKS + warp) * KV_TOKENS < length) {
      barrierExpect(bar, H::BLOCK_BYTES);
      bulkCopy(to, s.cache + ((int64_t)block * s.kvHeads + kvHead) * (H::BLOCK_BYTES / 2), H::BLOCK_BYTES, bar);
    } else {
      barrierArrive(bar);
    }
  }

  // Values past the sequence's end may be anything, and weight 0 times NaN would be NaN.
  __device__ __forceinline__ void clearBeyond(int stage, int tokens) {
    for (int i = threadIdx.x; i < BLOCKS * H::TILES * KV_TOKENS; i += blockDim.x) {
      const int block = i / (H::TILES * KV_TOKENS), in = i % (H::TILES * KV_TOKENS);
      if (block * KV_TOKENS + in % KV_TOKENS >= tokens) *(uint4*)(shared + stage * STAGE_BYTES + block * H::BLOCK_BYTES + H::KEY_BYTES + in * 16) = make_uint4(0, 0, 0, 0);
    }
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");  // the next sequence's copies come to the same place
  }

  // One tile for the warp's 16 rows; last[r] = position of the row, -1 if it is not of this sequence.
  __device__ __forceinline__ void add(float (&o)[H::TILES][4], Softmax& softmax, const uint32_t (&q)[H::STEPS][4], int tile, const int (&last)[2]) {
    const uint32_t at = sharedAddress(shared) + tile % STAGES * STAGE_BYTES;
    float scores[2 * BLOCKS][4] = {};
    wgmmaFence();
#pragma unroll
    for (int i = 0; i < H::STEPS; i++)
#pragma unroll
      for (int b = 0; b < BLOCKS; b++)
        wgmmaKeys<T>(scores[2 * b], scores[2 * b + 1], q[i], keysOperand(at + b * H::BLOCK_BYTES) + i * (2 * PLANE_BYTES >> 4), i > 0);
    wgmmaCommit();
    wgmmaWait<0>();
    const int token = tile * TOKENS + (lane & 3) * 2;
#pragma unroll
    for (int n = 0; n < 2 * BLOCKS; n++)
#pragma unroll
      for (int e = 0; e < 4; e++)
        if (token + n * 8 + (e & 1) > last[e >> 1] || (WINDOW && token + n * 8 + (e & 1) <= last[e >> 1] - s.window)) scores[n][e] = NEGATIVE;
    float shrink[2];
    softmax.add(scores, s.scale, shrink);
#pragma unroll
    for (int j = 0; j < H::TILES; j++) o[j][0] *= shrink[0], o[j][1] *= shrink[0], o[j][2] *= shrink[1], o[j][3] *= shrink[1];
    uint32_t p[BLOCKS][4];
#pragma unroll
    for (int b = 0; b < BLOCKS; b++)
#pragma unroll
      for (int e = 0; e < 4; e++) p[b][e] = T::pack(scores[2 * b + e / 2][2 * (e % 2)], scores[2 * b + e / 2][2 * (e % 2) + 1]);
    wgmmaFence();
#pragma unroll
    for (int b = 0; b < BLOCKS; b++) wgmmaValues<T>(o, p[b], valuesOperand(at + b * H::BLOCK_BYTES + H::KEY_BYTES));
    wgmmaCommit();
    wgmmaWait<0>();
  }
};

template <class T, int DIM, bool WINDOW> __device__ __forceinline__ void attend(const PrefillAttention& s) {
  using H = Head<DIM>;
  extern __shared__ __align__(128) unsigned char shared[];
  __shared__ uint64_t full[STAGES];
  const int tid = threadIdx.x, warp = tid >> 5, lane = tid & 31, low = lane >> 2, firstRow = blockIdx.x * ROWS, head = blockIdx.y;
  const Rows y{s.y, s.tileRows, (s.heads * s.headDim + 127) / 128 * 16};
  const Rows qkv{(uint16_t*)s.qkv, s.tileRows, ((s.heads + 2 * s.kvHeads) * s.headDim + 127) / 128 * 16};
  const int stride = s.tileRows * 8;  // from a piece of a row to its next
  PrefillTile<T, DIM, WINDOW> work{s, shared, full, head / (s.heads / s.kvHeads), lane};
  if (tid < STAGES) {
    barrierInit(sharedAddress(&full[tid]), BLOCKS);
    barrierInitFence();
  }
  __syncthreads();
  startSuccessor();
  awaitPredecessor();
  // Lane i of every warp knows rows i and i + 32.
  int sequences[2], positions[2];
#pragma unroll
  for (int r = 0; r < 2; r++) {
    const int row = firstRow + lane + 32 * r;
    sequences[r] = row < s.rows ? s.rowSequences[row] : -1;
    positions[r] = row < s.rows ? s.positions[row] : -1;
  }
  auto ofRow = [&](const int (&values)[2], int row) {
    const int a = __shfl_sync(~0u, values[0], row & 31), b = __shfl_sync(~0u, values[1], row & 31);
    return row < 32 ? a : b;
  };
  int used = 0;  // bit i: parity of the next wait for stage i
  for (int from = 0, to; from < ROWS; from = to) {
    const int sequence = ofRow(sequences, from);
    if (sequence < 0) break;
    const uint64_t others = (uint64_t)__ballot_sync(~0u, sequences[1] != sequence) << 32 | __ballot_sync(~0u, sequences[0] != sequence);
    const uint64_t beyond = others >> from;  // its bit 0 is clear
    to = beyond == 0 ? ROWS : from + __ffsll(beyond) - 1;
    const int length = ofRow(positions, to - 1) + 1, tiles = (length + TOKENS - 1) / TOKENS, blocks = (length + KV_TOKENS - 1) / KV_TOKENS;
    const int firstTile = WINDOW ? max(0, ofRow(positions, from) + 1 - s.window) / TOKENS : 0;
    const int* table = s.blockTables + (int64_t)sequence * s.stride;
    auto blockOf = [&](int tile) { return tile * BLOCKS + warp < blocks ? table[tile * BLOCKS + warp] : 0; };
    for (int t = firstTile; t < min(firstTile + STAGES, tiles); t++) work.bring(blockOf(t), t, length, warp);
    int upcoming = blockOf(firstTile + STAGES);
    int last[2];
    const uint16_t* queries[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
      const int row = warp * 16 + low + 8 * r;
      last[r] = ofRow(positions, row);
      if (row < from || row >= to) last[r] = -1;
      queries[r] = last[r] >= 0 ? qkv.piece(firstRow + row, head * s.headDim / 8) : nullptr;
    }
    uint32_t q[H::STEPS][4];
    H::queries(q, s.headDim, lane, queries[0], queries[1], stride);
    float o[H::TILES][4] = {};
    Softmax softmax;
    for (int t = firstTile; t < tiles; t++) {
      barrierWait(sharedAddress(&full[t % STAGES]), (used >> (t % STAGES)) & 1);
      used ^= 1 << (t % STAGES);
      if (length - t * TOKENS < TOKENS) {
        work.clearBeyond(t % STAGES, length - t * TOKENS);
        __syncthreads();
      }
      work.add(o, softmax, q, t, last);
      __syncthreads();
      if (t + STAGES < tiles) work.bring(upcoming, t + STAGES, length, warp);
      upcoming = blockOf(t + STAGES + 1);
    }
    softmax.finish();
#pragma unroll
    for (int r = 0; r < 2; r++) {
      if (last[r] < 0) continue;
      const int row = firstRow + warp * 16 + low + 8 * r;
      const float share = 1.f / softmax.sum[r];
      uint16_t* to = y.piece(row, head * s.headDim / 8) + (lane & 3) * 2;
#pragma unroll
      for (int j = 0; j < H::TILES; j++)
        if (j * 8 < s.headDim) *(uint32_t*)(to + j * stride) = T::pack(o[j][2 * r] * share, o[j][2 * r + 1] * share);
    }
  }
}

#define PREFILL_PARAMETERS                                                                                                                                 \
  uint16_t *y, const uint16_t *qkv, const uint16_t *cache, const int *positions, const int *rowSequences, const int *blockTables, int stride, int rows,       \
      int tileRows, int heads, int kvHeads, int headDim, float scale
#define PREFILL_ARGUMENTS y, qkv, cache, positions, rowSequences, blockTables, stride, rows, tileRows, heads, kvHeads, headDim, scale
// Plain entry `name` and the one with a sliding window.
#define PREFILL_ENTRY(name, T, dim) \
  extern "C" __global__ void __launch_bounds__(128, 3) name(PREFILL_PARAMETERS) { attend<T, dim, false>({PREFILL_ARGUMENTS}); }
#define PREFILL_WINDOW_ENTRY(name, T, dim) \
  extern "C" __global__ void __launch_bounds__(128, 3) name(PREFILL_PARAMETERS, int window) { attend<T, dim, true>({PREFILL_ARGUMENTS, window}); }

// The end of a decode step.
//   argmax_f32      ids[r] = the token with the largest logit, the lowest id of equals; -1 when a logit is NaN. logits: fp32 [rows][vocabulary]. Grid: rows. Block: 1024
//   advance_rows    the next step's inputs of rows that go on by one token: tokenIds = ids (negative ones become 0), positions + 1, slots from the block tables
//                   ([sequences][stride], blocks of 16 tokens). Rows with a negative position (padding of a batch) stay as they are. Grid: ceil(rows / 128). Block: 128
#include "ops/rows.cuh"

struct Best {
  float value;
  int id;  // -1: a NaN was seen
};

__device__ __forceinline__ Best better(Best a, Best b) {
  if (a.id < 0 || b.id < 0) return {0.f, -1};
  return b.value > a.value || (b.value == a.value && b.id < a.id) ? b : a;
}

extern "C" __global__ void __launch_bounds__(1024) argmax_f32(int* ids, const float* logits, int vocabulary) {
  __shared__ Best bests[32];
  startSuccessor();
  awaitPredecessor();
  const float* row = logits + (int64_t)blockIdx.x * vocabulary;
  Best best{-INFINITY, 0x7fffffff};
  auto see = [&](float v, int id) {
    if (v != v) best = {0.f, -1};
    else best = better(best, {v, id});
  };
  // Rows start on 16 bytes only when the vocabulary is a multiple of 4.
  if (vocabulary % 4 == 0) {
    constexpr int AHEAD = 4;
    for (int i = threadIdx.x; i < vocabulary / 4; i += 1024 * AHEAD) {
      float4 v[AHEAD];
#pragma unroll
      for (int u = 0; u < AHEAD; u++) v[u] = i + u * 1024 < vocabulary / 4 ? __ldcs((const float4*)row + i + u * 1024) : make_float4(-INFINITY, -INFINITY, -INFINITY, -INFINITY);
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        const int id = 4 * (i + u * 1024);
        see(v[u].x, id), see(v[u].y, id + 1), see(v[u].z, id + 2), see(v[u].w, id + 3);
      }
    }
  } else {
    for (int i = threadIdx.x; i < vocabulary; i += 1024) see(row[i], i);
  }
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) best = better(best, {__shfl_xor_sync(~0u, best.value, lanes), __shfl_xor_sync(~0u, best.id, lanes)});
  if ((threadIdx.x & 31) == 0) bests[threadIdx.x >> 5] = best;
  __syncthreads();
  if (threadIdx.x < 32) {
    best = bests[threadIdx.x];
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes /= 2) best = better(best, {__shfl_xor_sync(~0u, best.value, lanes), __shfl_xor_sync(~0u, best.id, lanes)});
    if (threadIdx.x == 0) ids[blockIdx.x] = best.id < vocabulary ? best.id : 0;  // all -infinity: the first
  }
}

extern "C" __global__ void __launch_bounds__(128)
    advance_rows(int* tokenIds, int* positions, int* slots, const int* ids, const int* rowSequences, const int* blockTables, int stride, int rows) {
  startSuccessor();
  awaitPredecessor();
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= rows || positions[row] < 0) return;
  const int position = positions[row] + 1;
  tokenIds[row] = max(ids[row], 0);
  positions[row] = position;
  if (position / KV_TOKENS < stride) slots[row] = blockTables[(int64_t)rowSequences[row] * stride + position / KV_TOKENS] * KV_TOKENS + position % KV_TOKENS;
}

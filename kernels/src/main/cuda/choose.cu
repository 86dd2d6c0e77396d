// The end of a decode step.
//   argmax_f32      ids[r] = the token with the largest logit, the lowest id of equals; -1 when a logit is NaN. logits: fp32 [rows][vocabulary].
//                   Grid: (B, rows), B <= 32 blocks share a row. Block: 512. bests: [rows][B]; arrivals: int [rows], zero before the first launch and left zero
//   advance_rows    the next step's inputs of rows that go on by one token: tokenIds = ids (negative ones become 0), positions + 1, slots from the block tables
//                   ([sequences][stride], blocks of 16 tokens). Rows with a negative position (padding of a batch) stay as they are. Grid: ceil(rows / 128). Block: 128
//   take_tokens     tokenIds[r] = chosen[sources[r]] where the source is not negative; negative choices become 0. Grid: ceil(rows / 128). Block: 128
#include "ops/rows.cuh"

struct Best {
  float value;
  int id;  // -1: a NaN was seen
};

__device__ __forceinline__ Best better(Best a, Best b) {
  if (a.id < 0 || b.id < 0) return {0.f, -1};
  return b.value > a.value || (b.value == a.value && b.id < a.id) ? b : a;
}

__device__ __forceinline__ Best bestOfWarp(Best best) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) best = better(best, {__shfl_xor_sync(~0u, best.value, lanes), __shfl_xor_sync(~0u, best.id, lanes)});
  return best;
}

extern "C" __global__ void __launch_bounds__(512) argmax_f32(int* ids, const float* logits, float2* bests, int* arrivals, int vocabulary) {
  __shared__ Best warps[16];
  startSuccessor();
  awaitPredecessor();
  const float* row = logits + (int64_t)blockIdx.y * vocabulary;
  const int blocks = gridDim.x, quads = vocabulary / 4, begin = (int64_t)blockIdx.x * quads / blocks, end = (int64_t)(blockIdx.x + 1) * quads / blocks;
  Best best{-INFINITY, 0x7fffffff};
  auto see = [&](float v, int id) {
    if (v != v) best = {0.f, -1};
    else best = better(best, {v, id});
  };
  if (vocabulary % 4 == 0) {  // else rows do not start on 16 bytes
    constexpr int AHEAD = 4;
    for (int i = begin + threadIdx.x; i < end; i += 512 * AHEAD) {
      float4 v[AHEAD];
#pragma unroll
      for (int u = 0; u < AHEAD; u++) v[u] = loadFresh((const float4*)row + min(i + u * 512, end - 1));
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        const int id = 4 * min(i + u * 512, end - 1);
        see(v[u].x, id), see(v[u].y, id + 1), see(v[u].z, id + 2), see(v[u].w, id + 3);
      }
    }
  } else {
    const int from = (int64_t)blockIdx.x * vocabulary / blocks, to = (int64_t)(blockIdx.x + 1) * vocabulary / blocks;
    for (int i = from + threadIdx.x; i < to; i += 512) see(loadFresh(row + i), i);
  }
  best = bestOfWarp(best);
  if ((threadIdx.x & 31) == 0) warps[threadIdx.x >> 5] = best;
  __syncthreads();
  if (threadIdx.x >= 32) return;
  best = bestOfWarp(threadIdx.x < 16 ? warps[threadIdx.x] : Best{-INFINITY, 0x7fffffff});
  int last = 0;
  if (threadIdx.x == 0) {
    __stcg(bests + blockIdx.y * blocks + blockIdx.x, make_float2(best.value, __int_as_float(best.id)));
    __threadfence();
    last = atomicAdd(arrivals + blockIdx.y, 1) == blocks - 1;
    __threadfence();
  }
  if (!__shfl_sync(~0u, last, 0)) return;
  const float2 other = __ldcg(bests + blockIdx.y * blocks + min((int)threadIdx.x, blocks - 1));
  best = bestOfWarp({other.x, __float_as_int(other.y)});
  if (threadIdx.x == 0) {
    arrivals[blockIdx.y] = 0;
    ids[blockIdx.y] = best.id < vocabulary ? best.id : 0;  // all -infinity and no id seen: the first
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

extern "C" __global__ void __launch_bounds__(128) take_tokens(int* tokenIds, const int* sources, const int* chosen, int numChosen, int rows) {
  startSuccessor();
  awaitPredecessor();
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= rows) return;
  const int source = sources[row];
  if (source >= 0 && source < numChosen) tokenIds[row] = max(chosen[source], 0);
}

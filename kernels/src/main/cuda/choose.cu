// The end of a decode step.
//   argmax_f32      ids[r] = the token with the largest logit, the lowest id of equals, with bit 30 if it is one of the numEnds tokens in `ends`; -1 when a logit is
//                   NaN, -2 when all are -infinity. logits: fp32 [rows][vocabulary].
//                   Grid: (B, rows), B <= 32 blocks share a row. Block: 512. bests: [rows][B]; arrivals: int [rows], zero before the first launch and left zero
//   advance_rows    the next step's inputs of rows that go on by one token: tokenIds = ids (negative ones become 0), positions + 1, slots from the block tables
//                   ([sequences][stride], blocks of 16 tokens). Rows with a negative position (padding of a batch) stay as they are. Grid: ceil(rows / 128). Block: 128
//   take_tokens     tokenIds[r] = chosen[sources[r]] where there are sources and the row's is not negative; negative choices become 0, and a row whose answer the
//                   choice ended becomes padding (position and slot -1), so that it writes nothing into blocks that are about to be somebody else's. Then
//                   history[slots[r]] = tokenIds[r]: the cache knows its tokens. Grid: ceil(rows / 128). Block: 128
#include "ops/best.cuh"
#include "ops/rows.cuh"

extern "C" __global__ void __launch_bounds__(512) argmax_f32(int* ids, const float* logits, float2* bests, int* arrivals, const int* ends, int numEnds, int vocabulary) {
  __shared__ Best warps[16];
  startSuccessor();
  awaitPredecessor();
  const float* row = logits + (int64_t)blockIdx.y * vocabulary;
  const int blocks = gridDim.x, quads = vocabulary / 4, begin = (int64_t)blockIdx.x * quads / blocks, end = (int64_t)(blockIdx.x + 1) * quads / blocks;
  Best best{-INFINITY, NO_ID};
  auto see = [&](float v, int id) { best = betterOf(best, v, id); };
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
  best = bestOfWarp(threadIdx.x < 16 ? warps[threadIdx.x] : Best{-INFINITY, NO_ID});
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
  const int id = outcome(best, ends, numEnds);
  if (threadIdx.x == 0) {
    arrivals[blockIdx.y] = 0;
    ids[blockIdx.y] = id;
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

extern "C" __global__ void __launch_bounds__(128)
    take_tokens(int* tokenIds, int* positions, int* slots, int* history, const int* sources, const int* chosen, int numChosen, int rows) {
  startSuccessor();
  awaitPredecessor();
  const int row = blockIdx.x * 128 + threadIdx.x;
  if (row >= rows) return;
  int token = tokenIds[row], slot = slots[row];
  const int source = sources == nullptr ? -1 : sources[row];
  if (source >= 0 && source < numChosen) {
    const int choice = chosen[source];
    token = choice < 0 || choice & ENDS ? 0 : choice;
    if (choice >= 0 && choice & ENDS) slot = slots[row] = positions[row] = -1;
    tokenIds[row] = token;
  }
  if (slot >= 0) history[slot] = token;
}

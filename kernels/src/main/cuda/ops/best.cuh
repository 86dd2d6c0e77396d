// The largest of a row's logits, the lowest id of equals.
#pragma once
#include <stdint.h>

// Instead of a token (TokenChooser has the same): a logit is NaN; no logit is above -infinity.
constexpr int NOT_A_NUMBER = -1, NO_TOKEN = -2;
// A bit of a chosen token that says that it ends the answer.
constexpr int ENDS = 1 << 30;
// The id while nothing has been seen.
constexpr int NO_ID = 0x7fffffff;

struct Best {
  float value;
  int id;  // NOT_A_NUMBER: a NaN was seen
};

__device__ __forceinline__ Best better(Best a, Best b) {
  if (a.id < 0 || b.id < 0) return {0.f, NOT_A_NUMBER};
  return b.value > a.value || (b.value == a.value && b.id < a.id) ? b : a;
}

__device__ __forceinline__ Best betterOf(Best best, float v, int id) { return v != v ? Best{0.f, NOT_A_NUMBER} : better(best, {v, id}); }

__device__ __forceinline__ Best bestOfWarp(Best best) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) best = better(best, {__shfl_xor_sync(~0u, best.value, lanes), __shfl_xor_sync(~0u, best.id, lanes)});
  return best;
}

// What a choice leaves: the token with ENDS if it is one of `ends`, or why there is none. For a whole warp.
__device__ __forceinline__ int outcome(Best best, const int* ends, int numEnds) {
  if (best.id < 0) return best.id;
  if (best.value == -INFINITY) return NO_TOKEN;
  int ended = 0;
  for (int i = threadIdx.x & 31; i < numEnds; i += 32) ended |= ends[i] == best.id;
  return __any_sync(~0u, ended) ? best.id | ENDS : best.id;
}

// What the attention kernels share: tensor-core fragments out of the paged cache, and online softmax on accumulators. Layout of the cache: ops/rows.cuh.
// A warp has 16 query rows (m16); a block of the cache is one k16 step of P * V and two n8 tiles of Q * K.
#pragma once
#include "../common/async.cuh"
#include "rows.cuh"

constexpr float NEGATIVE = -INFINITY;

#define MMA_OF(type)                                                                                                                       \
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type ".f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"                \
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1))
template <class T> __device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  if constexpr (T::isBf16) MMA_OF("bf16");
  else MMA_OF("f16");
}
__device__ __forceinline__ void loadKeys(uint32_t (&b)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];" : "=r"(b[0]), "=r"(b[1]), "=r"(b[2]), "=r"(b[3]) : "r"(address) : "memory");
}
__device__ __forceinline__ void loadValues(uint32_t (&b)[4], uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3},[%4];" : "=r"(b[0]), "=r"(b[1]), "=r"(b[2]), "=r"(b[3]) : "r"(address) : "memory");
}
// 2^x in one instruction; exp2f also takes care of results below fp32's normal numbers, which are nothing beside a weight of 1. 2^0 = 1 and 2^-inf = 0 exactly.
__device__ __forceinline__ float powerOfTwo(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// DIM: head dim rounded up to 16. A block of a head in the cache: keys [DIM/8][16][8], then values alike.
template <int DIM> struct Head {
  static constexpr int STEPS = DIM / 16, TILES = DIM / 8, PLANE = 256;  // PLANE: bytes of eight dims of 16 tokens
  static constexpr int KEY_BYTES = TILES * PLANE, BLOCK_BYTES = 2 * KEY_BYTES;

  // Lane addresses for ldmatrix. Keys: matrices (dims 0-7, tokens 0-7), (dims 8-15, tokens 0-7), (dims 0-7, tokens 8-15), (dims 8-15, tokens 8-15).
  static __device__ __forceinline__ uint32_t keyLane(int lane) { return ((lane >> 3) & 1) * PLANE + ((lane >> 4) * 8 + (lane & 7)) * 16; }
  // Values: (dims 0-7, tokens 0-7), (dims 0-7, tokens 8-15), (dims 8-15, tokens 0-7), (dims 8-15, tokens 8-15).
  static __device__ __forceinline__ uint32_t valueLane(int lane) { return (lane >> 4) * PLANE + (((lane >> 3) & 1) * 8 + (lane & 7)) * 16; }

  // Query fragments of one head: rows r and r + 8 of the m16 tile, from their first pieces on (null where there is no such row), `stride` elements from piece to piece.
  static __device__ __forceinline__ void queries(uint32_t (&q)[STEPS][4], int headDim, int lane, const uint16_t* low, const uint16_t* high, int stride) {
    const int column = (lane & 3) * 2;
#pragma unroll
    for (int i = 0; i < STEPS; i++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int piece = 2 * i + (e >> 1);
        const uint16_t* from = e & 1 ? high : low;
        q[i][e] = from && piece * 8 < headDim ? loadFresh((const uint32_t*)(from + piece * stride + column)) : 0u;
      }
  }
};

// Running softmax of the two rows a thread has in an m16 tile. Scores are raw products; `scale` includes log2(e).
struct Softmax {
  float largest[2] = {NEGATIVE, NEGATIVE}, sum[2] = {0.f, 0.f};
  // Takes the scores of N tokens in; they become weights. Returns by how much what was summed before shrinks.
  template <int N> __device__ __forceinline__ void add(float (&s)[N][4], float scale, float (&shrink)[2]) {
#pragma unroll
    for (int r = 0; r < 2; r++) {
      float top = largest[r];
#pragma unroll
      for (int n = 0; n < N; n++) top = fmaxf(top, fmaxf(s[n][2 * r], s[n][2 * r + 1]));
      top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
      top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
      // Not fused: where the largest stays, the difference is 0 and nothing shrinks. A fused one would leave the product's rounding error, and a tile in which all
      // tokens are masked would change the row's bits.
      const float base = top == NEGATIVE ? 0.f : __fmul_rn(top, scale);
      shrink[r] = powerOfTwo(__fmul_rn(largest[r], scale) - base);
      largest[r] = top;
      float added = 0.f;
#pragma unroll
      for (int n = 0; n < N; n++) {
        s[n][2 * r] = powerOfTwo(fmaf(s[n][2 * r], scale, -base)), s[n][2 * r + 1] = powerOfTwo(fmaf(s[n][2 * r + 1], scale, -base));
        added += s[n][2 * r] + s[n][2 * r + 1];
      }
      sum[r] = fmaf(sum[r], shrink[r], added);
    }
  }
  // Sums of the four threads that share a row.
  __device__ __forceinline__ void finish() {
#pragma unroll
    for (int r = 0; r < 2; r++) {
      sum[r] += __shfl_xor_sync(~0u, sum[r], 1);
      sum[r] += __shfl_xor_sync(~0u, sum[r], 2);
    }
  }
};

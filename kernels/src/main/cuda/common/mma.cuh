// Tensor-core fragments. Weights are operand A (16 columns of W by 16 inputs), activations operand B (16 inputs by 8 rows of x),
// so a thread's accumulators are {(n0,m), (n0,m+1), (n1,m), (n1,m+1)} with m = 2 * (lane % 4) and n0, n1 the columns of docs/adr/0001.
// mma.sync and wgmma give the same bits for the same column (measured), so kernels of either kind may serve different M.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

// Arithmetic of one activation type.
struct F16 {
  using Element = __half;
  static constexpr bool isBf16 = false;
  static constexpr uint32_t onePair = 0x3c003c00u;
  static __device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
  static __device__ __forceinline__ uint32_t pack(float lo, float hi) {
    __half2 h = __floats2half2_rn(lo, hi);
    return *reinterpret_cast<uint32_t*>(&h);
  }
  static __device__ __forceinline__ float2 unpack(uint32_t v) { return __half22float2(*reinterpret_cast<__half2*>(&v)); }
};
struct Bf16 {
  using Element = __nv_bfloat16;
  static constexpr bool isBf16 = true;
  static constexpr uint32_t onePair = 0x3f803f80u;
  static __device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
  static __device__ __forceinline__ uint32_t pack(float lo, float hi) {
    __nv_bfloat162 h = __floats2bfloat162_rn(lo, hi);
    return *reinterpret_cast<uint32_t*>(&h);
  }
  static __device__ __forceinline__ float2 unpack(uint32_t v) {
    return make_float2(__uint_as_float(v << 16), __uint_as_float(v & 0xffff0000u));
  }
};

// Fragments of operand B from x tiled [k/8][R][8] in shared memory, 16 bytes a row: b[0], b[1] are one fragment, b[2], b[3] another, so that each is a
// register pair (no moves). R = 8: the same eight rows in two k16 steps; else one step of 16 rows. `address` includes matrixLane<R>(lane).
__device__ __forceinline__ void loadMatrices(uint32_t* b, uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];" : "=r"(b[0]), "=r"(b[1]), "=r"(b[2]), "=r"(b[3]) : "r"(address));
}
template <int R> __device__ __forceinline__ int matrixLane(int lane) {
  const int matrix = lane >> 3, row = lane & 7;
  return R == 8 ? lane * 16 : ((matrix & 1) * R + (matrix >> 1) * 8 + row) * 16;
}

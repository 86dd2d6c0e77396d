// Warpgroup products of sm_90a: D[64, N] += A[64, 16] * B[16, N], A (weights) from registers, B (activations, tiled [k/8][N][8]) in shared memory.
// A thread of warp w (of four) holds rows 16w + lane / 4 and + 8 of D: d[4j ..] = {(row, 8j + 2c), (row, 8j + 2c + 1), (row + 8, ..), (row + 8, ..)}, c = lane % 4.
// Registers that a product under way uses may not be touched: fragments are pinned before wgmmaFence, sums are read after wgmmaWait<0>.
#pragma once
#include "mma.cuh"

__device__ __forceinline__ void wgmmaFence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmmaCommit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int PENDING> __device__ __forceinline__ void wgmmaWait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory"); }

// Descriptor of operand B at a shared address: no swizzle, eight rows of a k8 slab 128 bytes apart, the slabs N * 16.
__device__ __forceinline__ uint64_t operandB(uint32_t address, int rows) {
  return (uint64_t)((address & 0x3ffff) >> 4) | (uint64_t)rows << 16 | (uint64_t)(128 >> 4) << 32;
}

constexpr uint64_t OPERAND_HIGH = (uint64_t)(128 >> 4) << 32;  // its upper word, whatever the address and N

#define WGMMA_D4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define WGMMA_D16(i) WGMMA_D4(i), WGMMA_D4(i + 4), WGMMA_D4(i + 8), WGMMA_D4(i + 12)
#define WGMMA_A "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"((int)accumulate)
// One instruction for each tile width; `accumulate` false: D is overwritten.
#define WGMMA_OF(name, type)                                                                                                                                              \
  __device__ __forceinline__ void name(float (&d)[4], const uint32_t* a, uint64_t b, bool accumulate) {                                                                   \
    asm volatile("{.reg .pred p; setp.ne.b32 p,%9,0; wgmma.mma_async.sync.aligned.m64n8k16.f32." type "." type " {%0,%1,%2,%3},{%4,%5,%6,%7},%8,p,1,1,0;}"                \
                 : WGMMA_D4(0) : WGMMA_A);                                                                                                                                \
  }                                                                                                                                                                       \
  __device__ __forceinline__ void name(float (&d)[8], const uint32_t* a, uint64_t b, bool accumulate) {                                                                   \
    asm volatile("{.reg .pred p; setp.ne.b32 p,%13,0; wgmma.mma_async.sync.aligned.m64n16k16.f32." type "." type                                                          \
                 " {%0,%1,%2,%3,%4,%5,%6,%7},{%8,%9,%10,%11},%12,p,1,1,0;}"                                                                                               \
                 : WGMMA_D4(0), WGMMA_D4(4) : WGMMA_A);                                                                                                                   \
  }                                                                                                                                                                       \
  __device__ __forceinline__ void name(float (&d)[16], const uint32_t* a, uint64_t b, bool accumulate) {                                                                  \
    asm volatile("{.reg .pred p; setp.ne.b32 p,%21,0; wgmma.mma_async.sync.aligned.m64n32k16.f32." type "." type                                                          \
                 " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15},{%16,%17,%18,%19},%20,p,1,1,0;}"                                                               \
                 : WGMMA_D16(0) : WGMMA_A);                                                                                                                               \
  }                                                                                                                                                                       \
  __device__ __forceinline__ void name(float (&d)[32], const uint32_t* a, uint64_t b, bool accumulate) {                                                                  \
    asm volatile("{.reg .pred p; setp.ne.b32 p,%37,0; wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type                                                          \
                 " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31},{%32,%33,%34,%35},%36,p,1,1,0;}" \
                 : WGMMA_D16(0), WGMMA_D16(16) : WGMMA_A);                                                                                                                \
  }                                                                                                                                                                       \
  __device__ __forceinline__ void name(float (&d)[64], const uint32_t* a, uint64_t b, bool accumulate) {                                                                  \
    asm volatile("{.reg .pred p; setp.ne.b32 p,%69,0; wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type                                                         \
                 " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"                               \
                 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,"                           \
                 "%63},{%64,%65,%66,%67},%68,p,1,1,0;}"                                                                                                                   \
                 : WGMMA_D16(0), WGMMA_D16(16), WGMMA_D16(32), WGMMA_D16(48) : WGMMA_A);                                                                                  \
  }
WGMMA_OF(wgmmaF16, "f16")
WGMMA_OF(wgmmaBf16, "bf16")

template <class T, int N> __device__ __forceinline__ void wgmma(float (&d)[N], const uint32_t* a, uint64_t b, bool accumulate) {
  if constexpr (T::isBf16)
    wgmmaBf16(d, a, b, accumulate);
  else
    wgmmaF16(d, a, b, accumulate);
}

// wgmma m64nNk16 with fp16 or bf16 operands in shared memory and fp32 sums, N = 8 .. 128. Both operands tiled [k/8][rows][8] without swizzle.
#pragma once
#include <stdint.h>

__device__ __forceinline__ void wgmmaFence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmmaCommit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int n> __device__ __forceinline__ void wgmmaWait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(n) : "memory"); }

// Core matrices of 8 rows by 16 bytes: 128 bytes apart along the rows, rows * 16 along k.
__device__ __forceinline__ uint64_t operand(uint32_t address, int rows) {
  return (uint64_t)((address & 0x3ffff) >> 4) | (uint64_t)(rows * 16 >> 4) << 16 | (uint64_t)(128 >> 4) << 32;
}
// What one k16 step adds to a descriptor.
template <int rows> constexpr int OPERAND_STEP = rows * 32 >> 4;

// The accumulators' operands: quad by quad.
#define D4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define D16(i) D4(i), D4(i + 4), D4(i + 8), D4(i + 12)
// d (+)= x * y^T: x 64 rows, y N rows.
#define SHARED_WGMMA_OF(name, type)                                                                                                                           \
  template <int N> __device__ __forceinline__ void name(float (&d)[N / 2], uint64_t x, uint64_t y, bool accumulate) {                                         \
    static_assert(N == 8 || N == 16 || N == 32 || N == 64 || N == 128, "rows of a tile");                                                                     \
    if constexpr (N == 8) {                                                                                                                                   \
      asm volatile("{.reg .pred p; setp.ne.b32 p,%6,0; wgmma.mma_async.sync.aligned.m64n8k16.f32." type "." type " {%0,%1,%2,%3},%4,%5,p,1,1,0,0;}"           \
                   : D4(0) : "l"(x), "l"(y), "r"((int)accumulate));                                                                                           \
    } else if constexpr (N == 16) {                                                                                                                           \
      asm volatile("{.reg .pred p; setp.ne.b32 p,%10,0; wgmma.mma_async.sync.aligned.m64n16k16.f32." type "." type " {%0,%1,%2,%3,%4,%5,%6,%7},%8,%9,p,1,1,0,0;}"\
                   : D4(0), D4(4) : "l"(x), "l"(y), "r"((int)accumulate));                                                                                    \
    } else if constexpr (N == 32) {                                                                                                                           \
      asm volatile(                                                                                                                                           \
          "{.reg .pred p; setp.ne.b32 p,%18,0; wgmma.mma_async.sync.aligned.m64n32k16.f32." type "." type " "                                                 \
          "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15},%16,%17,p,1,1,0,0;}"                                                                       \
          : D16(0) : "l"(x), "l"(y), "r"((int)accumulate));                                                                                                   \
    } else if constexpr (N == 64) {                                                                                                                           \
      asm volatile(                                                                                                                                           \
          "{.reg .pred p; setp.ne.b32 p,%34,0; wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type " "                                                 \
          "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31},%32,%33,p,1,1,0,0;}"       \
          : D16(0), D16(16) : "l"(x), "l"(y), "r"((int)accumulate));                                                                                          \
    } else {                                                                                                                                                  \
      asm volatile(                                                                                                                                           \
          "{.reg .pred p; setp.ne.b32 p,%66,0; wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type " "                                                \
          "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"                           \
          "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63},"                 \
          "%64,%65,p,1,1,0,0;}"                                                                                                                               \
          : D16(0), D16(16), D16(32), D16(48) : "l"(x), "l"(y), "r"((int)accumulate));                                                                        \
    }                                                                                                                                                         \
  }
SHARED_WGMMA_OF(sharedWgmmaF16, "f16")
SHARED_WGMMA_OF(sharedWgmmaBf16, "bf16")

template <class T, int N> __device__ __forceinline__ void wgmma(float (&d)[N / 2], uint64_t x, uint64_t y, bool accumulate) {
  if constexpr (T::isBf16) sharedWgmmaBf16<N>(d, x, y, accumulate);
  else sharedWgmmaF16<N>(d, x, y, accumulate);
}

// wgmma for attention over the paged cache: 64 query rows, A from registers (as mma m16n8k16 has it, warp w rows 16w ..), B a block of 16 tokens as it stands in the
// cache (ops/rows.cuh), fp16 or bf16 with fp32 sums. Accumulators: tile j of eight columns is {(row, 8j + 2c), (row, 8j + 2c + 1), (row + 8, ..), (row + 8, ..)}, c = lane % 4.
// Core matrices without swizzle are 8 by 16 bytes, 128 bytes in a run. Keys: rows are tokens, the 16 bytes eight dims. Values: rows are tokens too, which is the
// product's k, so the instruction transposes them.
#pragma once
#include <stdint.h>

#include "wgmma.cuh"

// A plane of a block: eight dims of 16 tokens. Keys: tokens 8.. after 128 bytes, the next dims after a plane. Values: the next dims after a plane, tokens 8.. after 128.
constexpr int PLANE_BYTES = 256, HALF_PLANE = 128;
__device__ __forceinline__ uint64_t keysOperand(uint32_t address) {
  return (uint64_t)((address & 0x3ffff) >> 4) | (uint64_t)(PLANE_BYTES >> 4) << 16 | (uint64_t)(HALF_PLANE >> 4) << 32;
}
__device__ __forceinline__ uint64_t valuesOperand(uint32_t address) {
  return (uint64_t)((address & 0x3ffff) >> 4) | (uint64_t)(HALF_PLANE >> 4) << 16 | (uint64_t)(PLANE_BYTES >> 4) << 32;
}

#define T4(t) "+f"((t)[0]), "+f"((t)[1]), "+f"((t)[2]), "+f"((t)[3])
#define A4 "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3])
// <prefix>Keys: scores of 16 tokens, s0 tokens 0-7, s1 tokens 8-15; `more`: added to what is there. <prefix>Values16: o += p * values of 16 tokens, 16 dims; ..64, ..128.
#define ATTENTION_WGMMA_OF(prefix, type)                                                                                                                   \
  __device__ __forceinline__ void prefix##Keys(float (&s0)[4], float (&s1)[4], const uint32_t (&a)[4], uint64_t keys, bool more) {                           \
    asm volatile("{.reg .pred p; setp.ne.b32 p,%13,0; wgmma.mma_async.sync.aligned.m64n16k16.f32." type "." type                                            \
                 " {%0,%1,%2,%3,%4,%5,%6,%7},{%8,%9,%10,%11},%12,p,1,1,0;}"                                                                                \
                 : T4(s0), T4(s1) : A4, "l"(keys), "r"((int)more));                                                                                        \
  }                                                                                                                                                        \
  __device__ __forceinline__ void prefix##Values16(float (&o0)[4], float (&o1)[4], const uint32_t (&a)[4], uint64_t values) {                                \
    asm volatile("{wgmma.mma_async.sync.aligned.m64n16k16.f32." type "." type " {%0,%1,%2,%3,%4,%5,%6,%7},{%8,%9,%10,%11},%12,1,1,1,1;}"                     \
                 : T4(o0), T4(o1) : A4, "l"(values));                                                                                                      \
  }                                                                                                                                                        \
  __device__ __forceinline__ void prefix##Values64(float (&o)[8][4], const uint32_t (&a)[4], uint64_t values) {                                              \
    asm volatile("{wgmma.mma_async.sync.aligned.m64n64k16.f32." type "." type                                                                              \
                 " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31},"                \
                 "{%32,%33,%34,%35},%36,1,1,1,1;}"                                                                                                         \
                 : T4(o[0]), T4(o[1]), T4(o[2]), T4(o[3]), T4(o[4]), T4(o[5]), T4(o[6]), T4(o[7]) : A4, "l"(values));                                       \
  }                                                                                                                                                        \
  __device__ __forceinline__ void prefix##Values128(float (&o)[16][4], const uint32_t (&a)[4], uint64_t values) {                                            \
    asm volatile("{wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type                                                                             \
                 " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"                 \
                 "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63},"         \
                 "{%64,%65,%66,%67},%68,1,1,1,1;}"                                                                                                         \
                 : T4(o[0]), T4(o[1]), T4(o[2]), T4(o[3]), T4(o[4]), T4(o[5]), T4(o[6]), T4(o[7]), T4(o[8]), T4(o[9]), T4(o[10]), T4(o[11]), T4(o[12]),      \
                   T4(o[13]), T4(o[14]), T4(o[15])                                                                                                         \
                 : A4, "l"(values));                                                                                                                       \
  }
ATTENTION_WGMMA_OF(wgmmaF16, "f16")
ATTENTION_WGMMA_OF(wgmmaBf16, "bf16")

template <class T> __device__ __forceinline__ void wgmmaKeys(float (&s0)[4], float (&s1)[4], const uint32_t (&a)[4], uint64_t keys, bool more) {
  if constexpr (T::isBf16) wgmmaBf16Keys(s0, s1, a, keys, more);
  else wgmmaF16Keys(s0, s1, a, keys, more);
}
// All dims of a block of values.
template <class T, int TILES> __device__ __forceinline__ void wgmmaValues(float (&o)[TILES][4], const uint32_t (&a)[4], uint64_t values) {
  if constexpr (TILES == 16) {
    if constexpr (T::isBf16) wgmmaBf16Values128(o, a, values);
    else wgmmaF16Values128(o, a, values);
  } else if constexpr (TILES == 8) {
    if constexpr (T::isBf16) wgmmaBf16Values64(o, a, values);
    else wgmmaF16Values64(o, a, values);
  } else {
#pragma unroll
    for (int j = 0; j < TILES; j += 2) {
      if constexpr (T::isBf16) wgmmaBf16Values16(o[j], o[j + 1], a, values + j * (PLANE_BYTES >> 4));
      else wgmmaF16Values16(o[j], o[j + 1], a, values + j * (PLANE_BYTES >> 4));
    }
  }
}

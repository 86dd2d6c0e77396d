// What becomes of a finished tile of gemm_prefill_sm90.cu. A thread holds two neighbouring columns n0, n0+1 (n0 even) of rows 8k + m, 8k + m + 1
// (m = 0, 2, 4, 6; k = 0 .. 15): v[4k ..] = {(n0, 8k+m), (n0, 8k+m+1), (n0+1, 8k+m), (n0+1, 8k+m+1)}.
#pragma once
#include "../common/wgmma.cuh"
#include "epilogue.cuh"
#include "weights.cuh"

// x / (1 + __expf(-x)), bit for bit, for |x| <= SILU_NEAR: the division's steps without its look at the operands, a branch and a call each, of which a tile has 32 a thread. The remainder is taken
// with its sign turned, so that the sign of a zero stays.
constexpr float SILU_NEAR = 80.f;
__device__ __forceinline__ float siluNear(float x) {
  float e, r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(x * -1.4426950408889634f));
  const float d = 1.f + e;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(d));
  r = fmaf(r, fmaf(-d, r, 1.f), r);
  const float q = x * r;
  return fmaf(-r, fmaf(d, q, -x), q);
}
// The same for any x: beyond, 1 + e is 1 or e, and both sides of a division by e are made small enough for it.
__device__ __forceinline__ float silu(float x) {
  if (!(fabsf(x) > SILU_NEAR)) return siluNear(x);
  const float e = __expf(-x), d = e * 0x1p-64f, a = x * 0x1p-64f;
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(d));
  r = fmaf(r, fmaf(-d, r, 1.f), r);
  const float q = a * r;
  return x > 0.f ? x : e > 0x1.fffffep127f ? x * 0.f : fmaf(-r, fmaf(d, q, -a), q);
}

template <class T, int R> __device__ __forceinline__ void storeSwiGlu(const Output& o, int n0, int m, float a, float b) {
  // Lanes 4 apart hold neighbouring output columns: the even one takes row m of both, the odd one row m+1, so that both store pairs.
  const bool odd = (n0 >> 1) & 1;
  const float other = __shfl_xor_sync(~0u, odd ? a : b, 4);
  uint16_t* p = (uint16_t*)o.y0 + tiledIndex<R>((n0 >> 1) & ~1, m + odd);
  *(uint32_t*)p = odd ? T::pack(other, b) : T::pack(a, other);
}

// N rows, from m on, of a thread's two columns in a block of R. The kind of the epilogue is looked at once: sixteen copies of every kind would not fit the instruction cache.
template <class T, int R, int N> __device__ __forceinline__ void finishTile(const Output& o, int n, int m, const float (&v)[N / 2]) {
  if (o.kind == EPILOGUE_SWIGLU) {
    float largest = 0.f;
#pragma unroll
    for (int k = 0; k < N / 8; k++) largest = fmaxf(largest, fmaxf(fabsf(v[4 * k]), fabsf(v[4 * k + 1])));
    if (__any_sync(~0u, largest > SILU_NEAR)) {
#pragma unroll
      for (int k = 0; k < N / 8; k++) storeSwiGlu<T, R>(o, n, k * 8 + m, silu(v[4 * k]) * v[4 * k + 2], silu(v[4 * k + 1]) * v[4 * k + 3]);
    } else {
#pragma unroll
      for (int k = 0; k < N / 8; k++) storeSwiGlu<T, R>(o, n, k * 8 + m, siluNear(v[4 * k]) * v[4 * k + 2], siluNear(v[4 * k + 1]) * v[4 * k + 3]);
    }
    return;
  }
  uint16_t* base = (uint16_t*)o.y0;
  if (o.kind == EPILOGUE_STORE && n >= o.cut0) {
    base = (uint16_t*)(n >= o.cut1 ? o.y2 : o.y1);
    n -= n >= o.cut1 ? o.cut1 : o.cut0;
  }
  uint16_t* to = base + tiledIndex<R>(n, m);
  if (o.kind == EPILOGUE_ADD) {
    const uint16_t* from = (const uint16_t*)o.y1 + tiledIndex<R>(n, m);
    uint32_t r[N / 4];
#pragma unroll
    for (int k = 0; k < N / 4; k++) r[k] = loadFresh((const uint32_t*)(from + k / 2 * 64 + k % 2 * 8));
#pragma unroll
    for (int k = 0; k < N / 8; k++) {
      const float2 r0 = T::unpack(r[2 * k]), r1 = T::unpack(r[2 * k + 1]);
      *(uint32_t*)(to + k * 64) = T::pack(v[4 * k] + r0.x, v[4 * k + 2] + r0.y);
      *(uint32_t*)(to + k * 64 + 8) = T::pack(v[4 * k + 1] + r1.x, v[4 * k + 3] + r1.y);
    }
    return;
  }
#pragma unroll
  for (int k = 0; k < N / 8; k++) {
    *(uint32_t*)(to + k * 64) = T::pack(v[4 * k], v[4 * k + 2]);
    *(uint32_t*)(to + k * 64 + 8) = T::pack(v[4 * k + 1], v[4 * k + 3]);
  }
}

// The outputs of one block of 128 rows: each is [row block][cols/8][128][8], columns rounded up to 128.
__device__ __forceinline__ Output rowBlockOf(Output o, int rowBlock, int panels) {
  const int columns = panels * 128;
  auto skip = [&](void* p, int width) { return (void*)((uint16_t*)p + (int64_t)rowBlock * ((width + 127) / 128 * 128) * 128); };
  if (o.kind == EPILOGUE_SWIGLU) {
    o.y0 = skip(o.y0, columns / 2);
  } else if (o.kind == EPILOGUE_ADD) {
    o.y0 = skip(o.y0, columns), o.y1 = skip(o.y1, columns);
  } else {
    const int cut0 = min(o.cut0, columns), cut1 = min(o.cut1, columns);
    o.y0 = skip(o.y0, cut0), o.y1 = skip(o.y1, cut1 - cut0), o.y2 = skip(o.y2, columns - cut1);
  }
  return o;
}

// What becomes of a finished sum. Activations are tiled [cols/8][R][8] (docs/adr/0001); a thread brings two neighbouring columns n0, n0+1
// (n0 even) of two neighbouring rows m, m+1 (m even): v = {(n0,m), (n0,m+1), (n0+1,m), (n0+1,m+1)}.
#pragma once
#include "../common/fresh.cuh"
#include "../common/mma.cuh"

enum Epilogue : int {
  EPILOGUE_STORE = 0,     // y0[:, n] for n < cut0, y1[:, n - cut0] for n < cut1, y2[:, n - cut1] beyond; cuts are multiples of 8.
                          // With cuts, columns >= `columns` (padding) are not written: a part has no room for the whole's padding
  EPILOGUE_ADD = 1,       // y0 = y1 + v; y1 may be y0
  EPILOGUE_SWIGLU = 2,    // columns 2j are gates, 2j+1 ups: y0[:, j] = silu(gate) * up
};

struct Output {
  void *y0, *y1, *y2;
  int kind, cut0, cut1, columns;
};

template <int R> __device__ __forceinline__ long tiledIndex(int column, int row) { return ((long)(column >> 3) * R + row) * 8 + (column & 7); }

// The part of an epilogue that can be fetched before the sum is known.
template <int R> __device__ __forceinline__ uint2 fetchAddend(const Output& o, int n0, int m) {
  if (o.kind != EPILOGUE_ADD) return make_uint2(0u, 0u);
  const uint16_t* p = (const uint16_t*)o.y1 + tiledIndex<R>(n0, m);
  return make_uint2(loadFresh((const uint32_t*)p), loadFresh((const uint32_t*)(p + 8)));
}

template <class T, int R> __device__ __forceinline__ void finish(const Output& o, int n0, int m, float4 v, uint2 addend) {
  if (o.kind == EPILOGUE_SWIGLU) {
    const float a = v.x / (1.f + __expf(-v.x)) * v.z, b = v.y / (1.f + __expf(-v.y)) * v.w;
    // Lanes 4 apart hold neighbouring output columns: the even one takes row m of both, the odd one row m+1, so that both store pairs.
    const bool odd = (n0 >> 1) & 1;
    const float other = __shfl_xor_sync(~0u, odd ? a : b, 4);
    uint16_t* p = (uint16_t*)o.y0 + tiledIndex<R>((n0 >> 1) & ~1, m + odd);
    *(uint32_t*)p = odd ? T::pack(other, b) : T::pack(a, other);
    return;
  }
  if (o.cut0 < o.columns && n0 >= o.columns) return;
  uint16_t* base = (uint16_t*)o.y0;
  if (o.kind == EPILOGUE_ADD) {
    const float2 r0 = T::unpack(addend.x), r1 = T::unpack(addend.y);
    v.x += r0.x, v.z += r0.y, v.y += r1.x, v.w += r1.y;
  } else if (n0 >= o.cut1) {
    base = (uint16_t*)o.y2, n0 -= o.cut1;
  } else if (n0 >= o.cut0) {
    base = (uint16_t*)o.y1, n0 -= o.cut0;
  }
  uint16_t* p = base + tiledIndex<R>(n0, m);
  *(uint32_t*)p = T::pack(v.x, v.z);
  *(uint32_t*)(p + 8) = T::pack(v.y, v.w);
}

// Partial sums of the slices meet in global memory (they stay in L2): partials[panel][slice][item][lane], item = (16-column tile, 8 rows). A word that holds
// 0xffffffff is empty, which no sum can be (the hardware's NaN is 0x7fffffff), so the data is its own flag; the reader empties what it has read, and nothing has
// to be cleared between launches. Every CTA of a launch must be resident at once, and no two such launches may run side by side: each could hold
// multiprocessors that the other waits for.
#pragma once
#include "decode.cuh"

// Adds the slices' parts of K neighbouring items in slice order and finishes them. One warp; polls L2 until every part is there. K * N loads are under way
// at once (L2 takes 1 us and more while weights stream), and no instruction is spent on anything else: this is the tail of every layer. slices % N == 0.
template <class T, int R, int N, int K> __device__ __forceinline__ void addItems(float4* p, int slices, Output out, int column, int firstTile) {
  constexpr int TILES = R / 8, ITEMS = 8 * TILES;
  const int lane = threadIdx.x & 31, n0 = column + (lane >> 2) * 2, m0 = (lane & 3) * 2;
  const uint32_t hole = ~0u;
  const float e = __uint_as_float(hole);
  float4 sum[K];
  uint2 addend[K];
#pragma unroll
  for (int k = 0; k < K; k++) {
    sum[k] = make_float4(0.f, 0.f, 0.f, 0.f);
    addend[k] = fetchAddend<R>(out, n0 + (firstTile + k) / TILES * 16, (firstTile + k) % TILES * 8 + m0);
  }
  for (int first = 0; first < slices; first += N, p += N * ITEMS * 32) {
    float4 v[N][K];
    uint32_t largest;
    do {
      largest = 0;
#pragma unroll
      for (int i = 0; i < N; i++)
#pragma unroll
        for (int k = 0; k < K; k++) v[i][k] = loadExchanged(p + i * (ITEMS * 32) + k * 32);
#pragma unroll
      for (int i = 0; i < N; i++)
#pragma unroll
        for (int k = 0; k < K; k++)
          largest = max(max(max(largest, __float_as_uint(v[i][k].x)), __float_as_uint(v[i][k].y)), max(__float_as_uint(v[i][k].z), __float_as_uint(v[i][k].w)));
    } while (largest == hole);
#pragma unroll
    for (int i = 0; i < N; i++)
#pragma unroll
      for (int k = 0; k < K; k++) {
        sum[k].x += v[i][k].x, sum[k].y += v[i][k].y, sum[k].z += v[i][k].z, sum[k].w += v[i][k].w;
        storeExchanged(p + i * (ITEMS * 32) + k * 32, make_float4(e, e, e, e));
      }
  }
  __syncwarp();
#pragma unroll
  for (int k = 0; k < K; k++) finish<T, R>(out, n0 + (firstTile + k) / TILES * 16, (firstTile + k) % TILES * 8 + m0, sum[k], addend[k]);
}

// Not inlined, so that the entries of all formats share its code.
template <class T, int R, int N, int K> __device__ __noinline__ void finishItems(float4* p, int slices, Output out, int column, int firstTile) {
  addItems<T, R, N, K>(p, slices, out, column, firstTile);
}

template <class T, int R> struct Exchange {
  static constexpr int TILES = R / 8, ITEMS = 8 * TILES;
  static __device__ __forceinline__ float4* at(const DecodeShape& s, int panel, int slice, int item, int lane) {
    return s.partials + (((long)panel * s.slices + slice) * ITEMS + item) * 32 + lane;
  }
  template <int K> static __device__ __forceinline__ void finishSome(const DecodeShape& s, const DecodeWork& w, int localPanel, int item, int lane) {
    const int panel = w.firstPanel + localPanel, first = w.firstItem + item;
    float4* p = at(s, panel, 0, first, lane);
    const int column = panel * 128 + first / TILES * 16, tile = first % TILES;
    if (s.slices % 8 == 0)
      finishItems<T, R, 8, K>(p, s.slices, s.out, column, tile);
    else if (s.slices % 4 == 0)
      finishItems<T, R, 4, K>(p, s.slices, s.out, column, tile);
    else
      finishItems<T, R, 1, K>(p, s.slices, s.out, column, tile);
  }
  // The consumers finish the last panel; then all warps draw pieces of the others from a counter. `warp` < 0: a sum warp.
  static __device__ __forceinline__ void finishPanels(const DecodeShape& s, const DecodeWork& w, DecodeBarriers& bars, int warp, int lane) {
    constexpr int PIECE = R == 8 ? 1 : 2;  // items of a piece
    if (warp >= 0)
      for (int item = warp; item < w.share; item += CONSUMER_WARPS) finishSome<1>(s, w, w.numPanels - 1, item, lane);
    const int pieces = (w.share + PIECE - 1) / PIECE, total = pieces * (w.numPanels - 1);
    for (;;) {
      int next = 0;
      if (lane == 0) next = atomicAdd(&bars.drawn, 1);
      next = __shfl_sync(~0u, next, 0);
      if (next >= total) return;
      const int panel = next / pieces, item = (next - panel * pieces) * PIECE;
      while (*(volatile int*)&bars.sent < CONSUMER_WARPS * (panel + 1)) __nanosleep(40);  // no polling before the CTA's own part is done: it would only load L2
      if (item + PIECE <= w.share)
        finishSome<PIECE>(s, w, panel, item, lane);
      else
        finishSome<1>(s, w, panel, item, lane);
    }
  }
};

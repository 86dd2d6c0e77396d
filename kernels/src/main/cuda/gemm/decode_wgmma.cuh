// The multiplication of the decode GEMMs for 32 and 64 rows by wgmma m64nRk16: a block is dequantised once for all its rows, which mma.sync does once for every
// sixteen. Same bits as decode_mma.cuh: the same products in the same order, and the same order of every sum. Contract in gemm_w4_decode_sm90.cu.
#pragma once
#include <stddef.h>

#include "../common/wgmma.cuh"
#include "exchange.cuh"

constexpr int WIDE_CONSUMERS = 8;  // warps: two warpgroups, each with the 64 columns of half a panel
constexpr int WIDE_THREADS = 32 * (WIDE_CONSUMERS + 1 + SUM_WARPS);

// Dynamic shared memory: a format's own, then as DecodeMemory has it, without the exchange of K lanes.
template <int R> struct WideMemory {
  uint32_t ring, x, sums;
  __device__ __forceinline__ WideMemory(uint32_t base, int blockBytes, int depth, int groups) : ring(base), x(ring + depth * blockBytes), sums(x + groups * R * 256) {}
};

// K lanes in the order in which a slice's groups are multiplied: 0 and 2 come first, since they are added first.
__device__ __forceinline__ int laneAt(int position) { return (position & 1) << 1 | position >> 1; }

// Weights, a bulk copy a block. One thread.
template <int BYTES> __device__ __forceinline__ void streamBlocks(const DecodeShape& s, const DecodeWork& w, DecodeBarriers& bars, uint32_t ring) {
  launchDependents();
  const uint64_t policy = evictFirstPolicy();
  const uint32_t full = sharedAddress(bars.full), empty = sharedAddress(bars.empty);
  int slot = 0;
  uint32_t parity = 1;
  for (int p = w.firstPanel; p < w.firstPanel + w.numPanels; p++) {
    const unsigned char* panel = s.weights + ((long)p * s.groups + w.firstGroup) * BYTES;
    for (int l = 0; l < K_LANES; l++)
      for (int g = laneAt(l); g < w.numGroups; g += K_LANES) {
        barrierWait(empty + slot * 8, parity);
        barrierExpect(full + slot * 8, BYTES);
        bulkCopy(ring + slot * BYTES, panel + g * BYTES, BYTES, full + slot * 8, policy);
        if (++slot == s.stages) slot = 0, parity ^= 1;
      }
  }
  barrierWait(empty + slot * 8, parity);
  barrierArrive(full + slot * 8);  // the consumers look one block ahead
}

// The words of one block that belong to a thread: two columns by 128 inputs.
template <class F, int Q> struct ThreadBlock {
  typename F::Codes codes;
  uint32_t scale[Q], zero[Q];
};

// Reads the blocks in ring order.
template <class F, int Q, bool ZEROS> struct RingReader {
  static constexpr int head = Block<F, Q, ZEROS>::head, bytes = Block<F, Q, ZEROS>::bytes;
  static constexpr int EMPTY = offsetof(DecodeBarriers, empty) - offsetof(DecodeBarriers, full);
  uint32_t codesAt, scalesAt, bar, endBar, ringBytes, parity = 0;
  int thread;
  __device__ __forceinline__ RingReader(DecodeBarriers& bars, uint32_t ring, int depth, int warp, int lane) {
    codesAt = ring + head + (warp >> 2) * (F::bits * 1024);
    scalesAt = ring + warp * 32 + (lane >> 2) * 4;
    bar = sharedAddress(bars.full), endBar = bar + depth * 8, ringBytes = depth * bytes;
    thread = (warp & 3) * 32 + lane;
  }
  __device__ __forceinline__ void next(ThreadBlock<F, Q>& b) {
    barrierWait(bar, parity);
    b.codes.load(codesAt, thread);
#pragma unroll
    for (int q = 0; q < Q; q++) {
      b.scale[q] = loadSharedWord(scalesAt + q * 256);
      b.zero[q] = ZEROS ? loadSharedWord(scalesAt + (Q + q) * 256) : 0u;
    }
    __syncwarp();
    if ((thread & 31) == 0) barrierArrive(bar + EMPTY);
    bar += 8, codesAt += bytes, scalesAt += bytes;
    if (bar == endBar) bar -= ringBytes / bytes * 8, codesAt -= ringBytes, scalesAt -= ringBytes, parity ^= 1;
  }
};

template <int Q> struct Batches {
  static constexpr int STEPS = 8 / Q;                   // k16 steps of a scale group
  static constexpr int SIZE = STEPS < 4 ? 2 : 4;        // k16 steps whose fragments are made at once
  static constexpr int COUNT = 8 / SIZE;
};

template <class F, int N> __device__ __forceinline__ void makeFragments(uint32_t (&a)[N * 4], const F& format, const typename F::Codes& codes, int firstStep) {
#pragma unroll
  for (int i = 0; i < N; i++) {
    uint32_t r[4];
    format.fragment(r, codes, firstStep + i);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      a[4 * i + j] = r[j];
      asm volatile("" : "+r"(a[4 * i + j]));  // stays ahead of the wgmma fence
    }
  }
}

// p of a scale group into the accumulators: the offsets first, while the products are still under way.
template <class F, int R, bool ZEROS>
__device__ __forceinline__ void scaleSums(float (&acc)[R / 2], const float (&p)[R / 2], uint32_t scales, uint32_t zeros, bool scaleBf16, float pointFactor, uint32_t sums) {
  const float2 sc = unpackScale(scales, scaleBf16), z = unpackScale(zeros, scaleBf16);
  if (ZEROS || F::bias != 0.f || F::center != 0.f) {
    const float offsetFactor = 1.f - pointFactor;
    const float lowOffset = groupOffset<F, ZEROS>(sc.x, z.x, pointFactor, offsetFactor), highOffset = groupOffset<F, ZEROS>(sc.y, z.y, pointFactor, offsetFactor);
#pragma unroll
    for (int j = 0; j < R / 8; j++) {
      float* d = acc + 4 * j;
      float2 sum;
      asm volatile("ld.shared.v2.f32 {%0,%1}, [%2];" : "=f"(sum.x), "=f"(sum.y) : "r"(sums + j * 32));
      d[0] = fmaf(lowOffset, sum.x, d[0]), d[1] = fmaf(lowOffset, sum.y, d[1]);
      d[2] = fmaf(highOffset, sum.x, d[2]), d[3] = fmaf(highOffset, sum.y, d[3]);
    }
  }
  const float low = sc.x * F::lowScale, high = sc.y * F::highScale;
  wgmmaWait<0>();
#pragma unroll
  for (int j = 0; j < R / 8; j++) {
    float* d = acc + 4 * j;
    d[0] = fmaf(low, p[4 * j], d[0]), d[1] = fmaf(low, p[4 * j + 1], d[1]);
    d[2] = fmaf(high, p[4 * j + 2], d[2]), d[3] = fmaf(high, p[4 * j + 3], d[3]);
  }
}

// What a warp keeps while it multiplies.
template <class F, int R, int Q, bool ZEROS> struct WideState {
  float p[R / 2] = {};
  uint32_t a[2][Batches<Q>::SIZE * 4];  // a[0] holds the first fragments of the block at hand
  ThreadBlock<F, Q> block;
  RingReader<F, Q, ZEROS> reader;
  uint64_t operand;
  uint32_t x = 0, sums;  // x: what goes onto the operand's descriptor, the same in all threads
  bool scaleBf16;
  float pointFactor;
};

// One block into the accumulators. Fragments are made under the products before them.
template <class F, class T, int R, int Q, bool ZEROS, int STAGE>
__device__ __forceinline__ void multiplyWide(WideState<F, R, Q, ZEROS>& m, float (&acc)[R / 2], const F& format, uint32_t sums) {
  using B = Batches<Q>;
  uint32_t scale[Q], zero[Q];
#pragma unroll
  for (int q = 0; q < Q; q++) scale[q] = m.block.scale[q], zero[q] = m.block.zero[q];
  const uint64_t b = m.operand + m.x;
#pragma unroll
  for (int n = 0; n < B::COUNT; n++) {
    if (STAGE >= STAGE_MULTIPLY) {
      wgmmaFence();
#pragma unroll
      for (int i = n * B::SIZE; i < (n + 1) * B::SIZE; i++) wgmma<T>(m.p, m.a[n & 1] + (i - n * B::SIZE) * 4, b + i * (2 * R), i % B::STEPS != 0);
      wgmmaCommit();
    }
    if (n == B::COUNT - 1) m.reader.next(m.block);
    if (STAGE >= STAGE_MULTIPLY && n * B::SIZE % B::STEPS != 0) wgmmaWait<1>();
    if (STAGE >= STAGE_DEQUANTISE) makeFragments<F, B::SIZE>(m.a[(n + 1) & 1], format, m.block.codes, (n + 1) % B::COUNT * B::SIZE);
    if (STAGE >= STAGE_MULTIPLY && (n + 1) * B::SIZE % B::STEPS == 0) {
      constexpr int PER_GROUP = B::STEPS / B::SIZE;
      scaleSums<F, R, ZEROS>(acc, m.p, scale[n / PER_GROUP], zero[n / PER_GROUP], m.scaleBf16, m.pointFactor, sums + n / PER_GROUP * (R * 4));
    }
  }
}

// Adds up a piece of a panel's items; see finishItems.
template <class T, int R, int K> __device__ __forceinline__ void finishWide(const DecodeShape& s, const DecodeWork& w, int localPanel, int item, int lane) {
  using E = Exchange<T, R>;
  const int panel = w.firstPanel + localPanel, first = w.firstItem + item;
  float4* p = E::at(s, panel, 0, first, lane);
  const int column = panel * 128 + first / E::TILES * 16, tile = first % E::TILES;
  if (s.slices % 4 == 0)
    addItems<T, R, 4, K>(p, s.slices, s.out, column, tile);
  else
    addItems<T, R, 1, K>(p, s.slices, s.out, column, tile);
}

// Pieces of finished panels but the last, drawn from a counter.
template <class T, int R, int PIECE> __device__ __forceinline__ void finishDrawn(const DecodeShape& s, const DecodeWork& w, DecodeBarriers& bars, int lane) {
  const int pieces = (w.share + PIECE - 1) / PIECE, total = pieces * (w.numPanels - 1);
  for (;;) {
    int next = 0;
    if (lane == 0) next = atomicAdd(&bars.drawn, 1);
    next = __shfl_sync(~0u, next, 0);
    if (next >= total) return;
    const int panel = next / pieces, item = (next - panel * pieces) * PIECE;
    while (*(volatile int*)&bars.sent < WIDE_CONSUMERS * (panel + 1)) __nanosleep(40);  // no polling before the CTA's own part is done: it would only load L2
    if (item + PIECE <= w.share)
      finishWide<T, R, PIECE>(s, w, panel, item, lane);
    else
      for (int i = item; i < w.share; i++) finishWide<T, R, 1>(s, w, panel, i, lane);
  }
}

template <class F, class T, int R, int Q, bool ZEROS, int STAGE>
__device__ __forceinline__ void consumeWide(const DecodeShape& s, const DecodeWork& w, DecodeBarriers& bars, const WideMemory<R>& mem, F& format, int warp, int lane) {
  using E = Exchange<T, R>;
  constexpr bool SUMS = ZEROS || F::bias != 0.f || F::center != 0.f;
  WideState<F, R, Q, ZEROS> m = {.reader = RingReader<F, Q, ZEROS>(bars, mem.ring, s.stages, warp, lane)};
  m.operand = operandB(mem.x, R), m.sums = mem.sums + (lane & 3) * 8;
  m.scaleBf16 = s.scaleBf16, m.pointFactor = s.zeroKind == ZERO_POINT ? 1.f : 0.f;
  uint32_t unused = 0;
  m.reader.next(m.block);
  format.select(w.firstPanel * 2 + (warp >> 2));
  if (STAGE >= STAGE_DEQUANTISE) makeFragments<F, Batches<Q>::SIZE>(m.a[0], format, m.block.codes, 0);
  for (int panel = 0; panel < w.numPanels; panel++) {
    float first[R / 2], second[R / 2];
    if (F::perStrip && panel > 0) {
      format.select((w.firstPanel + panel) * 2 + (warp >> 2));
      if (STAGE >= STAGE_DEQUANTISE) makeFragments<F, Batches<Q>::SIZE>(m.a[0], format, m.block.codes, 0);
    }
#pragma unroll
    for (int l = 0; l < K_LANES; l++) {
      float acc[R / 2] = {};
      for (int g = laneAt(l); g < w.numGroups; g += K_LANES) {
        if (STAGE == STAGE_LOAD) {
          unused ^= m.block.codes.any() ^ m.block.scale[0];
          m.reader.next(m.block);
          continue;
        }
        m.x = __shfl_sync(~0u, g * (16 * R), 0);  // the shuffle tells the compiler that it is uniform
        if (STAGE >= STAGE_MULTIPLY && panel == 0) {
          barrierWait(sharedAddress(&bars.xFull[g]), 0);
          if (SUMS) barrierWait(sharedAddress(&bars.xSummed[g]), 0);
        }
        multiplyWide<F, T, R, Q, ZEROS, STAGE>(m, acc, format, m.sums + g * (Q * R * 4));
      }
#pragma unroll
      for (int i = 0; i < R / 2; i++) {
        if (l == 0) first[i] = acc[i];
        if (l == 1) first[i] += acc[i];
        if (l == 2) second[i] = acc[i];
        if (l == 3) first[i] += second[i] + acc[i];
      }
    }
    if (STAGE >= STAGE_SEND) {
      float4* to = E::at(s, w.firstPanel + panel, w.slice, warp * (R / 8), lane);
#pragma unroll
      for (int j = 0; j < R / 8; j++) storeExchanged(to + j * 32, make_float4(first[4 * j], first[4 * j + 1], first[4 * j + 2], first[4 * j + 3]));
      __syncwarp();
      if (lane == 0) atomicAdd(&bars.sent, 1);
    } else {
#pragma unroll
      for (int i = 0; i < R / 2; i++) unused ^= __float_as_uint(first[i]) * (2 * i + 1);
      if (STAGE == STAGE_DEQUANTISE) unused ^= m.a[0][0];
    }
  }
  if (STAGE == STAGE_COMPLETE) {
    for (int item = warp * 2; item < w.share; item += WIDE_CONSUMERS * 2)
      if (item + 1 < w.share)
        finishWide<T, R, 2>(s, w, w.numPanels - 1, item, lane);
      else
        finishWide<T, R, 1>(s, w, w.numPanels - 1, item, lane);
    finishDrawn<T, R, 4>(s, w, bars, lane);
  } else if (unused == 0x1234567) {
    ((uint16_t*)s.out.y0)[lane] = 1;
  }
}

template <class F, class T, int R, int Q, bool ZEROS, int STAGE> __device__ __forceinline__ void decodeWide(const DecodeShape& s, const void* tables, int numTables) {
  extern __shared__ __align__(1024) unsigned char shared[];
  __shared__ DecodeBarriers bars;
  constexpr int bytes = Block<F, Q, ZEROS>::bytes;
  const DecodeWork w(s, Exchange<T, R>::ITEMS);
  const int warp = __shfl_sync(~0u, threadIdx.x >> 5, 0), lane = threadIdx.x & 31;
  const WideMemory<R> mem(sharedAddress(shared) + F::sharedBytes, bytes, s.stages, (s.groups + s.slices - 1) / s.slices);
  if (threadIdx.x == 0) {
    for (int i = 0; i < s.stages; i++) barrierInit(sharedAddress(&bars.full[i]), 1), barrierInit(sharedAddress(&bars.empty[i]), WIDE_CONSUMERS);
    for (int i = 0; i < w.numGroups; i++) barrierInit(sharedAddress(&bars.xFull[i]), 1), barrierInit(sharedAddress(&bars.xSummed[i]), 1);
    bars.drawn = bars.sent = 0;
    barrierInitFence();
  }
  F::prepare(tables, sharedAddress(shared));
  __syncthreads();
  if (warp == WIDE_CONSUMERS) {
    if (lane == 0) streamBlocks<bytes>(s, w, bars, mem.ring);
  } else if (warp < WIDE_CONSUMERS) {
    F format(tables, numTables, sharedAddress(shared), lane);
    consumeWide<F, T, R, Q, ZEROS, STAGE>(s, w, bars, mem, format, warp, lane);
  } else {
    const int helper = warp - WIDE_CONSUMERS - 1;
    waitForPredecessor();
    streamActivations<T, R, Q>(s, w, bars, mem, helper, lane);
    if (STAGE == STAGE_COMPLETE) finishDrawn<T, R, 4>(s, w, bars, lane);
  }
}

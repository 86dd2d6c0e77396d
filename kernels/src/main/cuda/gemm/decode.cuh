// The body of the decode GEMMs. Contract and launch geometry in gemm_w4_decode_sm90.cu.
#pragma once
#include <stddef.h>

#include "../common/wgmma.cuh"
#include "epilogue.cuh"
#include "team.cuh"
#include "weights.cuh"

enum DecodeStage : int { STAGE_LOAD, STAGE_DEQUANTISE, STAGE_MULTIPLY, STAGE_COMPLETE };  // how far a kernel goes; all but the last only to be timed

constexpr int CONSUMERS = 2;  // warpgroups that multiply
constexpr int DECODE_THREADS = 128 * (CONSUMERS + 1);  // ... and one of four warps: weights of either, x of either
constexpr int MAX_STAGES = 16, MAX_X_SLOTS = 16;

// What one launch works on; the same for every CTA.
struct DecodeShape {
  const unsigned char* weights;
  const void* x;
  Output out;
  int groups, strips, partsLog, stages, xSlots, zeroKind, scaleBf16, scaleExponent;
};

// A stage of the ring holds two strips' halves of a block as they lie in memory, or two groups of one strip in the same places: one barrier for both.
template <class F, int Q> struct Stage {
  static constexpr int HEAD_ROWS = Q * (F::zeros ? 2 : 1), HEAD_BYTES = HEAD_ROWS * 256, CODE_BYTES = F::bits * 1024, BYTES = HEAD_BYTES + 2 * CODE_BYTES;
  static constexpr int HALF_BYTES = HEAD_ROWS * 128 + CODE_BYTES;
};

// Barriers of one consumer.
struct DecodeBarriers {
  uint64_t full[MAX_STAGES], empty[MAX_STAGES];  // weights
  uint64_t xFull[MAX_X_SLOTS], xEmpty[MAX_X_SLOTS];
  uint64_t sums, sumsFree;  // sums of the team are here; they have been taken everywhere
  // Of the barrier at place i: consumers release by warps.
  static constexpr int BARRIERS = 2 * (MAX_STAGES + MAX_X_SLOTS) + 2;
  static __device__ __forceinline__ int arrivals(int i, int partsLog) {
    if (i == BARRIERS - 1) return 1 << partsLog;
    const bool releasesX = i >= 2 * MAX_STAGES + MAX_X_SLOTS && i < 2 * (MAX_STAGES + MAX_X_SLOTS), releases = i >= MAX_STAGES && i < 2 * MAX_STAGES;
    return releases ? 4 : !releasesX ? 1 : partsLog < 2 ? 4 * CONSUMERS : 4;
  }
};

// Dynamic shared memory behind a format's own table, in this order: sums, x, the ring. The ring goes before a table that has a place of its own, and so does x where the
// CTA shares its multiprocessor. Every part a multiple of 128 bytes.
template <class F, int R, int STRIPS> struct DecodeMemory {
  uint32_t sums, x, ring;
  __device__ __forceinline__ DecodeMemory(uint32_t base, int xSlots, int ringBytes)
      : sums((F::placed ? tablePlace(base) : base) + F::sharedBytes),
        x(F::placed && STRIPS == 1 ? base + ringBytes : sums + CONSUMERS * SUM_BYTES<R, STRIPS>),
        ring(F::placed ? base : x + xSlots * R * 256) {}
};

// Asks for one strip's half of a block; `place` 0 or 1 in the stage.
template <class F, int Q> __device__ __forceinline__ void copyHalf(uint32_t stage, int place, const unsigned char* block, int half, uint32_t bar, uint64_t policy) {
  using S = Stage<F, Q>;
#pragma unroll
  for (int r = 0; r < S::HEAD_ROWS; r++) bulkCopy(stage + r * 256 + place * 128, block + r * 256 + half * 128, 128, bar, policy);
  bulkCopy(stage + S::HEAD_BYTES + place * S::CODE_BYTES, block + S::HEAD_BYTES + half * S::CODE_BYTES, S::CODE_BYTES, bar, policy);
}

// Weights of one warpgroup: never depend on the kernel before, so they are asked for at once. One thread.
template <class F, int Q> __device__ __forceinline__ void streamWeights(const DecodeShape& s, const Team& t, int stages, uint32_t full, uint32_t ring, int passStrips) {
  using S = Stage<F, Q>;
  constexpr uint32_t EMPTY = offsetof(DecodeBarriers, empty) - offsetof(DecodeBarriers, full);
  const uint64_t policy = evictFirstPolicy();
  int stage = 0;
  uint32_t parity = 1;
  for (int strip = t.firstStrip; strip < t.endStrip; strip += passStrips) {
    const bool pair = passStrips == 2 && strip + 1 < t.endStrip;
    const unsigned char* block = s.weights + ((long)(strip >> 1) * s.groups + t.firstGroup) * S::BYTES;
    for (int g = t.firstGroup; g < t.endGroup; g += 2 - pair) {
      const uint32_t bar = full + stage * 8, to = ring + stage * S::BYTES;
      const bool both = pair || g + 1 < t.endGroup;
      barrierWait(bar + EMPTY, parity);
      barrierExpect(bar, both ? 2 * S::HALF_BYTES : S::HALF_BYTES);
      if (pair && (strip & 1) == 0) {
        bulkCopy(to, block, S::BYTES, bar, policy);
      } else {
        copyHalf<F, Q>(to, 0, block, strip & 1, bar, policy);
        if (both) copyHalf<F, Q>(to, 1, pair ? block + (long)s.groups * S::BYTES : block + S::BYTES, pair ? 0 : strip & 1, bar, policy);
      }
      block += (2 - pair) * S::BYTES;
      if (++stage == stages) stage = 0, parity ^= 1;
    }
  }
  barrierWait(full + EMPTY + stage * 8, parity);
  barrierArrive(full + stage * 8);  // the consumers look one block ahead
}

// x of one warpgroup or of both, a group at a time. One warp; as many lanes as there are slots ask for the first groups, for this is what a layer waits for.
template <int R> __device__ __forceinline__ void streamActivations(const DecodeShape& s, const Team& t, int passes, int slots, uint32_t full, uint32_t ring, int lane) {
  constexpr uint32_t EMPTY = offsetof(DecodeBarriers, xEmpty) - offsetof(DecodeBarriers, xFull), BYTES = R * 256;
  const unsigned char* x = (const unsigned char*)s.x + (long)t.firstGroup * BYTES;
  const int groups = t.endGroup - t.firstGroup, total = passes * groups;
  const bool early = lane < min(slots, total);
  if (early) barrierExpect(full + lane * 8, BYTES);
  waitForPredecessor();
  if (early) bulkCopy(ring + lane * BYTES, x + (long)(lane % groups) * BYTES, BYTES, full + lane * 8);
  if (lane != 0) return;
  int slot = 0, group = slots % groups;
  uint32_t parity = 0;
  for (int i = slots; i < total; i++) {
    const uint32_t bar = full + slot * 8;
    barrierWait(bar + EMPTY, parity);
    barrierExpect(bar, BYTES);
    bulkCopy(ring + slot * BYTES, x + (long)group * BYTES, BYTES, bar);
    if (++slot == slots) slot = 0, parity ^= 1;
    if (++group == groups) group = 0;
  }
}

// What a consumer keeps from block to block.
template <class F, int R, int Q> struct Consumer {
  using S = Stage<F, Q>;
  static constexpr uint32_t EMPTY = offsetof(DecodeBarriers, empty) - offsetof(DecodeBarriers, full);
  static constexpr uint32_t X_EMPTY = offsetof(DecodeBarriers, xEmpty) - offsetof(DecodeBarriers, xFull);
  uint32_t fa[32], fb[32];  // fragments of the block at hand and of the next, by turns; fa first
  typename F::Codes codes;  // of the next, as stored
  uint32_t scales[Q], zeros[Q];
  uint32_t codesAt, scalesAt, bar, endBar, ringBars, ringBytes, parity = 0, held = 0;  // the stage that the next is in; the one to give back
  uint32_t xBar, xBars, xEndBar, xParity = 0, xHeld = 0;                     // x of the group at hand
  uint32_t firstOperand, x;  // of the first slot; of the group at hand, the same in all threads
  int thread;

  __device__ __forceinline__ Consumer(uint32_t full, uint32_t ring, int stages, uint32_t xFull, uint32_t xRing, int xSlots, int warp, int lane) {
    codesAt = ring + S::HEAD_BYTES + (warp * 32 + lane) * 16, scalesAt = ring + warp * 32 + (lane >> 2) * 4;
    bar = full, ringBars = stages * 8, endBar = full + ringBars, ringBytes = stages * S::BYTES;
    xBar = xBars = xFull, xEndBar = xFull + xSlots * 8;
    firstOperand = (uint32_t)operandB(xRing, R);
    thread = warp * 32 + lane;
  }
  // A block out of the ring. `last`: nothing more of its stage is wanted once it is in registers.
  __device__ __forceinline__ void fetch(int place, bool last) {
    if (place == 0) barrierWait(bar, parity);
    codes.load(codesAt + place * S::CODE_BYTES);
#pragma unroll
    for (int q = 0; q < Q; q++) {
      scales[q] = loadSharedWord(scalesAt + q * 256 + place * 128);
      zeros[q] = F::zeros ? loadSharedWord(scalesAt + (Q + q) * 256 + place * 128) : 0u;
    }
    if (last) {
      held = bar + EMPTY;
      bar += 8, codesAt += S::BYTES, scalesAt += S::BYTES;
      if (bar == endBar) bar -= ringBars, codesAt -= ringBytes, scalesAt -= ringBytes, parity ^= 1;
    }
  }
  // Gives the stage back. An arrival does not wait for loads ahead of it, and may overtake them where the shared memory is busy: it has to use what they bring.
  __device__ __forceinline__ void releaseStage(const DecodeShape& s) {
    const uint32_t nothing = s.stages >> 8;  // nobody but us knows that it is 0
    uint32_t words = codes.any();
#pragma unroll
    for (int q = 0; q < Q; q++) words ^= scales[q] ^ zeros[q];
    __syncwarp();
    release(held == 0 ? 0 : held + (words & nothing));
    held = 0;
  }
  // What was fetched becomes fragments.
  __device__ __forceinline__ void expand(const DecodeShape& s, uint32_t (&a)[32], F& format) {
    codes.pin();
    releaseStage(s);
#pragma unroll
    for (int q = 0; q < Q; q++) {
      asm volatile("" : "+r"(scales[q]), "+r"(zeros[q]));
      const typename F::Scale g = F::scale(scales[q], zeros[q], s.zeroKind, s.scaleBf16, s.scaleExponent);
#pragma unroll
      for (int i = q * 8 / Q; i < (q + 1) * 8 / Q; i++) format.fragment(a + 4 * i, codes, i, g);
    }
#pragma unroll
    for (int i = 0; i < 32; i++) asm volatile("" : "+r"(a[i]));  // stays ahead of the wgmma fence
  }
  __device__ __forceinline__ void release(uint32_t bar) {
    if (bar != 0 && (thread & 31) == 0) barrierArrive(bar);
  }
  // Waits for x of a group. The shuffle tells the compiler that its operand is the same in all threads.
  __device__ __forceinline__ void awaitX() {
    barrierWait(xBar, xParity);
    x = __shfl_sync(~0u, firstOperand + (xBar - xBars) * (R * 2), 0);  // R * 256 bytes a slot
  }
  // x at hand is wanted no more once its products are done.
  __device__ __forceinline__ void stepX() {
    xHeld = xBar + X_EMPTY;
    xBar += 8;
    if (xBar == xEndBar) xBar = xBars, xParity ^= 1;
  }

  // One block, whose x is at hand (or is waited for, beginsX). While its products are under way the next block is fetched, from `place` of its stage, and made into fragments,
  // and x of the next group is waited for (nextX). With 64 rows, where the tensor core is the busiest, both are asked for first.
  static constexpr bool ASKS_FIRST = R == 64;
  template <int STAGE, int PENDING = 1>
  __device__ __forceinline__ void step(const DecodeShape& s, F& format, float (&acc)[R / 2], uint32_t (&now)[32], uint32_t (&next)[32], bool first, int place, bool last, bool beginsX, bool endsX, bool nextX) {
    using T = typename F::Type;
    if (ASKS_FIRST) {
      fetch(place, last);
      if (beginsX) awaitX();
    }
    if (STAGE >= STAGE_MULTIPLY) {
      wgmmaFence();
#pragma unroll
      for (int i = 0; i < 8; i++) wgmma<T>(acc, now + 4 * i, OPERAND_HIGH | (x + i * (2 * R)), i > 0 || !first);
      wgmmaCommit();
    }
    if (!ASKS_FIRST) fetch(place, last);
    const uint32_t before = xHeld;
    if (endsX) stepX();
    if (!ASKS_FIRST && nextX) awaitX();
    if (STAGE >= STAGE_MULTIPLY) wgmmaWait<PENDING>();
    if (beginsX) release(before);  // of the group before, whose products are done
    if (PENDING == 0) release(xHeld), xHeld = 0;
    if (STAGE >= STAGE_DEQUANTISE) expand(s, next, format);
    if (STAGE == STAGE_LOAD) fa[0] ^= codes.any() ^ scales[0], releaseStage(s);
  }
  // N strips of a part of K.
  template <int N, int STAGE> __device__ __forceinline__ void multiply(const DecodeShape& s, const Team& t, F& format, int strip, float (&acc)[N][R / 2]) {
    const int last = t.endGroup - 1;
    const bool brief = t.firstGroup == last && (N == 1 || strip + 3 == t.endStrip);  // the next strip's first block is alone in its stage
    if (!ASKS_FIRST) awaitX();
    if constexpr (N == 2) {
      for (int g = t.firstGroup; g <= last; g++) {
        step<STAGE>(s, format, acc[0], fa, fb, g == t.firstGroup, 1, true, true, false, false);
        step<STAGE>(s, format, acc[1], fb, fa, g == t.firstGroup, 0, g == last && brief, false, true, g < last);
      }
    } else {
      int g = t.firstGroup;
      for (; g < last; g += 2) {
        step<STAGE>(s, format, acc[0], fa, fb, g == t.firstGroup, 1, true, true, true, true);
        if (F::perStrip && g + 1 == last) format.select(min(strip + 1, t.endStrip - 1));
        step<STAGE>(s, format, acc[0], fb, fa, false, 0, g + 2 == last, true, true, g + 1 < last);
      }
      if (g == last) {  // an odd one: its own fragments give way, as the next strip begins with fa
        if (F::perStrip) format.select(min(strip + 1, t.endStrip - 1));
        step<STAGE, 0>(s, format, acc[0], fa, fa, g == t.firstGroup, 0, brief, true, true, false);
      }
    }
    if (STAGE >= STAGE_MULTIPLY) wgmmaWait<0>();
    release(xHeld), xHeld = 0;
  }
  // Nothing to multiply, while the other warpgroup works with the same x.
  __device__ __forceinline__ void skip(const Team& t) {
    for (int g = t.firstGroup; g < t.endGroup; g++) {
      barrierWait(xBar, xParity);
      stepX();
      release(xHeld), xHeld = 0;
    }
  }
};

template <class F, int R, int Q, int STAGE, int STRIPS, int N>
__device__ __forceinline__ void multiplyStrips(const DecodeShape& s, const Team& t, Consumer<F, R, Q>& c, F& format, Summation<F, R, STRIPS>& sums, int strip) {
  float acc[N][R / 2];
  if (STAGE < STAGE_MULTIPLY) {
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
      for (int i = 0; i < R / 2; i++) acc[n][i] = 0.f;
  }
  c.template multiply<N, STAGE>(s, t, format, strip, acc);
  if (STAGE == STAGE_COMPLETE) {
    sums.template finish<N>(t, strip, acc);
  } else {
    float v = __uint_as_float(c.codes.any() ^ c.fa[0] ^ c.fb[0]);
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
      for (int i = 0; i < R / 2; i++) v += acc[n][i] * (n + 2 * i);
    if (v == 1.2345f) ((float*)s.out.y0)[threadIdx.x] = v;
  }
}

template <class F, int R, int Q, int STAGE, int STRIPS> __device__ __forceinline__ void consume(const DecodeShape& s, const Team& t, Consumer<F, R, Q>& c, F& format, Summation<F, R, STRIPS>& sums, int passes, int passStrips) {
  if (t.firstStrip < t.endStrip) {
    format.select(t.firstStrip);
    c.fetch(0, t.firstGroup + 1 == t.endGroup && (passStrips == 1 || t.firstStrip + 1 == t.endStrip));
    if (STAGE >= STAGE_DEQUANTISE) c.expand(s, c.fa, format);
    if (STAGE == STAGE_LOAD) c.releaseStage(s);
  }
  waitForPredecessor();
  clusterWait();
  for (int pass = 0; pass < passes; pass++) {
    const int strip = t.firstStrip + pass * passStrips, n = min(passStrips, t.endStrip - strip);
    if (n <= 0)
      c.skip(t);
    else if (n == 1)
      multiplyStrips<F, R, Q, STAGE, STRIPS, 1>(s, t, c, format, sums, strip);
    else
      multiplyStrips<F, R, Q, STAGE, STRIPS, STRIPS>(s, t, c, format, sums, strip);
  }
}

template <class F, int R, int Q, int STAGE, int STRIPS> __device__ __forceinline__ void decode(const DecodeShape& s, const void* tables, int numTables) {
  extern __shared__ __align__(1024) unsigned char shared[];
  __shared__ DecodeBarriers bars[CONSUMERS];
  const int warp = __shfl_sync(~0u, threadIdx.x >> 5, 0), lane = threadIdx.x & 31, group = warp >> 2;  // the warpgroup; CONSUMERS is the producers'
  const int mine = group == CONSUMERS ? warp & 1 : group;                                           // the consumer that this warp is or serves
  const Team t(s.groups, s.strips, s.partsLog, mine), other(s.groups, s.strips, s.partsLog, mine ^ 1);
  const DecodeMemory<F, R, STRIPS> mem(sharedAddress(shared), s.xSlots, s.stages * Stage<F, Q>::BYTES);
  // Both warpgroups read the same x unless a CTA holds two parts of K.
  const bool sharedX = s.partsLog < 2;
  const int passStrips = F::perStrip && numTables > 1 ? 1 : STRIPS;
  const int most = sharedX ? max(t.endStrip - t.firstStrip, other.endStrip - other.firstStrip) : t.endStrip - t.firstStrip, passes = (most + passStrips - 1) / passStrips;
  const bool alone = other.firstStrip >= other.endStrip;
  const int stages = alone ? s.stages : s.stages / CONSUMERS, xSlots = sharedX ? s.xSlots : s.xSlots / CONSUMERS, xStream = sharedX ? 0 : mine;
  const uint32_t full = sharedAddress(bars[mine].full), xFull = sharedAddress(bars[xStream].xFull);
  const uint32_t ring = mem.ring + (alone ? 0 : mine * stages * Stage<F, Q>::BYTES), xRing = mem.x + xStream * xSlots * (R * 256);
  // A barrier a thread: one thread alone would hold the first weights up by half a microsecond.
  for (int i = threadIdx.x; i < CONSUMERS * DecodeBarriers::BARRIERS; i += DECODE_THREADS) barrierInit(sharedAddress(&bars) + i * 8, DecodeBarriers::arrivals(i % DecodeBarriers::BARRIERS, s.partsLog));
  barrierInitFence();
  F::prepare(tables, sharedAddress(shared));
  __syncthreads();
  clusterArrive();
  if (group == CONSUMERS) {
    if (STRIPS == 1) lowerRegisters<32>();
    if (STRIPS == 2) lowerRegisters<40>();
    const bool leader = elected();
    if (warp < 5 * CONSUMERS) {  // one of the first two
      if (leader) {
        launchDependents();
        if (t.firstStrip < t.endStrip) streamWeights<F, Q>(s, t, stages, full, ring, passStrips);
      }
    } else if (mine == 0 || !sharedX) {
      streamActivations<R>(s, t, passes, xSlots, xFull, xRing, lane);
    }
    __syncwarp();
    clusterWait();
  } else {
    if (STRIPS == 1) raiseRegisters<104>();
    if (STRIPS == 2) raiseRegisters<232>();
    F format(tables, numTables, sharedAddress(shared), lane);
    Consumer<F, R, Q> consumer(full, ring, stages, xFull, xRing, xSlots, warp & 3, lane);
    Summation<F, R, STRIPS> sums(s.out, F::lift(s.scaleExponent), mem.sums, sharedAddress(&bars[mine].sums), sizeof(DecodeBarriers), mine, warp & 3, lane);
    consume<F, R, Q, STAGE, STRIPS>(s, t, consumer, format, sums, passes, passStrips);
    if (STAGE == STAGE_COMPLETE) sums.finishLast(t);
  }
}

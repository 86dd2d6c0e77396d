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
  uint64_t unheard;  // nobody waits for it, and no number of arrivals ends a phase of it: synccheck reports phases that nobody waited for
  uint64_t sums, sumsFree;  // sums of the team are here; they have been taken everywhere
  // Of the barrier at place i: consumers release by warps.
  static constexpr int BARRIERS = 2 * (MAX_STAGES + MAX_X_SLOTS) + 3, UNHEARD = BARRIERS - 3, MOST_ARRIVALS = (1 << 20) - 1;
  static __device__ __forceinline__ int arrivals(int i, int partsLog) {
    if (i == BARRIERS - 1) return 1 << partsLog;
    if (i == UNHEARD) return MOST_ARRIVALS;
    const bool releasesX = i >= 2 * MAX_STAGES + MAX_X_SLOTS && i < 2 * (MAX_STAGES + MAX_X_SLOTS), releases = i >= MAX_STAGES && i < 2 * MAX_STAGES;
    return releases ? 4 : !releasesX ? 1 : partsLog < 2 ? 4 * CONSUMERS : 4;
  }
};

// Groups of 128 inputs that a slot of x holds, and whose arrival is one wait. Slots of 32 and 64 rows are few as it is.
template <int R, int STRIPS> constexpr int X_GROUPS = STRIPS == 1 && R <= 16 ? 2 : 1;

// Dynamic shared memory: sums, x, the ring, behind a format's own table. Before a table that has a place of its own goes the ring, and so does x where the CTA shares its
// multiprocessor. Every part a multiple of 128 bytes.
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

// x of one warpgroup or of both, a slot at a time. One warp; as many lanes as there are slots ask for the first ones, for this is what a layer waits for.
template <int R, int STRIPS> __device__ __forceinline__ void streamActivations(const DecodeShape& s, const Team& t, int passes, int slots, uint32_t full, uint32_t ring, int lane) {
  constexpr uint32_t EMPTY = offsetof(DecodeBarriers, xEmpty) - offsetof(DecodeBarriers, xFull), BYTES = X_GROUPS<R, STRIPS> * R * 256;
  const unsigned char* x = (const unsigned char*)s.x + (long)t.firstGroup * (R * 256);
  const uint32_t passBytes = (t.endGroup - t.firstGroup) * (R * 256);
  const int passSlots = (passBytes + BYTES - 1) / BYTES, total = passes * passSlots;
  auto bytesOf = [&](int i) { return min(BYTES, passBytes - i * BYTES); };
  const bool early = lane < min(slots, total);
  const int first = lane % passSlots;
  if (early) barrierExpect(full + lane * 8, bytesOf(first));
  waitForPredecessor();
  if (early) bulkCopy(ring + lane * BYTES, x + (long)first * BYTES, bytesOf(first), full + lane * 8);
  if (lane != 0) return;
  int slot = 0, next = slots % passSlots;
  uint32_t parity = 0;
  for (int i = slots; i < total; i++) {
    const uint32_t bar = full + slot * 8;
    barrierWait(bar + EMPTY, parity);
    barrierExpect(bar, bytesOf(next));
    bulkCopy(ring + slot * BYTES, x + (long)next * BYTES, bytesOf(next), bar);
    if (++slot == slots) slot = 0, parity ^= 1;
    if (++next == passSlots) next = 0;
  }
}

// What a consumer keeps from block to block.
template <class F, int R, int Q, int STRIPS> struct Consumer {
  using S = Stage<F, Q>;
  static constexpr uint32_t EMPTY = offsetof(DecodeBarriers, empty) - offsetof(DecodeBarriers, full);
  static constexpr uint32_t X_EMPTY = offsetof(DecodeBarriers, xEmpty) - offsetof(DecodeBarriers, xFull);
  // Scales of tables go on the sums of a block; of integers, and where a block has several, on the weights.
  static constexpr bool ON_SUMS = F::scalesSums && Q == 1;
  // Where two CTAs share a multiprocessor there are no registers for a second set of fragments beside the sums of 32 rows.
  static constexpr bool ONE_SET = STRIPS == 1 && R == 32;
  // Products are done before the next fragments take the place of theirs, so x goes back at once.
  static constexpr bool X_AT_ONCE = ON_SUMS || ONE_SET;
  uint32_t fa[32], fb[32];  // fragments of the block at hand and of the next, by turns; fa first
  typename F::Codes codes;  // of the next, as stored
  uint32_t scales[Q], zeros[Q];
  float2 scaleNow, scaleNext;                               // on sums: of the block at hand and of the next
  uint32_t codesAt, scalesAt, bar, endBar, ringBars, ringBytes, parity = 1;  // the stage at hand; at first the one before the first
  uint32_t xBar, xBars, xEndBar, xParity = 0, xHeld;         // x at hand, and the slot to give back
  uint32_t firstOperand, x;                                 // of the first slot; of the one at hand, the same in all threads
  uint32_t nothing, operandHigh;  // 0; the upper word of every operand. Known to nobody but us, so the compiler keeps the latter where it is instead of writing it for each product
  int thread;

  __device__ __forceinline__ Consumer(uint32_t full, uint32_t ring, int stages, uint32_t xFull, uint32_t xRing, int xSlots, int warp, int lane, uint32_t zero) {
    nothing = __shfl_sync(~0u, zero, 0);
    operandHigh = nothing + (uint32_t)(OPERAND_HIGH >> 32);
    ringBars = stages * 8, endBar = full + ringBars, ringBytes = stages * S::BYTES;
    bar = endBar - 8;
    codesAt = ring + ringBytes - S::BYTES + S::HEAD_BYTES + (warp * 32 + lane) * 16, scalesAt = ring + ringBytes - S::BYTES + warp * 32 + (lane >> 2) * 4;
    xBar = xBars = xFull, xEndBar = xFull + xSlots * 8;
    xHeld = full + offsetof(DecodeBarriers, unheard) - offsetof(DecodeBarriers, full);
    firstOperand = (uint32_t)operandB(xRing, R);
    thread = warp * 32 + lane;
  }
  // A block out of the ring: the first (place 0) of the next stage or the second of the one at hand.
  __device__ __forceinline__ void fetch(int place) {
    if (place == 0) {
      bar += 8, codesAt += S::BYTES, scalesAt += S::BYTES;
      if (bar == endBar) bar -= ringBars, codesAt -= ringBytes, scalesAt -= ringBytes, parity ^= 1;
      barrierWait(bar, parity);
    }
    codes.load(codesAt + place * S::CODE_BYTES);
#pragma unroll
    for (int q = 0; q < Q; q++) {
      scales[q] = loadSharedWord(scalesAt + q * 256 + place * 128);
      zeros[q] = F::zeros ? loadSharedWord(scalesAt + (Q + q) * 256 + place * 128) : 0u;
    }
  }
  // Gives the stage back. An arrival does not wait for loads ahead of it, and may overtake them where the shared memory is busy: it has to use what they bring.
  __device__ __forceinline__ void releaseStage() {
    uint32_t words = codes.any();
#pragma unroll
    for (int q = 0; q < Q; q++) words ^= scales[q] ^ zeros[q];
    __syncwarp();
    release(bar + EMPTY + (words & nothing));
  }
  // What was fetched becomes fragments. `last`: the block was the second of its stage, which is given back at the end: loads from a table do not go ahead of an arrival.
  __device__ __forceinline__ void expand(const DecodeShape& s, uint32_t (&a)[32], F& format, bool last) {
    codes.pin();
#pragma unroll
    for (int q = 0; q < Q; q++) {
      asm volatile("" : "+r"(scales[q]), "+r"(zeros[q]));
      if constexpr (ON_SUMS) {
        scaleNext = s.scaleBf16 ? Bf16::unpack(scales[q]) : F16::unpack(scales[q]);
#pragma unroll
        for (int i = 0; i < 8; i++) format.values(a + 4 * i, codes, i);
      } else {
        const typename F::Scale g = F::scale(scales[q], zeros[q], s.zeroKind, s.scaleBf16, s.scaleExponent);
#pragma unroll
        for (int i = q * 8 / Q; i < (q + 1) * 8 / Q; i++) format.fragment(a + 4 * i, codes, i, g);
      }
    }
#pragma unroll
    for (int i = 0; i < 32; i++) asm volatile("" : "+r"(a[i]));  // stays ahead of the wgmma fence
    if (last) releaseStage();
  }
  __device__ __forceinline__ void release(uint32_t bar) {
    if ((thread & 31) == 0) barrierArrive(bar);
  }
  // Waits for a slot of x. The shuffle tells the compiler that its operand is the same in all threads.
  __device__ __forceinline__ void awaitX() {
    barrierWait(xBar, xParity);
    x = __shfl_sync(~0u, firstOperand + (xBar - xBars) * (X_GROUPS<R, STRIPS> * R * 2), 0);  // R * 256 bytes a group
  }
  // x at hand is wanted no more once its products are done.
  __device__ __forceinline__ void stepX() {
    xHeld = xBar + X_EMPTY;
    xBar += 8;
    if (xBar == xEndBar) xBar = xBars, xParity ^= 1;
  }

  // What a step does beside its block: x is at hand or, with 64 rows, waited for (begins) and the slot before given back, given up (ends), the next waited for (next).
  // `group`: which of the slot it works with; `place`: where the next block is.
  struct Turn {
    int place, group;
    bool begins, ends, next;
  };
  // One block. While its products are under way the next block is fetched and made into fragments. With 64 rows, where the tensor core is the busiest, it is asked for first.
  static constexpr bool ASKS_FIRST = R == 64;
  // With 32 rows weights alone are: 51.3 -> 50.6 us a block.
  static constexpr bool FETCHES_FIRST = ASKS_FIRST || STRIPS == 2 && Q == 1 && !ON_SUMS;
  template <int STAGE, bool LAST = false>
  __device__ __forceinline__ void step(const DecodeShape& s, F& format, float (&acc)[R / 2], uint32_t (&now)[32], uint32_t (&next)[32], bool first, const Turn& turn) {
    using T = typename F::Type;
    constexpr bool IN_PLACE = LAST || ONE_SET;  // the next fragments take the place of these
    float part[ON_SUMS ? R / 2 : 1];
    auto addPart = [&] {
      if constexpr (ON_SUMS && STAGE >= STAGE_MULTIPLY) {
#pragma unroll
        for (int i = 0; i < R / 2; i++) acc[i] = fmaf(part[i], i & 2 ? scaleNow.y : scaleNow.x, acc[i]);
      }
    };
    if (FETCHES_FIRST) fetch(turn.place);
    if (ASKS_FIRST && turn.begins) awaitX();
    if (STAGE >= STAGE_MULTIPLY) {
      wgmmaFence();
#pragma unroll
      for (int i = 0; i < 8; i++) {
        const uint64_t b = (uint64_t)operandHigh << 32 | (x + turn.group * (R * 16) + i * (2 * R));
        if constexpr (ON_SUMS)
          wgmma<T>(part, now + 4 * i, b, i > 0);
        else
          wgmma<T>(acc, now + 4 * i, b, i > 0 || !first);
      }
      wgmmaCommit();
    }
    if (!FETCHES_FIRST) fetch(turn.place);
    const uint32_t before = xHeld;
    if (turn.ends) stepX();
    if (!ASKS_FIRST && turn.next) awaitX();
    if (STAGE >= STAGE_MULTIPLY && (IN_PLACE || !ON_SUMS)) wgmmaWait<IN_PLACE ? 0 : 1>();
    if (IN_PLACE) addPart();
    if (turn.begins && !X_AT_ONCE) release(before);  // its products are done
    if (turn.ends && ONE_SET && !ON_SUMS) release(xHeld);
    if (STAGE >= STAGE_DEQUANTISE) expand(s, next, format, turn.place == 1);
    if (STAGE == STAGE_LOAD) {
      fa[0] ^= codes.any() ^ scales[0];
      if (turn.place == 1) releaseStage();
    }
    if constexpr (ON_SUMS) {
      if (!IN_PLACE) {
        if (STAGE >= STAGE_MULTIPLY) wgmmaWait<0>();
        addPart();
      }
      scaleNow = scaleNext;
      if (turn.ends) release(xHeld);
    }
  }
  // N strips of a part of K.
  template <int N, int STAGE> __device__ __forceinline__ void multiply(const DecodeShape& s, const Team& t, F& format, int strip, float (&acc)[N][R / 2]) {
    const int last = t.endGroup - 1;
    uint32_t(&fc)[32] = ONE_SET ? fa : fb;
    if (ON_SUMS) {
#pragma unroll
      for (int n = 0; n < N; n++)
#pragma unroll
        for (int i = 0; i < R / 2; i++) acc[n][i] = 0.f;
    }
    if (!ASKS_FIRST) awaitX();
    if constexpr (N == 2) {
      for (int g = t.firstGroup; g <= last; g++) {
        step<STAGE>(s, format, acc[0], fa, fc, g == t.firstGroup, Turn{1, 0, true, false, false});
        step<STAGE>(s, format, acc[1], fc, fa, g == t.firstGroup, Turn{0, 0, false, true, g < last});
      }
    } else {
      constexpr bool EACH = X_GROUPS<R, STRIPS> == 1;
      int g = t.firstGroup;
      for (; g < last; g += 2) {
        step<STAGE>(s, format, acc[0], fa, fc, g == t.firstGroup, Turn{1, 0, true, EACH, EACH});
        if (F::perStrip && g + 1 == last) format.select(min(strip + 1, t.endStrip - 1));
        step<STAGE>(s, format, acc[0], fc, fa, false, Turn{0, EACH ? 0 : 1, EACH, true, g + 1 < last});
      }
      if (g == last) {  // an odd one: its own fragments give way, as the next strip begins with fa
        if (F::perStrip) format.select(min(strip + 1, t.endStrip - 1));
        const uint32_t stage = bar + EMPTY;
        step<STAGE, true>(s, format, acc[0], fa, fa, g == t.firstGroup, Turn{0, 0, true, true, false});
        release(stage);
      }
    }
    if (STAGE >= STAGE_MULTIPLY && !ON_SUMS) wgmmaWait<0>();
  }
  // Nothing to multiply, while the other warpgroup works with the same x.
  __device__ __forceinline__ void skip(const Team& t) {
    for (int g = t.firstGroup; g < t.endGroup; g += X_GROUPS<R, STRIPS>) {
      if (!X_AT_ONCE) release(xHeld);
      barrierWait(xBar, xParity);
      stepX();
      if (X_AT_ONCE) release(xHeld);
    }
  }
};

template <class F, int R, int Q, int STAGE, int STRIPS, int N>
__device__ __forceinline__ void multiplyStrips(const DecodeShape& s, const Team& t, Consumer<F, R, Q, STRIPS>& c, F& format, Summation<F, R, STRIPS>& sums, int strip) {
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

template <class F, int R, int Q, int STAGE, int STRIPS> __device__ __forceinline__ void consume(const DecodeShape& s, const Team& t, Consumer<F, R, Q, STRIPS>& c, F& format, Summation<F, R, STRIPS>& sums, int passes, int passStrips) {
  if (t.firstStrip < t.endStrip) {
    format.select(t.firstStrip);
    c.fetch(0);
    if (STAGE >= STAGE_DEQUANTISE) c.expand(s, c.fa, format, false);
    c.scaleNow = c.scaleNext;
  }
  waitForPredecessor();
  clusterWait();
  for (int pass = 0; pass < passes; pass++) {
    __syncwarp();  // what follows is the same in all lanes again, and the compiler takes it so
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
  const int stages = alone ? s.stages : s.stages / CONSUMERS, xSlots = (sharedX ? s.xSlots : s.xSlots / CONSUMERS) / X_GROUPS<R, STRIPS>, xStream = sharedX ? 0 : mine;
  const uint32_t full = sharedAddress(bars[mine].full), xFull = sharedAddress(bars[xStream].xFull);
  const uint32_t ring = mem.ring + (alone ? 0 : mine * stages * Stage<F, Q>::BYTES), xRing = mem.x + xStream * xSlots * (X_GROUPS<R, STRIPS> * R * 256);
  const typename F::Early early = F::early(tables, threadIdx.x);
  // A barrier a thread: one thread alone would hold the first weights up by half a microsecond.
  for (int i = threadIdx.x; i < CONSUMERS * DecodeBarriers::BARRIERS; i += DECODE_THREADS) barrierInit(sharedAddress(&bars) + i * 8, DecodeBarriers::arrivals(i % DecodeBarriers::BARRIERS, s.partsLog));
  barrierInitFence();
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
      streamActivations<R, STRIPS>(s, t, passes, xSlots, xFull, xRing, lane);
    }
    __syncwarp();
    clusterWait();
  } else {
    if (STRIPS == 1) raiseRegisters<104>();
    if (STRIPS == 2) raiseRegisters<232>();
    if (F::sharedBytes > 0) {  // while the first weights are on their way
      F::prepare(early, sharedAddress(shared), threadIdx.x);
      namedBarrier(CONSUMERS + 1, 128 * CONSUMERS);
    }
    F format(tables, numTables, sharedAddress(shared), lane);
    Consumer<F, R, Q, STRIPS> consumer(full, ring, stages, xFull, xRing, xSlots, warp & 3, lane, (uint32_t)s.stages >> 8);
    Summation<F, R, STRIPS> sums(s.out, Consumer<F, R, Q, STRIPS>::ON_SUMS ? 1.f : F::lift(s.scaleExponent), mem.sums, sharedAddress(&bars[mine].sums), sizeof(DecodeBarriers), mine, warp & 3, lane);
    consume<F, R, Q, STAGE, STRIPS>(s, t, consumer, format, sums, passes, passStrips);
    if (STAGE == STAGE_COMPLETE) sums.finishLast(t);
  }
}

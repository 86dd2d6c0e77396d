// Shape, shared memory and the roles around the multiplication of the decode GEMMs. Contract and launch geometry in gemm_w4_decode_sm90.cu.
#pragma once
#include "epilogue.cuh"
#include "format.cuh"

constexpr int MAX_STAGES = 16;    // mbarriers reserved; the ring is as deep as the launch asks
constexpr int MAX_GROUPS = 8;     // 128-input groups of a slice: its x stays in shared memory
constexpr int STAGE_BLOCKS = 2;   // one bulk copy brings two blocks: 17 KB copies read DRAM faster than 8 KB ones
constexpr int CONSUMER_WARPS = 16;  // four a sub-core: with two, dequantising and the tensor core take turns instead of overlapping
constexpr int SUM_WARPS = 3;      // sums of x, then of the slices
constexpr int DECODE_THREADS = 32 * (CONSUMER_WARPS + 1 + SUM_WARPS);  // ... and one warp that asks for weights
constexpr int K_LANES = 4;        // a slice's groups g belong to the lanes g % 4, each with its own accumulator chain

// What one launch works on; the same for every CTA. slices = parts of K, runs = parts of the panels, one CTA each.
struct DecodeShape {
  const unsigned char* weights;
  const void* x;
  float4* partials;
  Output out;
  int groups, panels, slices, runs, stages, prefetch, zeroKind, scaleBf16;
};

// The part of the work that belongs to one CTA. Slice s finishes `share` items (see Exchange) of every panel of its run.
struct DecodeWork {
  int slice, firstGroup, numGroups, firstPanel, numPanels, firstItem, share;
  __device__ __forceinline__ DecodeWork(const DecodeShape& s, int items) {
    slice = blockIdx.x % s.slices;
    const int run = blockIdx.x / s.slices;
    firstGroup = slice * s.groups / s.slices;
    numGroups = (slice + 1) * s.groups / s.slices - firstGroup;
    firstPanel = run * s.panels / s.runs;
    numPanels = (run + 1) * s.panels / s.runs - firstPanel;
    firstItem = slice * items / s.slices;
    share = (slice + 1) * items / s.slices - firstItem;
  }
};

// Ring positions of a panel, the same for slices of a group less. The depth of the ring is a multiple of it: then a warp finds its blocks in the same stages round
// after round, and no warp can meet a barrier a round early, where the parity lies.
__device__ __forceinline__ int stagesPerPanel(const DecodeShape& s) { return ((s.groups + s.slices - 1) / s.slices + STAGE_BLOCKS - 1) / STAGE_BLOCKS; }

template <class F, int Q, bool ZEROS> struct Block {
  static constexpr int head = Q * 256 * (ZEROS ? 2 : 1), bytes = head + F::bits * 2048;
};

// How the consumer warps of a kernel for R rows divide a block: four columns of warps (32 columns of W each), ROW_PARTS parts of the rows, and the K
// lanes among LANE_WARPS warps, so that a warp never holds more than 16 rows of a lane.
template <int R> struct Division {
  static constexpr int ROW_PARTS = R <= 16 ? 1 : R / 16, LANE_WARPS = CONSUMER_WARPS / 4 / ROW_PARTS, SETS = K_LANES / LANE_WARPS;
  static constexpr int WARP_TILES = R == 8 ? 1 : 2;        // tiles of eight rows of a warp
  static constexpr int WARP_ITEMS = 2 * WARP_TILES;        // 16-column by 8-row items of a warp
  static constexpr int BLOCK_WARPS = 4 * ROW_PARTS;        // warps that read one block
  static constexpr int EXCHANGE_BYTES = LANE_WARPS > 1 ? CONSUMER_WARPS * WARP_ITEMS * 512 : 0;
};

struct DecodeBarriers {
  uint64_t full[MAX_STAGES], empty[MAX_STAGES];       // ring of weights
  uint64_t xFull[MAX_GROUPS], xSummed[MAX_GROUPS];    // groups of x; their sums
  int drawn;                                          // pieces of finished panels that warps of this CTA have undertaken to add up
  int sent;                                           // warps that have sent their partial sums, over all panels; a counter, since the consumers may be
                                                      // several panels ahead of the reader, where the parity of an mbarrier would lie
};

// Dynamic shared memory, in this order; every part a multiple of 128 bytes.
template <int R, int Q> struct DecodeMemory {
  uint32_t ring, x, exchange, sums;
  __device__ __forceinline__ DecodeMemory(uint32_t base, int blockBytes, int stages, int groups) {
    ring = base;
    x = ring + stages * STAGE_BLOCKS * blockBytes;
    exchange = x + groups * R * 256;
    sums = exchange + Division<R>::EXCHANGE_BYTES;
  }
};

// The blocks that follow the first fill of the ring, into L2: DRAM would be idle while the CTA waits for x.
__device__ __forceinline__ void prefetchWeights(const DecodeShape& s, const DecodeWork& w, int bytes) {
  const int end = w.firstGroup + w.numGroups, positions = stagesPerPanel(s);
  for (int ahead = 0, at = s.stages; ahead < s.prefetch && at / positions < w.numPanels; ahead++, at++) {
    const int p = w.firstPanel + at / positions, g = w.firstGroup + at % positions * STAGE_BLOCKS, blocks = min(STAGE_BLOCKS, end - g);
    if (blocks > 0) bulkPrefetch(s.weights + ((long)p * s.groups + g) * bytes, blocks * bytes);
  }
}

// Weights: never depend on the kernel before, so they are asked for at once. One thread.
template <int R> __device__ __forceinline__ void streamWeights(const DecodeShape& s, const DecodeWork& w, DecodeBarriers& bars, uint32_t ring, int bytes) {
  launchDependents();
  const uint64_t policy = evictFirstPolicy();
  const int end = w.firstGroup + w.numGroups, positions = stagesPerPanel(s);
  int stage = 0, asked = 0;
  uint32_t parity = 1;
  for (int p = w.firstPanel; p < w.firstPanel + w.numPanels; p++)
    for (int i = 0; i < positions; i++) {
      if (asked++ == s.stages) prefetchWeights(s, w, bytes);
      const int g = w.firstGroup + i * STAGE_BLOCKS, blocks = min(STAGE_BLOCKS, end - g);
      const uint32_t full = sharedAddress(&bars.full[stage]), empty = sharedAddress(&bars.empty[stage]);
      barrierWait(empty, parity);
      if (blocks > 0) {
        barrierExpect(full, blocks * bytes);
        bulkCopy(ring + stage * STAGE_BLOCKS * bytes, s.weights + ((long)p * s.groups + g) * bytes, blocks * bytes, full, policy);
      } else {
        barrierArrive(full);
      }
      if (blocks < STAGE_BLOCKS) barrierArriveMany(empty, (STAGE_BLOCKS - max(blocks, 0)) * Division<R>::BLOCK_WARPS);  // nobody reads a block that is not there
      if (++stage == s.stages) stage = 0, parity ^= 1;
    }
}

// Sums of x over each scale group, by products with ones: same order for every R. One warp; result float sums[q][R].
template <class T, int R, int Q> __device__ __forceinline__ void sumGroup(uint32_t x, uint32_t sums, int lane) {
  constexpr int STEPS = 8 / Q;
  const uint32_t ones[4] = {T::onePair, T::onePair, T::onePair, T::onePair};
#pragma unroll
  for (int q = 0; q < Q; q++)
#pragma unroll 2
    for (int t = 0; t < R / 8; t++) {
      float d[2][4] = {};
#pragma unroll
      for (int i = 0; i < STEPS; i++) {
        const uint32_t at = x + (2 * (q * STEPS + i) * R + t * 8) * 16 + lane * 4;
        T::mma(d[i & 1], ones, loadSharedWord(at), loadSharedWord(at + R * 16));
      }
      if (lane < 4)
        asm volatile("st.shared.v2.f32 [%0], {%1,%2};" ::"r"(sums + (q * R + t * 8 + lane * 2) * 4), "f"(d[0][0] + d[1][0]), "f"(d[0][1] + d[1][1])
                     : "memory");
    }
}

// x of the slice, a bulk copy a group, and its sums. Three warps; helper 0 loads.
template <class T, int R, int Q, class Memory>
__device__ __forceinline__ void streamActivations(const DecodeShape& s, const DecodeWork& w, DecodeBarriers& bars, const Memory& mem,
                                                  int helper, int lane) {
  constexpr int BYTES = R * 256;  // 128 inputs of R rows, one run of the tiled layout
  if (helper == 0 && lane < w.numGroups) {
    barrierExpect(sharedAddress(&bars.xFull[lane]), BYTES);
    bulkCopy(mem.x + lane * BYTES, (const unsigned char*)s.x + (long)(w.firstGroup + lane) * BYTES, BYTES, sharedAddress(&bars.xFull[lane]));
  }
  __syncwarp();
  for (int g = helper; g < w.numGroups; g += SUM_WARPS) {
    barrierWait(sharedAddress(&bars.xFull[g]), 0);
    sumGroup<T, R, Q>(mem.x + g * BYTES, mem.sums + g * Q * R * 4, lane);
    __syncwarp();
    if (lane == 0) barrierArrive(sharedAddress(&bars.xSummed[g]));
  }
}

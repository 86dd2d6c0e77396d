// The body of the products of many rows. Contract and launch geometry in gemm_prefill_sm90.cu.
#pragma once
#include <type_traits>
#include "../common/cluster.cuh"
#include "prefill_epilogue.cuh"

constexpr int ROWS = 128, COLUMNS = 128, GROUP = 128;  // of a tile; k of a block
constexpr int WARPGROUPS = 2, PRODUCER_WARP = WARPGROUPS * 4, PREFILL_THREADS = (WARPGROUPS + 1) * 128;
constexpr int X_BYTES = ROWS * GROUP * 2;
constexpr int HALF_ROWS = ROWS / 2, X_SLABS = GROUP / 8, SLAB_BYTES = ROWS * 16;
constexpr int MAX_STAGES = 8;
constexpr int K_STEP = ROWS * 32 >> 4;  // what a k16 step adds to a descriptor

struct PrefillShape {
  const unsigned char* weights;
  const void* x;
  Output out;
  float4* partials;
  int* arrivals;
  int groups, panels, rowBlocks, partsLog, wholeRounds, splitTiles, piecesLog, byRows, stages, zeroKind, scaleBf16, scaleExponent;
  __device__ __forceinline__ int parts() const { return 1 << partsLog; }
  __device__ __forceinline__ int pieces() const { return 1 << piecesLog; }
  __device__ __forceinline__ int partStart(int part) const { return part * groups >> partsLog; }
};

// The jobs of a CTA in order: whole tiles, then pieces of the split tiles, along K or by rows (of those a cluster has one at most); those of a cluster's two CTAs differ in their panels
// alone. Pairs of tiles are counted with the row block running fastest, so that clusters that run together share weights. Steps instead of divisions: the tensor cores stand still meanwhile.
struct PrefillJobs {
  int round = 0, pair, rowBlock, pairStep, rowStep;  // the next whole tile
  static __device__ __forceinline__ int member() { return blockIdx.x & 1; }
  static __device__ __forceinline__ int cluster() { return blockIdx.x >> 1; }
  static __device__ __forceinline__ int clusters() { return gridDim.x >> 1; }
  __device__ __forceinline__ PrefillJobs(const PrefillShape& s) {
    pair = cluster() / s.rowBlocks, rowBlock = cluster() % s.rowBlocks;
    pairStep = clusters() / s.rowBlocks, rowStep = clusters() % s.rowBlocks;
  }
  struct Job {
    int panel, rowBlock, part, endPart, split;  // the last panel may be one that is not there; split < 0: no other has a piece of these sums
    int half;                                   // which 64 rows; < 0: all 128
  };
  __device__ __forceinline__ bool next(const PrefillShape& s, Job& job) {
    if (round < s.wholeRounds) {
      job = {2 * pair + member(), rowBlock, 0, s.parts(), -1, -1};
      pair += pairStep, rowBlock += rowStep;
      if (rowBlock >= s.rowBlocks) rowBlock -= s.rowBlocks, pair++;
    } else {
      const int number = (round - s.wholeRounds) * clusters() + cluster(), split = number >> s.piecesLog, tile = s.wholeRounds * clusters() + split;
      if (split >= s.splitTiles) return false;
      const int piece = number & s.pieces() - 1, size = s.byRows ? s.parts() : s.parts() >> s.piecesLog, part = s.byRows ? 0 : piece * size;
      job = {2 * (tile / s.rowBlocks) + member(), tile % s.rowBlocks, part, part + size, s.byRows ? -1 : 2 * split + member(), s.byRows ? piece : -1};
    }
    round++;
    return job.panel - member() < s.panels;
  }
};

// Bytes of a block: the codes lie behind the scales (and zeros).
template <class F, int Q> constexpr int HEAD_BYTES = Q * 256 * (F::zeros ? 2 : 1);
template <class F, int Q> constexpr int BLOCK_BYTES = HEAD_BYTES<F, Q> + F::bits * 2048;

struct PrefillBarriers {
  uint64_t full[MAX_STAGES], empty[MAX_STAGES];
};

// One warp; everything but the copies is uniform in it, so that addresses stay in uniform registers.
template <class F, int Q> __device__ __forceinline__ void produce(const PrefillShape& s, PrefillBarriers& bars, uint32_t ring, bool leader) {
  constexpr int blockBytes = BLOCK_BYTES<F, Q>, stageBytes = blockBytes + X_BYTES;
  auto arriving = [](const PrefillJobs::Job& job) { return job.half < 0 ? stageBytes : stageBytes - X_BYTES / 2; };
  PrefillJobs::Job job;
  int ahead = 0;
  launchDependents();
  PrefillJobs early(s);
  // Weights do not depend on the kernel before: fill the ring with them first.
  while (ahead < s.stages && early.next(s, job)) {
    const int g0 = s.partStart(job.part), g1 = s.partStart(job.endPart);
    const unsigned char* w = s.weights + ((int64_t)min(job.panel, s.panels - 1) * s.groups + g0) * blockBytes;
    for (int g = g0; g < g1 && ahead < s.stages; g++, ahead++, w += blockBytes)
      if (leader) {
        const uint32_t full = sharedAddress(&bars.full[ahead]);
        barrierExpect(full, arriving(job));
        bulkCopy(ring + ahead * stageBytes, w, blockBytes, full);
      }
  }
  waitForPredecessor();
  int stage = 0, use = 0;
  uint32_t parity = 1;
  const int mine = PrefillJobs::member() * (X_BYTES / 2);
  PrefillJobs jobs(s);
  while (jobs.next(s, job)) {
    const int g0 = s.partStart(job.part), g1 = s.partStart(job.endPart);
    const unsigned char* w = s.weights + ((int64_t)min(job.panel, s.panels - 1) * s.groups + g0) * blockBytes;
    const unsigned char* x = (const unsigned char*)s.x + ((int64_t)job.rowBlock * s.groups + g0) * X_BYTES + mine + (job.half > 0 ? SLAB_BYTES / 2 : 0);
    // Half of the rows lie in the first half of each slab.
    const int copies = job.half < 0 ? 1 : X_SLABS / 2, copyBytes = job.half < 0 ? X_BYTES / 2 : SLAB_BYTES / 2;
    for (int g = g0; g < g1; g++, use++, w += blockBytes, x += X_BYTES) {
      const uint32_t full = sharedAddress(&bars.full[stage]), to = ring + stage * stageBytes;
      if (use >= ahead) {
        barrierWait(sharedAddress(&bars.empty[stage]), parity);
        if (leader) {
          barrierExpect(full, arriving(job));
          bulkCopy(to, w, blockBytes, full);
        }
      }
      if (leader)
        for (int i = 0; i < copies; i++) bulkCopyToPair(to + blockBytes + mine + i * SLAB_BYTES, x + i * SLAB_BYTES, copyBytes, full);
      if (++stage == s.stages) stage = 0, parity ^= 1;
    }
  }
  // Consumers look one stage ahead: let them see one more.
  barrierWait(sharedAddress(&bars.empty[stage]), parity);
  if (leader) barrierArrive(sharedAddress(&bars.full[stage]));
}

template <class F, int Q> __device__ __forceinline__ void prefill(const PrefillShape& s, const void* tables, int numTables) {
  using T = typename F::Type;
  constexpr bool ON_SUMS = F::scalesSums && Q == 1;  // as in the decode kernels: the bits are the same
  extern __shared__ __align__(1024) unsigned char shared[];
  __shared__ PrefillBarriers bars;
  __shared__ int lastArrival[WARPGROUPS];
  const int tid = threadIdx.x, warp = __shfl_sync(~0u, tid >> 5, 0), lane = tid & 31;
  const uint32_t ring = sharedAddress(shared) + F::sharedBytes;
  const typename F::Early early = F::early(tables, tid);
  if (tid == 0) {
    for (int i = 0; i < s.stages; i++) barrierInit(sharedAddress(&bars.full[i]), 1), barrierInit(sharedAddress(&bars.empty[i]), 2 * WARPGROUPS * 4);
    barrierInitFence();
  }
  __syncthreads();
  clusterArrive(), clusterWait();  // the other's barriers are there
  if (warp >= PRODUCER_WARP) {
    lowerRegisters<24>();
    if (warp == PRODUCER_WARP) produce<F, Q>(s, bars, ring, elected());
  } else {
    raiseRegisters<240>();
    if (F::sharedBytes > 0) {
      F::prepare(early, sharedAddress(shared), tid);
      namedBarrier(1 + WARPGROUPS, WARPGROUPS * 128);
    }
    waitForPredecessor();
    const int strip = warp >> 2, t = tid & 127;
    constexpr int stageBytes = BLOCK_BYTES<F, Q> + X_BYTES;
    const uint32_t words = ring + HEAD_BYTES<F, Q> + strip * (F::bits * 1024) + t * 16, scales = ring + strip * 128 + (warp & 3) * 32 + (lane >> 2) * 4;
    const uint64_t descriptor = operandB(ring + BLOCK_BYTES<F, Q>, ROWS);
    F format(tables, numTables, sharedAddress(shared), lane);
    uint32_t fa[16], fb[16];
    typename F::Scale group[Q];
    float2 scale = make_float2(1.f, 1.f);  // of a group, on its sums
    typename F::Codes codes;
    // The stage at work: its place in the ring and that of its barriers.
    const uint32_t full = sharedAddress(bars.full), empty = sharedAddress(bars.empty), endBar = s.stages * 8;
    uint32_t offset = 0, bar = 0, parity = 0, held = 0;
    const uint32_t stash = ring + s.stages * stageBytes + tid * 16;  // [16][256] float4: the sum of the parts before
    // Gives a stage back to both CTAs, as each fills half of it in either. No __syncwarp (1 %): what the other lanes read, they read before products that the whole warp has waited for.
    auto release = [&](uint32_t bar) {
      if (lane < 2) arrivePeer(peerAddress(bar, lane));
    };
    auto partial = [&](int split, int part) {  // [split tile][part][warpgroup][row tile][thread]
      return s.partials + ((int64_t)((split << s.partsLog) + part) * WARPGROUPS + strip) * (ROWS / 8 * 128) + t;
    };
    // Half of a stage's codes (four k16 steps) become fragments.
    auto expand = [&](uint32_t(&a)[16], int half) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int step = half * 4 + i;
        if constexpr (ON_SUMS)
          format.values(a + 4 * i, codes, step);
        else
          format.fragment(a + 4 * i, codes, step, group[step * Q / 8]);
      }
    };
    // First half of a stage's fragments; its second half and scales stay for later.
    auto begin = [&](uint32_t off) {
      codes.load(words + off);
#pragma unroll
      for (int q = 0; q < Q; q++) {
        const uint32_t word = loadSharedWord(scales + off + q * 256);
        if constexpr (ON_SUMS)
          scale = s.scaleBf16 ? Bf16::unpack(word) : F16::unpack(word);
        else
          group[q] = F::scale(word, F::zeros ? loadSharedWord(scales + off + (Q + q) * 256) : 0u, s.zeroKind, s.scaleBf16, s.scaleExponent);
      }
      expand(fa, 0);
    };
    // The strip that a job gives this warpgroup.
    auto stripOf = [&](const PrefillJobs::Job& job) { return 2 * min(job.panel, s.panels - 1) + strip; };
    // The next stage's first half is made of codes that the next job's table may be for.
    auto selectNext = [&](PrefillJobs ahead) {
      PrefillJobs::Job next;
      if (ahead.next(s, next)) format.select(stripOf(next));
    };
    if (F::perStrip) selectNext(PrefillJobs(s));
    barrierWait(full, 0);
    begin(0);
    PrefillJobs jobs(s);
    PrefillJobs::Job job;
    job.half = -1;
    // A job of N rows. The bits of wgmma's sums are the same for every N.
    auto multiply = [&](auto rows) {
      constexpr int N = decltype(rows)::value;
      float p[N / 2], sum[N / 2];
      for (int part = job.part; part < job.endPart; part++) {
        const int numGroups = s.partStart(part + 1) - s.partStart(part);
#pragma unroll
        for (int k = 0; k < N / 2; k++) p[k] = 0.f;  // not added to; says that what it held is done with
        if constexpr (ON_SUMS) {
#pragma unroll
          for (int k = 0; k < N / 2; k++) sum[k] = 0.f;
        }
        for (int g = 0; g < numGroups; g++) {
          // A batch of wgmmas is in flight while the fragments of the other half are made; with scaled weights, always one.
          const uint64_t b = descriptor + __shfl_sync(~0u, offset >> 4, 0);  // the shuffle tells the compiler that it is uniform
          wgmmaFence();
          wgmma<T>(p, fa, b, !ON_SUMS && g > 0);
#pragma unroll
          for (int k = 1; k < 4; k++) wgmma<T>(p, fa + 4 * k, b + k * K_STEP, true);
          wgmmaCommit();
          if constexpr (!ON_SUMS) {
            wgmmaWait<1>();  // the second half of the group before
            if (g > 0) release(held);
          }
          expand(fb, 1);
          wgmmaFence();
#pragma unroll
          for (int k = 0; k < 4; k++) wgmma<T>(p, fb + 4 * k, b + (4 + k) * K_STEP, true);
          wgmmaCommit();
          held = empty + bar;
          offset += stageBytes, bar += 8;
          if (bar == endBar) offset = bar = 0, parity ^= 1;
          barrierWait(full + bar, parity);
          [[maybe_unused]] const float2 onSum = scale;
          wgmmaWait<1>();  // the first half
          if (F::perStrip && g + 1 == numGroups && part + 1 == job.endPart) selectNext(jobs);
          begin(offset);
          if constexpr (ON_SUMS) {
            wgmmaWait<0>();
            release(held);
#pragma unroll
            for (int k = 0; k < N / 2; k++) sum[k] = fmaf(p[k], k & 2 ? onSum.y : onSum.x, sum[k]);
          }
        }
        if constexpr (!ON_SUMS) {
          wgmmaWait<0>();
          release(held);
          // The parts of a first (or only) piece are added in order; the others leave each part by itself. p itself is left to the wgmmas.
#pragma unroll
          for (int k = 0; k < N / 2; k++) sum[k] = p[k];
        }
        if (job.part == 0 && part > 0) {
#pragma unroll
          for (int k = 0; k < N / 8; k++) {
            const float4 v = loadShared4(stash + k * (WARPGROUPS * 128 * 16));
            sum[4 * k] += v.x, sum[4 * k + 1] += v.y, sum[4 * k + 2] += v.z, sum[4 * k + 3] += v.w;
          }
        }
        if (job.part == 0 && part + 1 < job.endPart) {
#pragma unroll
          for (int k = 0; k < N / 8; k++) storeShared4(stash + k * (WARPGROUPS * 128 * 16), make_float4(sum[4 * k], sum[4 * k + 1], sum[4 * k + 2], sum[4 * k + 3]));
        } else if (N == ROWS && job.split >= 0) {
          float4* mine = partial(job.split, job.part == 0 ? 0 : part);
#pragma unroll
          for (int k = 0; k < N / 8; k++) __stcg(mine + k * 128, make_float4(sum[4 * k], sum[4 * k + 1], sum[4 * k + 2], sum[4 * k + 3]));
        }
      }
      bool finishing = true;
      if (N == ROWS && job.split >= 0) {
        // Every piece but the last to arrive leaves its sums; that one adds all of them in the order of k.
        namedBarrier(1 + strip, 128);
        if (t == 0) {  // the barrier and this fence stand for the fence of each of the 128 threads
          __threadfence();
          const int before = atomicAdd(s.arrivals + job.split * WARPGROUPS + strip, 1);
          __threadfence();
          lastArrival[strip] = before == s.pieces() - 1;
          if (before == s.pieces() - 1) s.arrivals[job.split * WARPGROUPS + strip] = 0;
        }
        namedBarrier(1 + strip, 128);
        finishing = lastArrival[strip];
        if (finishing) {
          const int first = s.parts() >> s.piecesLog, numSums = s.parts() - first + 1;  // the first piece left one sum, the others one a part
          const float4 *from = partial(job.split, 0), *rest = partial(job.split, first);
          constexpr int PART = WARPGROUPS * (ROWS / 8 * 128), BATCH = 4;
#pragma unroll
          for (int k = 0; k < N / 8; k += BATCH) {
            float4 v[4][BATCH];
#pragma unroll
            for (int i = 0; i < BATCH; i++) {
              v[0][i] = __ldcg(from + (k + i) * 128), v[1][i] = __ldcg(rest + (k + i) * 128);
              if (numSums > 2) v[2][i] = __ldcg(rest + PART + (k + i) * 128);
              if (numSums > 3) v[3][i] = __ldcg(rest + 2 * PART + (k + i) * 128);
            }
#pragma unroll
            for (int i = 0; i < BATCH; i++) {
              float4 w = v[0][i];
              w.x += v[1][i].x, w.y += v[1][i].y, w.z += v[1][i].z, w.w += v[1][i].w;
              if (numSums > 2) w.x += v[2][i].x, w.y += v[2][i].y, w.z += v[2][i].z, w.w += v[2][i].w;
              if (numSums > 3) w.x += v[3][i].x, w.y += v[3][i].y, w.z += v[3][i].z, w.w += v[3][i].w;
              sum[4 * (k + i)] = w.x, sum[4 * (k + i) + 1] = w.y, sum[4 * (k + i) + 2] = w.z, sum[4 * (k + i) + 3] = w.w;
            }
          }
        }
      }
      if (finishing && job.panel < s.panels) {  // no `continue`: the loop must stay uniform for its registers to be
        if constexpr (!ON_SUMS) {
          const float lift = F::lift(s.scaleExponent);
#pragma unroll
          for (int k = 0; k < N / 2; k++) sum[k] *= lift;
        }
        const int n = job.panel * COLUMNS + strip * 64 + (warp & 3) * 16 + (lane >> 2) * 2, m = (lane & 3) * 2 + (N < ROWS ? job.half * HALF_ROWS : 0);
        finishTile<T, ROWS, N>(rowBlockOf(s.out, job.rowBlock, s.panels), n, m, sum);
      }
    };
    while (jobs.next(s, job) && job.half < 0) multiply(std::integral_constant<int, ROWS>());
    if (job.half >= 0) multiply(std::integral_constant<int, HALF_ROWS>());
  }
  __syncwarp();
  clusterArrive(), clusterWait();  // the other still gives stages back to this CTA
}


#define PREFILL_PARAMETERS                                                                                                                         \
  const unsigned char *weights, const void *tables, const void *x, void *y0, void *y1, void *y2, float4 *partials, int *arrivals, int epilogue,     \
      int cut0, int cut1, int groups, int panels, int rowBlocks, int partsLog, int wholeRounds, int splitTiles, int piecesLog, int byRows, int stages, int zeroKind, \
      int scaleBf16, int scaleExponent, int numTables
// The format comes last: it may hold commas.
#define PREFILL_ENTRY(name, Q, ...)                                                                                                                \
  extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(PREFILL_THREADS, 1) name(PREFILL_PARAMETERS) {                            \
    using Format = __VA_ARGS__;                                                                                                                    \
    const PrefillShape shape{weights, x, {y0, y1, y2, epilogue, cut0, cut1, panels * 128}, partials, arrivals, groups, panels, rowBlocks, partsLog, \
                             wholeRounds, splitTiles, piecesLog, byRows, stages, zeroKind, scaleBf16, scaleExponent};                                     \
    prefill<Format, Q>(shape, tables, numTables);                                                                                                  \
  }

// Products of many rows (prefill) on Hopper: y[M,N] = x[M,K] * W[K,N] over packed 4-bit weights (docs/adr/0001), any M; made for M > 64.
//
// Maths: a weight is dequantised to the type of the activations (fp16 or bf16, one rounding), the tensor core multiplies and adds in fp32. K is cut into
//   `parts` ranges of groups, [p G / parts, (p + 1) G / parts); the sums of the parts are added in order of k. parts depends on K and N alone, so a
//   row's bits depend neither on M nor on its neighbours, nor on the card, nor on which CTA multiplied what, and are those of the
//   decode kernels (gemm_w4_decode_sm90.cu); docs/adr/0008 says which rows go where.
// Operands: weights, x, y0..y2 aligned to 128 bytes. x and y are tiled in blocks of 128 rows, [ceil(M/128)][Kp/8][128][8]; rows beyond M are computed
//   and hold what x holds there. groups = Kp/128, panels = Np/128, rowBlocks = ceil(M/128). Epilogues: gemm/prefill_epilogue.cuh.
//   scaleBf16: scales are bf16, else fp16. zeroKind: 0 symmetric, 1 zero point, 2 offset (the `zeros` entries).
//   scaleExponent (symmetric fp16 entries): the largest e <= 30 with max |scale| * 2^e <= 65504. Columns whose scales all lie below 2^-9 of the
//   largest lose accuracy. Infinite and NaN activations give NaN or infinity, as the product would.
//   partials: 2 * splitTiles * parts * 65536 bytes, arrivals: splitTiles * 4 ints, zero before the first launch and left zero. Kernels on one stream may
//   share both; two streams may not.
// Accuracy: relative error 2.8e-4 (fp16), 2.3e-3 (bf16; 2.9e-3 with fp16 scales) against the product of the dequantised weights.
//
// Tile 128 columns x 128 rows a CTA: two warpgroups of 64 columns x 128 rows, weights as operand A out of registers; one warp keeps a ring of stages
// (a block of weights and 128 k of x) full, and asks for weights before the kernel ahead has finished. The CTAs of a cluster of two have neighbouring panels and
// the same rows: each brings half of x to both, because all of x from L2 for every panel takes a tenth of the power that the clock hangs on. Nobody waits for another
// cluster: where tiles leave multiprocessors idle, the last of the pieces of a tile to arrive adds up what the others left.
//
// Launch: SMs CTAs (fewer, if there is less to do) of 384 threads, programmatic dependent launch; a pure function of K, N, M and SMs, where a tile is a cluster's:
//   G = groups, T = ceil(panels / 2) * rowBlocks; the second CTA of the last pair of an odd number of panels works for nothing
//   cost(T, parts, sms): R = T / sms, rem = T % sms; best = (R + (rem > 0)) * G; for pieces = 2, 4 .. parts while rem > 0:
//     R * G + ceil(rem * pieces / sms) * (ceil(G / pieces) + 5), the first smallest wins; 5 groups are what adding up costs
//   parts = 1 for 132 panels and more, else the first smallest of {1, 2, 4} (p > 1 only if G >= 4 p) by cost(panels, p, 132) + cost(2 * panels, p, 132)     132: fixed, whatever the card
//   with cost(T, parts, SMs / 2): split wins: wholeRounds = R, splitTiles = rem, pieces; else wholeRounds = R + (rem > 0), splitTiles = 0, pieces = 1
//   grid = 2 * (wholeRounds > 0 ? SMs / 2 : min(SMs / 2, splitTiles * pieces));  partsLog, piecesLog = log2
//   stage = block bytes + 32768, stages = as many as fit beside 65536 bytes into 231424 (4; 3 for the largest blocks)
//   shared = stages * stage + 65536
#include "common/cluster.cuh"
#include "gemm/prefill_epilogue.cuh"

constexpr int ROWS = 128, COLUMNS = 128, GROUP = 128;  // of a tile; k of a block
constexpr int WARPGROUPS = 2, PRODUCER_WARP = WARPGROUPS * 4, PREFILL_THREADS = (WARPGROUPS + 1) * 128;
constexpr int X_BYTES = ROWS * GROUP * 2;
constexpr int MAX_STAGES = 8;
constexpr int K_STEP = ROWS * 32 >> 4;  // what a k16 step adds to a descriptor

struct PrefillShape {
  const unsigned char* weights;
  const void* x;
  Output out;
  float4* partials;
  int* arrivals;
  int groups, panels, rowBlocks, partsLog, wholeRounds, splitTiles, piecesLog, stages, zeroKind, scaleBf16, scaleExponent;
  __device__ __forceinline__ int parts() const { return 1 << partsLog; }
  __device__ __forceinline__ int pieces() const { return 1 << piecesLog; }
  __device__ __forceinline__ int partStart(int part) const { return part * groups >> partsLog; }
};

// The jobs of a CTA in order: whole tiles, then parts of the split tiles; those of a cluster's two CTAs differ in their panels alone. Pairs of tiles are counted with the
// row block running fastest, so that clusters that run together share weights. Steps instead of divisions: the tensor cores stand still meanwhile.
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
    int panel, rowBlock, part, endPart, split;  // the last panel may be one that is not there
  };
  __device__ __forceinline__ bool next(const PrefillShape& s, Job& job) {
    if (round < s.wholeRounds) {
      job = {2 * pair + member(), rowBlock, 0, s.parts(), -1};
      pair += pairStep, rowBlock += rowStep;
      if (rowBlock >= s.rowBlocks) rowBlock -= s.rowBlocks, pair++;
    } else {
      const int number = (round - s.wholeRounds) * clusters() + cluster(), split = number >> s.piecesLog, tile = s.wholeRounds * clusters() + split;
      if (split >= s.splitTiles) return false;
      const int size = s.parts() >> s.piecesLog, part = (number & s.pieces() - 1) * size;
      job = {2 * (tile / s.rowBlocks) + member(), tile % s.rowBlocks, part, part + size, 2 * split + member()};
    }
    round++;
    return job.panel - member() < s.panels;
  }
};

// Bytes of a block; the codes lie behind the scales (and zeros).
template <int Q> __device__ __forceinline__ int headBytes(int zeroKind) { return Q * 256 * (zeroKind == 0 ? 1 : 2); }

struct PrefillBarriers {
  uint64_t full[MAX_STAGES], empty[MAX_STAGES];
};

// One warp; everything but the copies is uniform in it, so that addresses stay in uniform registers.
template <int Q> __device__ __forceinline__ void produce(const PrefillShape& s, PrefillBarriers& bars, uint32_t ring, bool leader) {
  const int blockBytes = headBytes<Q>(s.zeroKind) + 8192, stageBytes = blockBytes + X_BYTES;
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
        barrierExpect(full, stageBytes);
        bulkCopy(ring + ahead * stageBytes, w, blockBytes, full);
      }
  }
  waitForPredecessor();
  int stage = 0, use = 0;
  uint32_t parity = 1;
  const int half = PrefillJobs::member() * (X_BYTES / 2);
  PrefillJobs jobs(s);
  while (jobs.next(s, job)) {
    const int g0 = s.partStart(job.part), g1 = s.partStart(job.endPart);
    const unsigned char* w = s.weights + ((int64_t)min(job.panel, s.panels - 1) * s.groups + g0) * blockBytes;
    const unsigned char* x = (const unsigned char*)s.x + ((int64_t)job.rowBlock * s.groups + g0) * X_BYTES;
    for (int g = g0; g < g1; g++, use++, w += blockBytes, x += X_BYTES) {
      const uint32_t full = sharedAddress(&bars.full[stage]), to = ring + stage * stageBytes;
      if (use >= ahead) {
        barrierWait(sharedAddress(&bars.empty[stage]), parity);
        if (leader) {
          barrierExpect(full, stageBytes);
          bulkCopy(to, w, blockBytes, full);
        }
      }
      if (leader) bulkCopyToPair(to + blockBytes + half, x + half, X_BYTES / 2, full);
      if (++stage == s.stages) stage = 0, parity ^= 1;
    }
  }
  // Consumers look one stage ahead: let them see one more.
  barrierWait(sharedAddress(&bars.empty[stage]), parity);
  if (leader) barrierArrive(sharedAddress(&bars.full[stage]));
}

// Codes of half a block (four k16 steps) -> fragments.
template <class T, int Q, bool ZEROS>
__device__ __forceinline__ void scaleFragments(uint32_t* a, uint4 codes, int half, const GroupScale<typename T::Pair> (&scales)[Q]) {
#pragma unroll
  for (int i = 0; i < 4; i++)
    T::template weights<ZEROS>(a + 4 * i, i == 0 ? codes.x : i == 1 ? codes.y : i == 2 ? codes.z : codes.w, scales[(half * 4 + i) * Q / 8]);
}

template <class T, int Q, bool ZEROS> __device__ __forceinline__ void prefill(const PrefillShape& s) {
  extern __shared__ __align__(1024) unsigned char shared[];
  __shared__ PrefillBarriers bars;
  __shared__ int lastArrival[WARPGROUPS];
  const int tid = threadIdx.x, warp = __shfl_sync(~0u, tid >> 5, 0), lane = tid & 31;
  const uint32_t ring = sharedAddress(shared);
  if (tid == 0) {
    for (int i = 0; i < s.stages; i++) barrierInit(sharedAddress(&bars.full[i]), 1), barrierInit(sharedAddress(&bars.empty[i]), 2 * WARPGROUPS * 4);
    barrierInitFence();
  }
  __syncthreads();
  clusterArrive(), clusterWait();  // the other's barriers are there
  if (warp >= PRODUCER_WARP) {
    lowerRegisters<40>();
    if (warp == PRODUCER_WARP) produce<Q>(s, bars, ring, elected());
  } else {
    raiseRegisters<232>();
    waitForPredecessor();
    const int strip = warp >> 2, t = tid & 127;
    const int head = headBytes<Q>(s.zeroKind), stageBytes = head + 8192 + X_BYTES;
    const uint32_t words = ring + head + strip * 4096 + t * 16, scales = ring + strip * 128 + (warp & 3) * 32 + (lane >> 2) * 4;
    const uint64_t descriptor = operandB(ring + head + 8192, ROWS);
    float p[ROWS / 2], sum[ROWS / 2];
    uint32_t fa[16], fb[16];
    GroupScale<typename T::Pair> group[Q];
    uint4 codes;
    // The stage at work: its place in the ring and that of its barriers.
    const uint32_t full = sharedAddress(bars.full), empty = sharedAddress(bars.empty), endBar = s.stages * 8;
    uint32_t offset = 0, bar = 0, parity = 0, held = 0;
    const uint32_t stash = ring + s.stages * stageBytes + tid * 16;  // [16][256] float4: the sum of the parts before
    // Gives a stage back to both CTAs, as each fills half of it in either.
    auto release = [&](uint32_t bar) {
      if (lane < 2) arrivePeer(peerAddress(bar, lane));
    };
    auto partial = [&](int split, int part) {  // [split tile][part][warpgroup][row tile][thread]
      return s.partials + ((int64_t)((split << s.partsLog) + part) * WARPGROUPS + strip) * (ROWS / 8 * 128) + t;
    };
    // First half of a stage's fragments; its second half and scales stay for later.
    auto begin = [&](uint32_t off) {
      const uint4 first = loadSharedWords(words + off);
      codes = loadSharedWords(words + off + 2048);
#pragma unroll
      for (int q = 0; q < Q; q++)
        group[q] = groupScale<T, ZEROS>(loadSharedWord(scales + off + q * 256), ZEROS ? loadSharedWord(scales + off + (Q + q) * 256) : 0u, s.zeroKind, s.scaleBf16, s.scaleExponent);
      scaleFragments<T, Q, ZEROS>(fa, first, 0, group);
    };
    barrierWait(full, 0);
    begin(0);
    PrefillJobs jobs(s);
    PrefillJobs::Job job;
    while (jobs.next(s, job)) {
      for (int part = job.part; part < job.endPart; part++) {
        const int numGroups = s.partStart(part + 1) - s.partStart(part);
        for (int g = 0; g < numGroups; g++) {
          // One batch of wgmmas is always in flight: the fragments of the other half are made under it.
          const uint64_t b = descriptor + __shfl_sync(~0u, offset >> 4, 0);  // the shuffle tells the compiler that it is uniform
          wgmmaFence();
          wgmma<T>(p, fa, b, g > 0);
#pragma unroll
          for (int k = 1; k < 4; k++) wgmma<T>(p, fa + 4 * k, b + k * K_STEP, true);
          wgmmaCommit();
          wgmmaWait<1>();  // the second half of the group before
          if (g > 0) release(held);
          scaleFragments<T, Q, ZEROS>(fb, codes, 1, group);
          wgmmaFence();
#pragma unroll
          for (int k = 0; k < 4; k++) wgmma<T>(p, fb + 4 * k, b + (4 + k) * K_STEP, true);
          wgmmaCommit();
          held = empty + bar;
          offset += stageBytes, bar += 8;
          if (bar == endBar) offset = bar = 0, parity ^= 1;
          barrierWait(full + bar, parity);
          wgmmaWait<1>();  // the first half
          begin(offset);
        }
        wgmmaWait<0>();
        release(held);
        // The parts of a first (or only) piece are added in order; the others leave each part by itself. p itself is left to the wgmmas.
#pragma unroll
        for (int k = 0; k < ROWS / 2; k++) sum[k] = p[k];
        if (job.part == 0 && part > 0) {
#pragma unroll
          for (int k = 0; k < ROWS / 8; k++) {
            const float4 v = loadShared4(stash + k * (WARPGROUPS * 128 * 16));
            sum[4 * k] += v.x, sum[4 * k + 1] += v.y, sum[4 * k + 2] += v.z, sum[4 * k + 3] += v.w;
          }
        }
        if (job.part == 0 && part + 1 < job.endPart) {
#pragma unroll
          for (int k = 0; k < ROWS / 8; k++) storeShared4(stash + k * (WARPGROUPS * 128 * 16), make_float4(sum[4 * k], sum[4 * k + 1], sum[4 * k + 2], sum[4 * k + 3]));
        } else if (job.split >= 0) {
          float4* mine = partial(job.split, job.part == 0 ? 0 : part);
#pragma unroll
          for (int k = 0; k < ROWS / 8; k++) __stcg(mine + k * 128, make_float4(sum[4 * k], sum[4 * k + 1], sum[4 * k + 2], sum[4 * k + 3]));
        }
      }
      bool finishing = true;
      if (job.split >= 0) {
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
          for (int k = 0; k < ROWS / 8; k += BATCH) {
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
        const float lift = ZEROS ? 1.f : powerOfTwo(T::lift(s.scaleExponent));
#pragma unroll
        for (int k = 0; k < ROWS / 2; k++) sum[k] *= lift;
        const int n = job.panel * COLUMNS + strip * 64 + (warp & 3) * 16 + (lane >> 2) * 2, m = (lane & 3) * 2;
        finishTile<T, ROWS>(rowBlockOf(s.out, job.rowBlock, s.panels), n, m, sum);
      }
    }
  }
  __syncwarp();
  clusterArrive(), clusterWait();  // the other still gives stages back to this CTA
}

#define PREFILL_ENTRY(name, T, Q, ZEROS)                                                                                                      \
  extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(PREFILL_THREADS, 1)                                                  \
      name(const unsigned char* weights, const void* x, void* y0, void* y1, void* y2, float4* partials, int* arrivals, int epilogue, int cut0, \
           int cut1, int groups, int panels, int rowBlocks, int partsLog, int wholeRounds, int splitTiles, int piecesLog, int stages, int zeroKind, \
           int scaleBf16, int scaleExponent) {                                                                                                \
    prefill<T, Q, ZEROS>(PrefillShape{weights, x, {y0, y1, y2, epilogue, cut0, cut1, panels * 128}, partials, arrivals, groups, panels, rowBlocks, partsLog,   \
                                      wholeRounds, splitTiles, piecesLog, stages, zeroKind, scaleBf16, scaleExponent});                                                 \
  }

PREFILL_ENTRY(gemm_prefill_w4_f16_g128, WeightsF16, 1, false)
PREFILL_ENTRY(gemm_prefill_w4_f16_g64, WeightsF16, 2, false)
PREFILL_ENTRY(gemm_prefill_w4_f16_g32, WeightsF16, 4, false)
PREFILL_ENTRY(gemm_prefill_w4_zeros_f16_g128, WeightsF16, 1, true)
PREFILL_ENTRY(gemm_prefill_w4_zeros_f16_g64, WeightsF16, 2, true)
PREFILL_ENTRY(gemm_prefill_w4_zeros_f16_g32, WeightsF16, 4, true)
PREFILL_ENTRY(gemm_prefill_w4_bf16_g128, WeightsBf16, 1, false)
PREFILL_ENTRY(gemm_prefill_w4_bf16_g64, WeightsBf16, 2, false)
PREFILL_ENTRY(gemm_prefill_w4_bf16_g32, WeightsBf16, 4, false)
PREFILL_ENTRY(gemm_prefill_w4_zeros_bf16_g128, WeightsBf16, 1, true)
PREFILL_ENTRY(gemm_prefill_w4_zeros_bf16_g64, WeightsBf16, 2, true)
PREFILL_ENTRY(gemm_prefill_w4_zeros_bf16_g32, WeightsBf16, 4, true)

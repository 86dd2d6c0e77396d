// The body of gemm_dense_*_sm90.cu; contract in gemm_dense_sm90.cu. T: F16 or Bf16 of common/mma.cuh.
#pragma once
#include "../common/async.cuh"
#include "../common/cluster.cuh"
#include "../ops/rows.cuh"
#include "../ops/wgmma.cuh"

constexpr int STRIP = 64, MAX_STAGES = 12;
enum Epilogue : int { STORE = 0, ADD = 1, SWIGLU = 2, FLOATS = 3 };

struct DenseShape {
  const unsigned char *weights, *x;
  void* y;
  int epilogue, columns, groups, strips, rows, tiles, stages;
};

struct DenseBarriers {
  uint64_t full[MAX_STAGES], empty[MAX_STAGES];
};

// Columns n0, n0 + 1 (n0 even) of rows m, m + 1: v = {(n0,m), (n0,m+1), (n0+1,m), (n0+1,m+1)}; `tile` is the tile of rows, m a row in it.
template <class T, int R> __device__ __forceinline__ void finish(const DenseShape& s, int tile, int n0, int m, float4 v) {
  auto at = [&](int column, int columns) {  // tiled element (column, m); the next row is 8 further
    return (uint16_t*)s.y + ((int64_t)tile * ((columns + 127) / 128 * 16) + (column >> 3)) * R * 8 + m * 8 + (column & 7);
  };
  if (s.epilogue == FLOATS) {
    float* y = (float*)s.y + (int64_t)(tile * R + m) * s.columns + n0;
#pragma unroll
    for (int r = 0; r < 2; r++) {
      if (tile * R + m + r >= s.rows || n0 >= s.columns) continue;
      const float lo = r ? v.y : v.x, hi = r ? v.w : v.z;
      if (s.columns % 2 == 0) __stcs((float2*)(y + (int64_t)r * s.columns), make_float2(lo, hi));
      else {
        y[(int64_t)r * s.columns] = lo;
        if (n0 + 1 < s.columns) y[(int64_t)r * s.columns + 1] = hi;
      }
    }
  } else if (s.epilogue == SWIGLU) {
    uint16_t* y = at(n0 >> 1, s.columns / 2);
    y[0] = T::bits(v.x / (1.f + __expf(-v.x)) * v.z);
    y[8] = T::bits(v.y / (1.f + __expf(-v.y)) * v.w);
  } else {
    uint16_t* y = at(n0, s.columns);
    if (s.epilogue == ADD) {
      const uint32_t before = loadFresh((const uint32_t*)y), next = loadFresh((const uint32_t*)(y + 8));
      const float2 a = T::unpack(before), b = T::unpack(next);
      v.x += a.x, v.z += a.y, v.y += b.x, v.w += b.y;
    }
    *(uint32_t*)y = T::pack(v.x, v.z);
    *(uint32_t*)(y + 8) = T::pack(v.y, v.w);
  }
}

// A block has STRIPS strips of 64 outputs, a warpgroup each; one warp brings weights, one x, and neither divides in its loop over K. One thread that brought both and divided for
// every stage took 23.8 us where the same blocks and ring so took 14.4 (8 rows, 6144 outputs); which of the two it was has not been measured.
// PAIR: two blocks of a cluster have neighbouring outputs and the same rows; each brings half of x to both, or all of it would come out of L2 for every one of them.
template <class T, int R, int STRIPS, int STEP, int TOGETHER, bool PAIR> __device__ __forceinline__ void dense(const DenseShape& s) {
  constexpr int RUN = STRIP * STEP * 2, X_BYTES = R * STEP * 2, STAGE_BYTES = STRIPS * RUN + TOGETHER * X_BYTES, MEMBERS = PAIR ? 2 : 1;
  extern __shared__ __align__(1024) unsigned char shared[];
  __shared__ DenseBarriers bars;
  const int tid = threadIdx.x, warp = __shfl_sync(~0u, tid >> 5, 0), lane = tid & 31;
  const int member = blockIdx.x % MEMBERS, cluster = blockIdx.x / MEMBERS, clusters = gridDim.x / MEMBERS;
  const int units = s.strips / STRIPS, tileGroups = (s.tiles + TOGETHER - 1) / TOGETHER, jobs = (units + MEMBERS - 1) / MEMBERS * tileGroups, steps = s.groups * (128 / STEP);
  const uint32_t ring = sharedAddress(shared);
  auto unitOf = [&](int job) { return job / tileGroups * MEMBERS + member; };  // the last may be one that is not there
  auto tileOf = [&](int job) { return job % tileGroups * TOGETHER; };
  if (tid < s.stages) {
    barrierInit(sharedAddress(&bars.full[tid]), 2), barrierInit(sharedAddress(&bars.empty[tid]), STRIPS * MEMBERS);
    barrierInitFence();
  }
  __syncthreads();
  if (PAIR) clusterArrive(), clusterWait();  // the other's barriers are there
  startSuccessor();
  int stage = 0;
  uint32_t parity = 0;
  auto advance = [&]() {
    if (++stage == s.stages) stage = 0, parity ^= 1;
  };
  if (warp == STRIPS * 4) {
    if (lane == 0) {  // Weights do not depend on the kernel ahead: as many as the ring has room for are asked for while it runs.
      const uint64_t policy = evictFirstPolicy();
      const int64_t stripBytes = (int64_t)steps * RUN;
      for (int job = cluster; job < jobs; job += clusters) {
        const unsigned char* from = s.weights + min(unitOf(job), units - 1) * (STRIPS * stripBytes);
        for (int step = 0; step < steps; step++, from += RUN, advance()) {
          const uint32_t full = sharedAddress(&bars.full[stage]), to = ring + stage * STAGE_BYTES;
          barrierWait(sharedAddress(&bars.empty[stage]), parity ^ 1);
          barrierExpect(full, STRIPS * RUN);
#pragma unroll
          for (int i = 0; i < STRIPS; i++) {
            if (tileGroups == 1) bulkCopy(to + i * RUN, from + i * stripBytes, RUN, full, policy);
            else bulkCopy(to + i * RUN, from + i * stripBytes, RUN, full);
          }
        }
      }
    }
    __syncwarp();
  } else if (warp == STRIPS * 4 + 1) {
    awaitPredecessor();
    if (lane == 0) {
      const int64_t tileBytes = (int64_t)steps * X_BYTES;
      for (int job = cluster; job < jobs; job += clusters) {
        const int tile = tileOf(job), count = min(TOGETHER, s.tiles - tile);
        const unsigned char* from = s.x + tile * tileBytes + member * (X_BYTES / MEMBERS);
        for (int step = 0; step < steps; step++, from += X_BYTES, advance()) {
          const uint32_t full = sharedAddress(&bars.full[stage]), to = ring + stage * STAGE_BYTES + STRIPS * RUN + member * (X_BYTES / MEMBERS);
          barrierWait(sharedAddress(&bars.empty[stage]), parity ^ 1);
          barrierExpect(full, count * X_BYTES);
#pragma unroll
          for (int t = 0; t < TOGETHER; t++) {
            if (t >= count) break;
            if (PAIR) bulkCopyToPair(to + t * X_BYTES, from + t * tileBytes, X_BYTES / 2, full);
            else bulkCopy(to + t * X_BYTES, from + t * tileBytes, X_BYTES, full);
          }
        }
      }
    }
    __syncwarp();
  } else {
    awaitPredecessor();
    const int group = warp >> 2;
    int held = -1;
    float d[TOGETHER][R / 2];
    auto release = [&](int stage) {  // to whoever fills it: one thread of a warpgroup for each block
      if ((tid & 127) >= MEMBERS) return;
      const uint32_t empty = sharedAddress(&bars.empty[stage]);
      if (PAIR) arrivePeer(peerAddress(empty, tid & 127));
      else barrierArrive(empty);
    };
    for (int job = cluster; job < jobs; job += clusters) {
      for (int step = 0; step < steps; step++, advance()) {
        barrierWait(sharedAddress(&bars.full[stage]), parity);
        const uint32_t at = ring + stage * STAGE_BYTES;
        const uint64_t a = operand(at + group * RUN, STRIP);
        wgmmaFence();
#pragma unroll
        for (int k = 0; k < STEP / 16; k++)
#pragma unroll
          for (int t = 0; t < TOGETHER; t++)
            wgmma<T, R>(d[t], a + k * OPERAND_STEP<STRIP>, operand(at + STRIPS * RUN + t * X_BYTES, R) + k * OPERAND_STEP<R>, step > 0 || k > 0);
        wgmmaCommit();
        wgmmaWait<1>();
        if (held >= 0) release(held);
        held = stage;
      }
      wgmmaWait<0>();
      release(held);
      held = -1;
      if (unitOf(job) >= units) continue;
      const int n0 = unitOf(job) * (STRIPS * STRIP) + group * STRIP + (warp & 3) * 16 + (lane >> 2) * 2, tile = tileOf(job);
#pragma unroll
      for (int t = 0; t < TOGETHER; t++) {
        if (tile + t >= s.tiles) break;
#pragma unroll
        for (int j = 0; j < R / 8; j++)
          finish<T, R>(s, tile + t, n0, j * 8 + (lane & 3) * 2, make_float4(d[t][4 * j], d[t][4 * j + 1], d[t][4 * j + 2], d[t][4 * j + 3]));
      }
    }
    __syncwarp();
  }
  if (PAIR) clusterArrive(), clusterWait();  // the other still gives stages back to this block, and may have x on its way to it
}

#define DENSE_PARAMETERS const unsigned char *weights, const unsigned char *x, void *y, int epilogue, int columns, int groups, int strips, int rows, int tiles, int stages
#define DENSE_SHAPE {weights, x, y, epilogue, columns, groups, strips, rows, tiles, stages}
#define DENSE_ENTRY(T, type, out, step, r, t)                                                                                           \
  extern "C" __global__ void __launch_bounds__(out * 2 + 64, 1) gemm_dense_##type##_o##out##_r##r##x##t(DENSE_PARAMETERS) {             \
    dense<T, r, out / STRIP, step, t, false>(DENSE_SHAPE);                                                                              \
  }
#define DENSE_PAIR_ENTRY(T, type, out, step, r, t)                                                                                                    \
  extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(out * 2 + 64, 1) gemm_dense_##type##_o##out##_r##r##x##t(DENSE_PARAMETERS) { \
    dense<T, r, out / STRIP, step, t, true>(DENSE_SHAPE);                                                                                             \
  }
#define DENSE_ENTRIES(T, type)               \
  DENSE_ENTRY(T, type, 64, 128, 8, 1)        \
  DENSE_ENTRY(T, type, 64, 128, 16, 1)       \
  DENSE_ENTRY(T, type, 64, 128, 32, 1)       \
  DENSE_ENTRY(T, type, 64, 128, 64, 1)       \
  DENSE_PAIR_ENTRY(T, type, 64, 64, 128, 1)  \
  DENSE_ENTRY(T, type, 128, 64, 64, 1)       \
  DENSE_PAIR_ENTRY(T, type, 128, 64, 128, 1) \
  DENSE_PAIR_ENTRY(T, type, 128, 64, 128, 2)

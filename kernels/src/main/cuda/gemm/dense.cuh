// The body of gemm_dense_*_sm90.cu; contract in gemm_dense_sm90.cu. T: F16 or Bf16 of common/mma.cuh.
#pragma once
#include "../common/async.cuh"
#include "../ops/rows.cuh"
#include "../ops/wgmma.cuh"

constexpr int PANEL = 128, STEP = 64, WARPGROUPS = 2, DENSE_THREADS = (WARPGROUPS + 1) * 128, WEIGHT_BYTES = PANEL * STEP * 2, MAX_STAGES = 12;
enum Epilogue : int { STORE = 0, ADD = 1, SWIGLU = 2, FLOATS = 3 };

struct DenseShape {
  const unsigned char *weights, *x;
  void* y;
  int epilogue, columns, groups, panels, rows, tiles, stages;
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

template <class T, int R, int TOGETHER> __device__ __forceinline__ void dense(const DenseShape& s) {
  constexpr int X_BYTES = R * STEP * 2, STAGE_BYTES = WEIGHT_BYTES + TOGETHER * X_BYTES;
  extern __shared__ __align__(1024) unsigned char shared[];
  __shared__ DenseBarriers bars;
  const int tid = threadIdx.x, warp = __shfl_sync(~0u, tid >> 5, 0), lane = tid & 31;
  const int tileGroups = (s.tiles + TOGETHER - 1) / TOGETHER, jobs = s.panels * tileGroups, steps = s.groups * (128 / STEP);
  const uint32_t ring = sharedAddress(shared);
  if (tid == 0) {
    for (int i = 0; i < s.stages; i++) barrierInit(sharedAddress(&bars.full[i]), 1), barrierInit(sharedAddress(&bars.empty[i]), WARPGROUPS);
    barrierInitFence();
  }
  __syncthreads();
  startSuccessor();
  if (warp >= WARPGROUPS * 4) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    if (warp > WARPGROUPS * 4 || lane != 0) {
      awaitPredecessor();
      return;
    }
    // Weights do not depend on the kernel ahead; a stage's x follows once that has ended.
    const uint64_t policy = evictFirstPolicy();
    auto weights = [&](int job, int step, int stage) {
      const uint32_t full = sharedAddress(&bars.full[stage]);
      const int tile = job % tileGroups * TOGETHER;
      barrierExpect(full, WEIGHT_BYTES + min(TOGETHER, s.tiles - tile) * X_BYTES);
      const unsigned char* from = s.weights + ((int64_t)(job / tileGroups) * steps + step) * WEIGHT_BYTES;
      if (tileGroups == 1) bulkCopy(ring + stage * STAGE_BYTES, from, WEIGHT_BYTES, full, policy);
      else bulkCopy(ring + stage * STAGE_BYTES, from, WEIGHT_BYTES, full);
    };
    auto activations = [&](int job, int step, int stage) {
      const int tile = job % tileGroups * TOGETHER;
      for (int t = 0; t < min(TOGETHER, s.tiles - tile); t++)
        bulkCopy(ring + stage * STAGE_BYTES + WEIGHT_BYTES + t * X_BYTES, s.x + ((int64_t)(tile + t) * steps + step) * X_BYTES, X_BYTES, sharedAddress(&bars.full[stage]));
    };
    const int ahead = min(s.stages, steps);  // stages of the first job that are filled early
    for (int i = 0; i < ahead; i++) weights(blockIdx.x, i, i);
    awaitPredecessor();
    int stage = 0, use = 0;
    uint32_t parity = 1;
    for (int job = blockIdx.x; job < jobs; job += gridDim.x)
      for (int step = 0; step < steps; step++, use++) {
        if (use >= ahead) {
          barrierWait(sharedAddress(&bars.empty[stage]), parity);
          weights(job, step, stage);
        }
        activations(job, step, stage);
        if (++stage == s.stages) stage = 0, parity ^= 1;
      }
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    awaitPredecessor();
    const int group = warp >> 2;
    int stage = 0, held = -1;
    uint32_t parity = 0;
    float d[TOGETHER][R / 2];
    for (int job = blockIdx.x; job < jobs; job += gridDim.x) {
      for (int step = 0; step < steps; step++) {
        barrierWait(sharedAddress(&bars.full[stage]), parity);
        const uint32_t at = ring + stage * STAGE_BYTES;
        const uint64_t a = operand(at + group * 64 * 16, PANEL);
        wgmmaFence();
#pragma unroll
        for (int k = 0; k < STEP / 16; k++)
#pragma unroll
          for (int t = 0; t < TOGETHER; t++) wgmma<T, R>(d[t], a + k * OPERAND_STEP<PANEL>, operand(at + WEIGHT_BYTES + t * X_BYTES, R) + k * OPERAND_STEP<R>, step > 0 || k > 0);
        wgmmaCommit();
        wgmmaWait<1>();
        if (held >= 0 && (tid & 127) == 0) barrierArrive(sharedAddress(&bars.empty[held]));
        held = stage;
        if (++stage == s.stages) stage = 0, parity ^= 1;
      }
      wgmmaWait<0>();
      if ((tid & 127) == 0) barrierArrive(sharedAddress(&bars.empty[held]));
      held = -1;
      const int n0 = job / tileGroups * PANEL + group * 64 + (warp & 3) * 16 + (lane >> 2) * 2, tile = job % tileGroups * TOGETHER;
#pragma unroll
      for (int t = 0; t < TOGETHER; t++) {
        if (tile + t >= s.tiles) break;
#pragma unroll
        for (int j = 0; j < R / 8; j++)
          finish<T, R>(s, tile + t, n0, j * 8 + (lane & 3) * 2, make_float4(d[t][4 * j], d[t][4 * j + 1], d[t][4 * j + 2], d[t][4 * j + 3]));
      }
    }
  }
}

#define DENSE_ENTRY(T, type, r, t)                                                                                                                    \
  extern "C" __global__ void __launch_bounds__(DENSE_THREADS, 1) gemm_dense_##type##_r##r##x##t(                                                       \
      const unsigned char* weights, const unsigned char* x, void* y, int epilogue, int columns, int groups, int panels, int rows, int tiles, int stages) { \
    dense<T, r, t>({weights, x, y, epilogue, columns, groups, panels, rows, tiles, stages});                                                           \
  }
#define DENSE_ENTRIES(T, type) \
  DENSE_ENTRY(T, type, 8, 1)   \
  DENSE_ENTRY(T, type, 16, 1)  \
  DENSE_ENTRY(T, type, 32, 1)  \
  DENSE_ENTRY(T, type, 64, 1)  \
  DENSE_ENTRY(T, type, 128, 1) \
  DENSE_ENTRY(T, type, 128, 2)

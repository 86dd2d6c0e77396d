// The body of gemm_dense_*_sm90.cu; contract in gemm_dense_sm90.cu. T: F16 or Bf16 of common/mma.cuh.
#pragma once
#include "../common/async.cuh"
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

// A block has STRIPS strips of 64 outputs, a warpgroup each (the last block may have fewer; their warpgroups multiply what lies there and store nothing); one warp brings weights,
// one x, and neither divides in its loop over K. One thread that brought both and divided for every stage took 23.8 us where the same blocks and ring so took 14.4 (8 rows, 6144
// outputs); which of the two it was has not been measured.
template <class T, int R, int STRIPS, int STEP> __device__ __forceinline__ void dense(const DenseShape& s) {
  constexpr int RUN = STRIP * STEP * 2, X_BYTES = R * STEP * 2, STAGE_BYTES = STRIPS * RUN + X_BYTES;
  extern __shared__ __align__(1024) unsigned char shared[];
  __shared__ DenseBarriers bars;
  const int tid = threadIdx.x, warp = __shfl_sync(~0u, tid >> 5, 0), lane = tid & 31;
  const int jobs = (s.strips + STRIPS - 1) / STRIPS * s.tiles, steps = s.groups * (128 / STEP);
  const uint32_t ring = sharedAddress(shared);
  auto stripOf = [&](int job) { return job / s.tiles * STRIPS; };
  auto tileOf = [&](int job) { return job % s.tiles; };
  if (tid < s.stages) {
    barrierInit(sharedAddress(&bars.full[tid]), 2), barrierInit(sharedAddress(&bars.empty[tid]), STRIPS);
    barrierInitFence();
  }
  __syncthreads();
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
      for (int job = blockIdx.x; job < jobs; job += gridDim.x) {
        const unsigned char* from = s.weights + stripOf(job) * stripBytes;
        const int strips = min(STRIPS, s.strips - stripOf(job));
        for (int step = 0; step < steps; step++, from += RUN, advance()) {
          const uint32_t full = sharedAddress(&bars.full[stage]), to = ring + stage * STAGE_BYTES;
          barrierWait(sharedAddress(&bars.empty[stage]), parity ^ 1);
          barrierExpect(full, strips * RUN);
#pragma unroll
          for (int i = 0; i < STRIPS; i++) {
            if (i >= strips) break;
            if (s.tiles == 1) bulkCopy(to + i * RUN, from + i * stripBytes, RUN, full, policy);
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
      for (int job = blockIdx.x; job < jobs; job += gridDim.x) {
        const unsigned char* from = s.x + tileOf(job) * tileBytes;
        for (int step = 0; step < steps; step++, from += X_BYTES, advance()) {
          const uint32_t full = sharedAddress(&bars.full[stage]);
          barrierWait(sharedAddress(&bars.empty[stage]), parity ^ 1);
          barrierExpect(full, X_BYTES);
          bulkCopy(ring + stage * STAGE_BYTES + STRIPS * RUN, from, X_BYTES, full);
        }
      }
    }
    __syncwarp();
  } else {
    awaitPredecessor();
    const int group = warp >> 2;
    int held = -1;
    float d[R / 2];
    auto release = [&](int stage) {
      if ((tid & 127) == 0) barrierArrive(sharedAddress(&bars.empty[stage]));
    };
    for (int job = blockIdx.x; job < jobs; job += gridDim.x) {
      for (int step = 0; step < steps; step++, advance()) {
        barrierWait(sharedAddress(&bars.full[stage]), parity);
        const uint32_t at = ring + stage * STAGE_BYTES;
        const uint64_t a = operand(at + group * RUN, STRIP), b = operand(at + STRIPS * RUN, R);
        wgmmaFence();
#pragma unroll
        for (int k = 0; k < STEP / 16; k++) wgmma<T, R>(d, a + k * OPERAND_STEP<STRIP>, b + k * OPERAND_STEP<R>, step > 0 || k > 0);
        wgmmaCommit();
        wgmmaWait<1>();
        if (held >= 0) release(held);
        held = stage;
      }
      wgmmaWait<0>();
      release(held);
      held = -1;
      const int strip = stripOf(job) + group;
      if (strip >= s.strips) continue;
      const int n0 = strip * STRIP + (warp & 3) * 16 + (lane >> 2) * 2;
#pragma unroll
      for (int j = 0; j < R / 8; j++) finish<T, R>(s, tileOf(job), n0, j * 8 + (lane & 3) * 2, make_float4(d[4 * j], d[4 * j + 1], d[4 * j + 2], d[4 * j + 3]));
    }
    __syncwarp();
  }
}

#define DENSE_PARAMETERS const unsigned char *weights, const unsigned char *x, void *y, int epilogue, int columns, int groups, int strips, int rows, int tiles, int stages
#define DENSE_SHAPE {weights, x, y, epilogue, columns, groups, strips, rows, tiles, stages}
#define DENSE_ENTRY(T, type, out, step, r)                                                                                         \
  extern "C" __global__ void __launch_bounds__(out * 2 + 64, 1) gemm_dense_##type##_o##out##_r##r(DENSE_PARAMETERS) {              \
    dense<T, r, out / STRIP, step>(DENSE_SHAPE);                                                                                   \
  }
#define DENSE_ENTRIES(T, type)       \
  DENSE_ENTRY(T, type, 64, 128, 8)   \
  DENSE_ENTRY(T, type, 64, 128, 16)  \
  DENSE_ENTRY(T, type, 64, 128, 32)  \
  DENSE_ENTRY(T, type, 64, 128, 64)  \
  DENSE_ENTRY(T, type, 64, 64, 128)  \
  DENSE_ENTRY(T, type, 128, 64, 64)  \
  DENSE_ENTRY(T, type, 128, 64, 128) \
  DENSE_ENTRY(T, type, 256, 64, 128)

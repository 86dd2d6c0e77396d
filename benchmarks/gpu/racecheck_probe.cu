// Which arrivals on an mbarrier compute-sanitizer's racecheck takes for an order. A warp reads 128 bytes of shared memory and says so on a barrier; another thread waits for
// it and writes them anew. Correct in every mode but the last.
//
//   nvcc -O3 -std=c++17 -arch=sm_90a benchmarks/gpu/racecheck_probe.cu -o /tmp/probe
//   for mode in 0 1 2 3 4 5 6; do compute-sanitizer --tool racecheck /tmp/probe $mode | tail -n 1; done
//
// On an H200 with CUDA 13.0 modes 0 and 3, where each lane arrives by itself, are clean. In 1, 2, 4 and 5 a race between the reads and the write is reported, as in 6, where
// nothing orders anything: a lane's arrival counts for that lane alone, although __syncwarp orders what its warp did ahead of it. Our rings are given back by one lane a warp.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

__device__ uint32_t sharedAddress(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }
__device__ void init(uint32_t bar, int arrivals) { asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(bar), "r"(arrivals) : "memory"); }
__device__ void arrive(uint32_t bar) { asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(bar) : "memory"); }
__device__ void arriveInCluster(uint32_t bar, uint32_t rank) {
  asm volatile("{.reg .b32 a; mapa.shared::cluster.u32 a, %0, %1; mbarrier.arrive.release.cluster.shared::cluster.b64 _, [a];}" ::"r"(bar), "r"(rank) : "memory");
}
__device__ void wait(uint32_t bar) {
  uint32_t done;
  do
    asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], 0; selp.u32 %0, 1, 0, p;}" : "=r"(done) : "r"(bar) : "memory");
  while (!done);
}

enum Mode { EACH_LANE, ONE_LANE, ONE_LANE_THEN_BULK_COPY, EACH_LANE_OF_BOTH_BLOCKS, ONE_LANE_IN_CLUSTER, ONE_LANE_IN_CLUSTER_THEN_BULK_COPY, NOBODY };

template <int MODE> __global__ void __cluster_dims__(2, 1, 1) probe(const int* in, int* out) {
  __shared__ __align__(128) int data[32];
  __shared__ uint64_t empty, full;
  constexpr bool ONE = MODE != EACH_LANE && MODE != EACH_LANE_OF_BOTH_BLOCKS, CLUSTER = MODE == ONE_LANE_IN_CLUSTER || MODE == ONE_LANE_IN_CLUSTER_THEN_BULK_COPY,
                 COPY = MODE == ONE_LANE_THEN_BULK_COPY || MODE == ONE_LANE_IN_CLUSTER_THEN_BULK_COPY;
  const int lane = threadIdx.x & 31;
  const uint32_t bar = sharedAddress(&empty), copied = sharedAddress(&full);
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  if (threadIdx.x == 0) {
    init(bar, ONE ? 1 : MODE == EACH_LANE ? 32 : 64), init(copied, 1);
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  if (threadIdx.x < 32) data[lane] = in[lane];
  __syncthreads();
  asm volatile("barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;" ::: "memory");
  if (threadIdx.x < 32) {
    out[blockIdx.x * 32 + lane] = ((volatile int*)data)[31 - lane];
    if (ONE) __syncwarp();
    if (MODE == EACH_LANE_OF_BOTH_BLOCKS) arriveInCluster(bar, 0), arriveInCluster(bar, 1);
    else if (MODE != NOBODY && (!ONE || lane == 0)) {
      if (CLUSTER) arriveInCluster(bar, rank);
      else arrive(bar);
    }
  } else if (lane == 0) {
    if (MODE != NOBODY) wait(bar);
    if (COPY) {
      asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], 128;" ::"r"(copied) : "memory");
      asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], 128, [%2];" ::"r"(sharedAddress(data)), "l"(in), "r"(copied) : "memory");
      wait(copied);
    } else {
      for (int i = 0; i < 32; i++) ((volatile int*)data)[i] = in[i] + 1;
    }
  }
  __syncthreads();
  asm volatile("barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;" ::: "memory");
}

int main(int, char** arguments) {
  void (*modes[])(const int*, int*) = {probe<0>, probe<1>, probe<2>, probe<3>, probe<4>, probe<5>, probe<6>};
  const int mode = arguments[1] ? atoi(arguments[1]) : 0;
  int *in, *out;
  cudaMalloc(&in, 128), cudaMalloc(&out, 512), cudaMemset(in, 1, 128);
  modes[mode]<<<4, 64>>>(in, out);
  const cudaError_t error = cudaDeviceSynchronize();
  printf("mode %d: %s\n", mode, cudaGetErrorString(error));
  return error != cudaSuccess;
}

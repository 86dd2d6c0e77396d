// Measuring tools, any card.
//   memory_probe_read  reads loads x 16 bytes once with plain, evict-first loads: the read ceiling that other kernels are held against.
//                      Grid: any; 512 threads. sink: 4 bytes, written only if the noise happens to hash to one value.
//   memory_probe_fill  dst[i] = hash(i, seed), words x 4 bytes: never time on zeros, they draw less power.
#include <stdint.h>

extern "C" __global__ void __launch_bounds__(512) memory_probe_read(const uint4* src, long long loads, uint32_t* sink) {
  constexpr int UNROLL = 4;  // independent loads in flight a thread
  const long long threads = (long long)gridDim.x * blockDim.x;
  uint32_t seen = 0;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < loads; i += threads * UNROLL) {
#pragma unroll
    for (int u = 0; u < UNROLL; u++) {
      const long long at = i + u * threads;
      if (at < loads) {
        const uint4 v = __ldcs(src + at);
        seen ^= v.x ^ v.y ^ v.z ^ v.w;
      }
    }
  }
  if (seen == 0x9e3779b9u) *sink = seen;
}

extern "C" __global__ void __launch_bounds__(512) memory_probe_fill(uint32_t* dst, long long words, int seed) {
  const long long threads = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < words; i += threads) {
    uint64_t z = ((uint64_t)i + (uint64_t)(uint32_t)seed * 0x9e3779b97f4a7c15ull + 1) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 29) * 0x94d049bb133111ebull;
    dst[i] = (uint32_t)(z ^ z >> 32);
  }
}

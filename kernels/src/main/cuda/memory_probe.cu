// Measuring tools, any card.
//   memory_probe_read  reads loads x 16 bytes once with plain, evict-first loads: the read ceiling that other kernels are held against.
//                      Grid: any; 512 threads. sink: 4 bytes, written only if the noise happens to hash to one value.
//   memory_probe_fill  dst[i] = hash(i, seed), words x 4 bytes: never time on zeros, they draw less power.
//   memory_probe_w4    random packed weights: `blocks` blocks of docs/adr/0001, symmetric w4 with one row of fp16 scales: codes random, scales base * (0.5 .. 1.5)
//   memory_probe_f16   dst[i] = fp16 noise, uniform in -amplitude .. amplitude; memory_probe_bf16 in bf16
#include "common/mma.cuh"

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

__device__ __forceinline__ uint32_t noise(uint64_t i, int seed) {
  uint64_t z = (i + (uint64_t)(uint32_t)seed * 0x9e3779b97f4a7c15ull + 1) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 29) * 0x94d049bb133111ebull;
  return (uint32_t)(z ^ z >> 32);
}

extern "C" __global__ void __launch_bounds__(512) memory_probe_w4(uint32_t* dst, long long blocks, int seed, float base) {
  constexpr int WORDS = 8448 / 4, SCALE_WORDS = 64;
  const long long threads = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < blocks * WORDS; i += threads) {
    const uint32_t bits = noise(i, seed);
    if (i % WORDS < SCALE_WORDS) {
      const __half2 scales = __floats2half2_rn(base * (0.5f + (bits & 0xffff) * (1.f / 65536)), base * (0.5f + (bits >> 16) * (1.f / 65536)));
      dst[i] = *reinterpret_cast<const uint32_t*>(&scales);
    } else {
      // Code 0 becomes 8: with codes 1 .. 15 the weights have mean 0, or all rows of a model would say the same.
      const uint32_t none = ~(bits | bits >> 1 | bits >> 2 | bits >> 3) & 0x11111111u;
      dst[i] = bits | none << 3;
    }
  }
}

template <class T> __device__ __forceinline__ void fillUniform(uint32_t* dst, long long words, int seed, float amplitude) {
  const long long threads = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < words; i += threads) {
    const uint32_t bits = noise(i, seed);
    const float scale = amplitude / 32768;
    dst[i] = T::pack(((int)(bits & 0xffff) - 32768) * scale, ((int)(bits >> 16) - 32768) * scale);
  }
}

extern "C" __global__ void __launch_bounds__(512) memory_probe_f16(uint32_t* dst, long long words, int seed, float amplitude) {
  fillUniform<F16>(dst, words, seed, amplitude);
}
extern "C" __global__ void __launch_bounds__(512) memory_probe_bf16(uint32_t* dst, long long words, int seed, float amplitude) {
  fillUniform<Bf16>(dst, words, seed, amplitude);
}

extern "C" __global__ void __launch_bounds__(512) memory_probe_fill(uint32_t* dst, long long words, int seed) {
  const long long threads = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < words; i += threads) {
    dst[i] = noise(i, seed);
  }
}

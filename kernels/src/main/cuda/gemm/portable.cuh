// y = x * W^T over packed weights (docs/adr/0001) with mma.sync alone: sm_80 and later, every kind of weight, any number of rows. The path for cards and
// weight kinds that have no kernel of their own; a few times slower than those.
//
// Work: a CTA makes 64 outputs (half a panel) of ROWS = 8 * TILES rows; 16 warps = 4 lanes of K x 4 warps of 16 outputs. Lane l takes the blocks
//   [l * groups / 4, (l + 1) * groups / 4); the lanes' sums are added in lane order.
// Order of every sum: k16 steps of a scale group by the tensor core, groups in order, lanes in order. None of it depends on rows, so neither do a row's bits.
// Grid: (2 * panels, tiles * tileRows / ROWS). Block: 512. Dynamic shared memory: 3 * 64 * ROWS * 4 + 1024 bytes.
// Values: w4 codes become the exact numbers q - 8 (symmetric) or q; LUT codes become table values by a table of pairs in shared memory. Scales multiply the fp32
//   sum of a group; second values multiply the group's sum of x, which a product with ones delivers.
// An infinite activation gives NaN or infinity in its row, a NaN gives NaN.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

namespace portable {

constexpr int K_LANES = 4, WARPS = 4 * K_LANES, THREADS = 32 * WARPS, STEPS = 8;
enum ZeroKind : int { SYMMETRIC = 0, ZERO = 1, OFFSET = 2 };
enum Epilogue : int { STORE = 0, ADD = 1, SWIGLU = 2 };

struct Shape {
  const unsigned char* weights;
  const uint16_t *x, *tables;
  uint16_t *y0, *y1, *y2;
  int epilogue, cut0, cut1, outputs, groups, tileRows, scaleRows, zeroKind, scaleBf16, strips;
};

struct F16 {
  static constexpr uint32_t one = 0x3c003c00u, magic = 0x64006400u;  // 1024: the code falls into the last bits
  static __device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
  static __device__ __forceinline__ uint32_t code(uint32_t nibbles, bool centred) {  // two codes -> q or q - 8, exact
    const uint32_t spelt = nibbles | magic, bias = centred ? 0x64086408u : magic;
    const __half2 v = __hsub2(*(const __half2*)&spelt, *(const __half2*)&bias);
    return *(const uint32_t*)&v;
  }
  static __device__ __forceinline__ float decode(uint16_t v) { return __half2float(__ushort_as_half(v)); }
  static __device__ __forceinline__ uint16_t encode(float v) { return __half_as_ushort(__float2half_rn(v)); }
};

struct Bf16 {
  static constexpr uint32_t one = 0x3f803f80u, magic = 0x43004300u;  // 128
  static __device__ __forceinline__ void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
  static __device__ __forceinline__ uint32_t code(uint32_t nibbles, bool centred) {
    const uint32_t spelt = nibbles | magic, bias = centred ? 0x43084308u : magic;
    const __nv_bfloat162 v = __hsub2(*(const __nv_bfloat162*)&spelt, *(const __nv_bfloat162*)&bias);
    return *(const uint32_t*)&v;
  }
  static __device__ __forceinline__ float decode(uint16_t v) { return __uint_as_float((uint32_t)v << 16); }
  static __device__ __forceinline__ uint16_t encode(float v) { return __bfloat16_as_ushort(__float2bfloat16_rn(v)); }
};

// The stored words of a thread's half block.
template <int BITS> struct Codes {
  __align__(16) uint32_t u[2 * BITS];
  __device__ __forceinline__ void load(const unsigned char* half, int t) {
    *(uint4*)u = __ldcs((const uint4*)(half + 16 * t));
    if (BITS == 4) *(uint4*)(u + 4 * (BITS / 4)) = __ldcs((const uint4*)(half + 2048 + 16 * t));
    if (BITS == 3) *(uint2*)(u + 2 * (BITS - 1)) = __ldcs((const uint2*)(half + 2048 + 8 * t));
  }
  __device__ __forceinline__ uint32_t step(int i) const {  // i is a constant once unrolled
    if (BITS == 4) return u[i];
    if (BITS == 2) return u[i / 2] >> (i % 2 * 2) & 0x33333333u;
    const int first = i / 4 * 3;
    if (i % 4 < 3) return u[first + i % 4] & 0x77777777u;
    return (u[first] >> 3 & 0x11111111u) | (u[first + 1] >> 2 & 0x22222222u) | (u[first + 2] >> 1 & 0x44444444u);
  }
};

template <class T, int BITS, bool TABLE>
__device__ __forceinline__ void fragment(uint32_t (&a)[4], uint32_t word, const uint32_t* pairs, bool centred) {
  if (TABLE) {
#pragma unroll
    for (int j = 0; j < 4; j++) a[j] = pairs[word >> 8 * j & 255];
  } else {
#pragma unroll
    for (int j = 0; j < 4; j++) a[j] = T::code(word >> 4 * j & 0x000f000fu, centred);
  }
}

__device__ __forceinline__ float scaleValue(uint16_t v, bool bf16) { return bf16 ? Bf16::decode(v) : F16::decode(v); }

// Adds one block to the accumulators: acc[tile] = {(n0,m), (n0,m+1), (n1,m), (n1,m+1)}, m = 8 * tile + 2 * (lane % 4).
template <class T, int BITS, bool TABLE, int TILES>
__device__ __forceinline__ void addBlock(float (&acc)[TILES][4], const Codes<BITS>& codes, const unsigned char* block, int column, const uint16_t* x,
                                         const uint32_t* pairs, const Shape& s, int lane) {
  const uint32_t ones[4] = {T::one, T::one, T::one, T::one};
  const bool zeros = s.zeroKind != SYMMETRIC, centred = !TABLE && !zeros;
  const int stepsPerGroup = STEPS / s.scaleRows;
  float p[TILES][4] = {}, sums[TILES][4] = {};
#pragma unroll
  for (int i = 0; i < STEPS; i++) {
    uint32_t a[4];
    fragment<T, BITS, TABLE>(a, codes.step(i), pairs, centred);
#pragma unroll
    for (int t = 0; t < TILES; t++) {
      const uint16_t* at = x + ((long)(2 * i) * s.tileRows + t * 8) * 8 + lane * 2;  // lane = 4 * row + k / 2
      const uint32_t b0 = *(const uint32_t*)at, b1 = *(const uint32_t*)(at + s.tileRows * 8);
      T::mma(p[t], a, b0, b1);
      if (zeros) T::mma(sums[t], ones, b0, b1);
    }
    if ((i + 1) % stepsPerGroup == 0) {
      const int q = i / stepsPerGroup;
      const ushort2 sc = *(const ushort2*)(block + (q * 128 + column) * 2);
      const float s0 = scaleValue(sc.x, s.scaleBf16), s1 = scaleValue(sc.y, s.scaleBf16);
      float z0 = 0.f, z1 = 0.f;
      if (zeros) {
        const ushort2 z = *(const ushort2*)(block + ((s.scaleRows + q) * 128 + column) * 2);
        z0 = scaleValue(z.x, s.scaleBf16), z1 = scaleValue(z.y, s.scaleBf16);
        if (s.zeroKind == ZERO) z0 *= -s0, z1 *= -s1;
      }
#pragma unroll
      for (int t = 0; t < TILES; t++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
          acc[t][e] = fmaf(e < 2 ? s0 : s1, p[t][e], acc[t][e]);
          if (zeros) acc[t][e] = fmaf(e < 2 ? z0 : z1, sums[t][e], acc[t][e]);
          p[t][e] = sums[t][e] = 0.f;
        }
    }
  }
}

__device__ __forceinline__ long tiled(int column, int row, int tileRows) { return ((long)(column >> 3) * tileRows + row) * 8 + (column & 7); }

__device__ __forceinline__ long tileSize(int columns, int tileRows) { return (long)((columns + 127) / 128 * 128) * tileRows; }

// v = {(n0,m), (n0,m+1), (n1,m), (n1,m+1)} of a tile of activations.
template <class T> __device__ __forceinline__ void finish(const Shape& s, int tile, int n0, int m, float (&v)[4]) {
  if (s.epilogue == SWIGLU) {
    uint16_t* p = s.y0 + tile * tileSize(s.outputs / 2, s.tileRows) + tiled(n0 >> 1, m, s.tileRows);
    p[0] = T::encode(v[0] / (1.f + __expf(-v[0])) * v[2]);
    p[8] = T::encode(v[1] / (1.f + __expf(-v[1])) * v[3]);
    return;
  }
  uint16_t* y = s.y0;
  int column = n0, columns = s.outputs;
  if (s.epilogue == STORE && s.cut0 < s.outputs) {
    if (n0 >= s.outputs) return;  // padding of a split product may lie beyond the last part's own
    const int cut1 = min(s.cut1, s.outputs);
    if (n0 >= cut1) y = s.y2, column -= cut1, columns -= cut1;
    else if (n0 >= s.cut0) y = s.y1, column -= s.cut0, columns = cut1 - s.cut0;
    else columns = s.cut0;
  }
#pragma unroll
  for (int e = 0; e < 2; e++) {
    const long at = tile * tileSize(columns, s.tileRows) + tiled(column, m + e, s.tileRows);
    float low = v[e], high = v[2 + e];
    if (s.epilogue == ADD) low += T::decode(s.y1[at]), high += T::decode(s.y1[at + 1]);
    *(uint32_t*)(y + at) = (uint32_t)T::encode(low) | (uint32_t)T::encode(high) << 16;
  }
}

template <class T, int BITS, bool TABLE, int TILES> __device__ __forceinline__ void product(const Shape& s) {
  extern __shared__ __align__(16) float shared[];
  constexpr int ROWS = 8 * TILES;
  uint32_t* pairs = (uint32_t*)(shared + (K_LANES - 1) * 64 * ROWS);
  const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31, kLane = warp >> 2, t = threadIdx.x & 127;
  const int strip = blockIdx.x, half = strip & 1;
  const int column = 64 * half + 16 * (warp & 3) + 2 * (lane >> 2);
  if (TABLE) {
    const uint16_t* table = s.tables + (s.strips > 1 ? (long)strip << BITS : 0);
    const int mask = (1 << BITS) - 1;
    if (threadIdx.x < 256) pairs[threadIdx.x] = table[threadIdx.x & mask] | (uint32_t)table[threadIdx.x >> 4 & mask] << 16;
    __syncthreads();
  }
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
  const int head = s.scaleRows * 256 * (s.zeroKind == SYMMETRIC ? 1 : 2), bytes = head + BITS * 2048;
  const int begin = (int)((long)kLane * s.groups / K_LANES), end = (int)((long)(kLane + 1) * s.groups / K_LANES);
  const unsigned char* block = s.weights + ((long)(strip >> 1) * s.groups + begin) * bytes;
  const int halfAt = head + half * BITS * 1024;
  Codes<BITS> next = {};
  if (begin < end) next.load(block + halfAt, t);
#if __CUDA_ARCH__ >= 900
  // The fence drops the first-level cache: the wait does not, and x and addends are read through it.
  asm volatile("griddepcontrol.wait;\n\tfence.acq_rel.gpu;" ::: "memory");
#endif
  const int firstRow = blockIdx.y * ROWS, tile = firstRow / s.tileRows, row = firstRow % s.tileRows;
  const uint16_t* x = s.x + (long)tile * s.tileRows * s.groups * 128 + ((long)begin * 16 * s.tileRows + row) * 8;
  float acc[TILES][4] = {};
  for (int g = begin; g < end; g++) {
    const Codes<BITS> codes = next;
    if (g + 1 < end) next.load(block + bytes + halfAt, t);
    addBlock<T, BITS, TABLE, TILES>(acc, codes, block, column, x, pairs, s, lane);
    block += bytes;
    x += (long)16 * s.tileRows * 8;
  }
  float4* exchange = (float4*)shared + t;
  if (kLane > 0)
#pragma unroll
    for (int j = 0; j < TILES; j++) exchange[((kLane - 1) * TILES + j) * 128] = make_float4(acc[j][0], acc[j][1], acc[j][2], acc[j][3]);
  __syncthreads();
  if (kLane > 0) return;
#pragma unroll
  for (int j = 0; j < TILES; j++) {
#pragma unroll
    for (int l = 0; l < K_LANES - 1; l++) {
      const float4 v = exchange[(l * TILES + j) * 128];
      acc[j][0] += v.x, acc[j][1] += v.y, acc[j][2] += v.z, acc[j][3] += v.w;
    }
    const int n0 = (strip >> 1) * 128 + column;
    finish<T>(s, tile, n0, row + 8 * j + 2 * (lane & 3), acc[j]);
  }
}

}  // namespace portable

#define PORTABLE_PARAMETERS                                                                                                                  \
  const unsigned char *weights, const uint16_t *x, const uint16_t *tables, uint16_t *y0, uint16_t *y1, uint16_t *y2, int epilogue, int cut0, \
      int cut1, int outputs, int groups, int tileRows, int scaleRows, int zeroKind, int scaleBf16, int strips
#define PORTABLE_ENTRY(name, T, BITS, TABLE, TILES)                                                                          \
  extern "C" __global__ void __launch_bounds__(portable::THREADS, 1) name(PORTABLE_PARAMETERS) {                             \
    portable::product<portable::T, BITS, TABLE, TILES>(                                                                      \
        portable::Shape{weights, x, tables, y0, y1, y2, epilogue, cut0, cut1, outputs, groups, tileRows, scaleRows, zeroKind, \
                        scaleBf16, strips});                                                                                 \
  }
#define PORTABLE_ENTRIES(code, BITS, TABLE)                       \
  PORTABLE_ENTRY(gemm_portable_##code##_f16_r8, F16, BITS, TABLE, 1)   \
  PORTABLE_ENTRY(gemm_portable_##code##_f16_r16, F16, BITS, TABLE, 2)  \
  PORTABLE_ENTRY(gemm_portable_##code##_f16_r32, F16, BITS, TABLE, 4)  \
  PORTABLE_ENTRY(gemm_portable_##code##_bf16_r8, Bf16, BITS, TABLE, 1)  \
  PORTABLE_ENTRY(gemm_portable_##code##_bf16_r16, Bf16, BITS, TABLE, 2) \
  PORTABLE_ENTRY(gemm_portable_##code##_bf16_r32, Bf16, BITS, TABLE, 4)

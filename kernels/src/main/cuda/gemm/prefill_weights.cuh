// Types, dequantisation and wgmma m64n128k16 of gemm_prefill_sm90.cu: A (weights) in registers, B (activations tiled [k/8][rows][8]) in shared memory.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

// Pairs of an activation type as 32 bits, the first in the low half.
struct F16 {
  static __device__ __forceinline__ uint32_t pack(float lo, float hi) {
    __half2 h = __floats2half2_rn(lo, hi);
    return *reinterpret_cast<uint32_t*>(&h);
  }
  static __device__ __forceinline__ float2 unpack(uint32_t v) { return __half22float2(*reinterpret_cast<__half2*>(&v)); }
};
struct Bf16 {
  static __device__ __forceinline__ uint32_t pack(float lo, float hi) {
    __nv_bfloat162 h = __floats2bfloat162_rn(lo, hi);
    return *reinterpret_cast<uint32_t*>(&h);
  }
  static __device__ __forceinline__ float2 unpack(uint32_t v) { return make_float2(__uint_as_float(v << 16), __uint_as_float(v & 0xffff0000u)); }
};

__device__ __forceinline__ void wgmmaFence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmmaCommit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int n> __device__ __forceinline__ void wgmmaWait() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(n) : "memory"); }

// Descriptor of operand B without swizzle: core matrices of 8 rows by 16 bytes, 128 bytes apart along the rows, rows * 16 along k.
__device__ __forceinline__ uint64_t operandB(uint32_t address, int rows) {
  return (uint64_t)((address & 0x3ffff) >> 4) | (uint64_t)(rows * 16 >> 4) << 16 | (uint64_t)(128 >> 4) << 32;
}
// What one k16 step adds to a descriptor.
template <int rows> constexpr int K_STEP = rows * 32 >> 4;

#define WGMMA_QUAD(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define WGMMA_N128(type)                                                                                                                        \
  asm volatile("{.reg .pred p; setp.ne.b32 p,%69,0; wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type                               \
               " {%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"       \
               "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,"   \
               "%63},{%64,%65,%66,%67},%68,p,1,1,0;}"                                                                                          \
               : WGMMA_QUAD(0), WGMMA_QUAD(4), WGMMA_QUAD(8), WGMMA_QUAD(12), WGMMA_QUAD(16), WGMMA_QUAD(20), WGMMA_QUAD(24), WGMMA_QUAD(28),   \
                 WGMMA_QUAD(32), WGMMA_QUAD(36), WGMMA_QUAD(40), WGMMA_QUAD(44), WGMMA_QUAD(48), WGMMA_QUAD(52), WGMMA_QUAD(56),                \
                 WGMMA_QUAD(60)                                                                                                                 \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"((int)accumulate))

template <class To> __device__ __forceinline__ To as(uint32_t v) { return *reinterpret_cast<To*>(&v); }
template <class From> __device__ __forceinline__ uint32_t bitsOf(From v) { return *reinterpret_cast<uint32_t*>(&v); }

__device__ __forceinline__ __half2 lowTwice(__half2 v) { return __low2half2(v); }
__device__ __forceinline__ __half2 highTwice(__half2 v) { return __high2half2(v); }
__device__ __forceinline__ __nv_bfloat162 lowTwice(__nv_bfloat162 v) { return __low2bfloat162(v); }
__device__ __forceinline__ __nv_bfloat162 highTwice(__nv_bfloat162 v) { return __high2bfloat162(v); }

// What a thread's two columns n0, n1 need to turn the codes of a scale group into fragments.
template <class Pair> struct GroupScale {
  Pair scale0, scale1, offset0, offset1;  // each twice
  Pair zero0, zero1;                      // only with zeros
};

// Dequantisation on the way to a fragment costs tensor-core time instruction by instruction, so symmetric codes take two a pair: a code's bits, left
// where they are, spell a subnormal (rows r: code * 2^-24 in fp16, 2^-133 in bf16; rows r+8: 16 times that), and one FMA makes
// (code - 8) * scale * 2^-lift of it, rounded once; `-8 * scale` is exact. The powers of two come back in fp32 on the finished sum (`lift`).
// With zeros that offset would be rounded, so there the code is first made a number, exactly, and lift is 0.
struct WgmmaF16 : F16 {
  using Pair = __half2;
  static __device__ __forceinline__ void wgmma(float (&d)[64], const uint32_t* a, uint64_t b, bool accumulate) { WGMMA_N128("f16"); }
  // scaleExponent: max |scale| * 2^scaleExponent <= 65504, so that small scales keep their bits in fp16.
  static __device__ __forceinline__ int scalePower(int scaleExponent) { return scaleExponent; }
  static __device__ __forceinline__ int lift(int scaleExponent) { return 24 - scaleExponent; }
  static __device__ __forceinline__ Pair fromStored(uint32_t v, bool bf16, int exponent) {
    const float power = __int_as_float((127 + exponent) << 23);
    const float2 f = bf16 ? Bf16::unpack(v) : F16::unpack(v);
    return __floats2half2_rn(f.x * power, f.y * power);
  }
  static constexpr uint32_t sixteenth = 0x2c002c00u, minusEightSteps = 0x80088008u;  // 1/16; -8 * 2^-24
  template <bool ZEROS> static __device__ __forceinline__ void weights(uint32_t* a, uint32_t word, const GroupScale<Pair>& g) {
    constexpr uint32_t low = 0x000f000fu, high = 0x00f000f0u, magic = 0x64006400u;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const uint32_t w = i == 0 ? word : word >> 8;
      if (ZEROS) {  // 0x6400 | c is 1024 + c, the high nibble in place 1024 + 16 c
        const Pair c0 = __hadd2(as<Pair>((w & low) | magic), as<Pair>(0xe400e400u)), c1 = __hfma2(as<Pair>((w & high) | magic), as<Pair>(sixteenth), as<Pair>(0xd400d400u));
        a[2 * i] = bitsOf(__hfma2(__hsub2(c0, g.zero0), g.scale0, g.offset0));
        a[2 * i + 1] = bitsOf(__hfma2(__hsub2(c1, g.zero1), g.scale1, g.offset1));
      } else {
        a[2 * i] = bitsOf(__hfma2(as<Pair>(w & low), g.scale0, g.offset0));
        a[2 * i + 1] = bitsOf(__hfma2(as<Pair>(w & high), g.scale1, g.offset1));
      }
    }
  }
};

struct WgmmaBf16 : Bf16 {
  using Pair = __nv_bfloat162;
  static __device__ __forceinline__ void wgmma(float (&d)[64], const uint32_t* a, uint64_t b, bool accumulate) { WGMMA_N128("bf16"); }
  // bf16 has exponents to spare: no need to know the scales.
  static __device__ __forceinline__ int scalePower(int) { return 120; }
  static __device__ __forceinline__ int lift(int) { return 133 - 120; }
  static __device__ __forceinline__ Pair fromStored(uint32_t v, bool bf16, int exponent) {
    const float power = __int_as_float((127 + exponent) << 23);
    const float2 f = bf16 ? Bf16::unpack(v) : F16::unpack(v);
    return __floats2bfloat162_rn(f.x * power, f.y * power);
  }
  static constexpr uint32_t sixteenth = 0x3d803d80u, minusEightSteps = 0x80088008u;  // 1/16; -8 * 2^-133
  template <bool ZEROS> static __device__ __forceinline__ void weights(uint32_t* a, uint32_t word, const GroupScale<Pair>& g) {
    constexpr uint32_t low = 0x000f000fu, high = 0x00f000f0u, magic = 0x43004300u;
    if (ZEROS) {  // 0x4300 | c is 128 + c
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const Pair c = __hadd2(as<Pair>((word >> 4 * i & low) | magic), as<Pair>(0xc300c300u));
        a[i] = bitsOf(__hfma2(__hsub2(c, i % 2 == 0 ? g.zero0 : g.zero1), i % 2 == 0 ? g.scale0 : g.scale1, i % 2 == 0 ? g.offset0 : g.offset1));
      }
    } else {
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const uint32_t w = i == 0 ? word : word >> 8;
        a[2 * i] = bitsOf(__hfma2(as<Pair>(w & low), g.scale0, g.offset0));
        a[2 * i + 1] = bitsOf(__hfma2(as<Pair>(w & high), g.scale1, g.offset1));
      }
    }
  }
};

// From the stored words (columns n0, n1) of a block's scales and zeros. zeroKind as in docs/adr/0001: 1 zero point, 2 offset.
template <class T, bool ZEROS> __device__ __forceinline__ GroupScale<typename T::Pair> groupScale(uint32_t scale, uint32_t zero, int zeroKind, bool bf16, int scaleExponent) {
  using Pair = typename T::Pair;
  GroupScale<Pair> g;
  const Pair s = T::fromStored(scale, bf16, ZEROS ? 0 : T::scalePower(scaleExponent));
  g.scale0 = lowTwice(s);
  if (ZEROS) {
    g.scale1 = highTwice(s);
    const Pair z = T::fromStored(zero, bf16, 0), none = as<Pair>(0u), z0 = lowTwice(z), z1 = highTwice(z);
    g.zero0 = zeroKind == 1 ? z0 : none, g.zero1 = zeroKind == 1 ? z1 : none;
    g.offset0 = zeroKind == 2 ? z0 : none, g.offset1 = zeroKind == 2 ? z1 : none;
  } else {
    const Pair o = __hmul2(s, as<Pair>(T::minusEightSteps));
    g.scale1 = highTwice(__hmul2(s, as<Pair>(T::sixteenth)));
    g.offset0 = lowTwice(o), g.offset1 = highTwice(o);
  }
  return g;
}

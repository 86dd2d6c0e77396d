// How the codes of a packed block (docs/adr/0001) become weights of the activations' type, scaled and rounded once, on their way into A fragments. The same for
// every product on Hopper, so that a weight has the same bits in all of them.
#pragma once
#include "../common/async.cuh"
#include "../common/mma.cuh"

enum ZeroKind : int { ZERO_SYMMETRIC = 0, ZERO_POINT = 1, ZERO_OFFSET = 2 };

template <class To> __device__ __forceinline__ To as(uint32_t v) { return *reinterpret_cast<To*>(&v); }
template <class From> __device__ __forceinline__ uint32_t bitsOf(From v) { return *reinterpret_cast<uint32_t*>(&v); }
__device__ __forceinline__ float powerOfTwo(int exponent) { return __int_as_float((127 + exponent) << 23); }

__device__ __forceinline__ __half2 lowTwice(__half2 v) { return __low2half2(v); }
__device__ __forceinline__ __half2 highTwice(__half2 v) { return __high2half2(v); }
__device__ __forceinline__ __nv_bfloat162 lowTwice(__nv_bfloat162 v) { return __low2bfloat162(v); }
__device__ __forceinline__ __nv_bfloat162 highTwice(__nv_bfloat162 v) { return __high2bfloat162(v); }

// What a thread's two columns n0, n1 need to turn the codes of a scale group into fragments.
template <class Pair> struct GroupScale {
  Pair scale0, scale1, offset0, offset1;  // each twice
  Pair zero0, zero1;                      // only with zeros: what is added to a code made a number, its zero point and more
};

// Dequantisation on the way to a fragment costs tensor-core time instruction by instruction, so symmetric codes take two a pair: a code's bits, left
// where they are, spell a subnormal (rows r: code * 2^-24 in fp16, 2^-133 in bf16; rows r+8: 16 times that), and one FMA makes
// (code - 8) * scale * 2^-lift of it, rounded once; `-8 * scale` is exact. The powers of two come back in fp32 on the finished sum (`lift`).
// With zeros that offset would be rounded, so there the code less its zero point is first made a number, exactly, in one instruction more, and lift is 0.
struct WeightsF16 : F16 {
  using Pair = __half2;
  // scaleExponent: max |scale| * 2^scaleExponent <= 65504, so that small scales keep their bits in fp16.
  static __device__ __forceinline__ int scalePower(int scaleExponent) { return scaleExponent; }
  static __device__ __forceinline__ int lift(int scaleExponent) { return 24 - scaleExponent; }
  static __device__ __forceinline__ int tablePower(int scaleExponent) { return scaleExponent; }
  static __device__ __forceinline__ Pair fromStored(uint32_t v, bool bf16, int exponent) {
    const float power = powerOfTwo(exponent);
    const float2 f = bf16 ? Bf16::unpack(v) : F16::unpack(v);
    return __floats2half2_rn(f.x * power, f.y * power);
  }
  static constexpr uint32_t sixteenth = 0x2c002c00u, minusEightSteps = 0x80088008u;  // 1/16; -8 * 2^-24
  static constexpr float base0 = 1024.f, base1 = 64.f;                               // what the numbers made of the codes of n0 and n1 have more
  template <bool ZEROS> static __device__ __forceinline__ void weights(uint32_t* a, uint32_t word, const GroupScale<Pair>& g) {
    constexpr uint32_t low = 0x000f000fu, high = 0x00f000f0u, magic = 0x64006400u;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const uint32_t w = i == 0 ? word : word >> 8;
      if (ZEROS) {  // 0x6400 | c is 1024 + c, the high nibble in place 1024 + 16 c
        const Pair c0 = __hadd2(as<Pair>((w & low) | magic), g.zero0), c1 = __hfma2(as<Pair>((w & high) | magic), as<Pair>(sixteenth), g.zero1);
        a[2 * i] = bitsOf(__hfma2(c0, g.scale0, g.offset0));
        a[2 * i + 1] = bitsOf(__hfma2(c1, g.scale1, g.offset1));
      } else {
        a[2 * i] = bitsOf(__hfma2(as<Pair>(w & low), g.scale0, g.offset0));
        a[2 * i + 1] = bitsOf(__hfma2(as<Pair>(w & high), g.scale1, g.offset1));
      }
    }
  }
};

struct WeightsBf16 : Bf16 {
  using Pair = __nv_bfloat162;
  // bf16 has exponents to spare: no need to know the scales.
  static __device__ __forceinline__ int scalePower(int) { return 120; }
  static __device__ __forceinline__ int lift(int) { return 133 - 120; }
  static __device__ __forceinline__ int tablePower(int) { return 0; }
  static __device__ __forceinline__ Pair fromStored(uint32_t v, bool bf16, int exponent) {
    const float power = powerOfTwo(exponent);
    const float2 f = bf16 ? Bf16::unpack(v) : F16::unpack(v);
    return __floats2bfloat162_rn(f.x * power, f.y * power);
  }
  static constexpr uint32_t sixteenth = 0x3d803d80u, minusEightSteps = 0x80088008u;  // 1/16; -8 * 2^-133
  static constexpr float base0 = 128.f, base1 = 128.f;
  template <bool ZEROS> static __device__ __forceinline__ void weights(uint32_t* a, uint32_t word, const GroupScale<Pair>& g) {
    constexpr uint32_t low = 0x000f000fu, high = 0x00f000f0u, magic = 0x43004300u;
    if (ZEROS) {  // 0x4300 | c is 128 + c
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const Pair c = __hadd2(as<Pair>((word >> 4 * i & low) | magic), i % 2 == 0 ? g.zero0 : g.zero1);
        a[i] = bitsOf(__hfma2(c, i % 2 == 0 ? g.scale0 : g.scale1, i % 2 == 0 ? g.offset0 : g.offset1));
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

// Second values of columns n0, n1 into g, whose scales are there. Of a zero point the whole part comes off the code, exactly, and the rest goes into the offset: one rounding.
template <class T> __device__ __forceinline__ void takeZeros(GroupScale<typename T::Pair>& g, uint32_t zero, int zeroKind, bool bf16) {
  using Pair = typename T::Pair;
  const float2 z = bf16 ? Bf16::unpack(zero) : F16::unpack(zero);
  float2 offset = z, whole = make_float2(0.f, 0.f);
  if (zeroKind == ZERO_POINT) {
    // Beyond 112 a base and the whole part have no exact sum any more (bf16; fp16: 1024).
    const float2 s = make_float2(T::unpack(bitsOf(g.scale0)).x, T::unpack(bitsOf(g.scale1)).x);
    whole = make_float2(rintf(fminf(fmaxf(z.x, -112.f), 112.f)), rintf(fminf(fmaxf(z.y, -112.f), 112.f)));
    offset = make_float2((whole.x - z.x) * s.x, (whole.y - z.y) * s.y);
  }
  const uint32_t zeros = T::pack(-T::base0 - whole.x, -T::base1 - whole.y), offsets = T::pack(offset.x, offset.y);
  g.zero0 = lowTwice(as<Pair>(zeros)), g.zero1 = highTwice(as<Pair>(zeros));
  g.offset0 = lowTwice(as<Pair>(offsets)), g.offset1 = highTwice(as<Pair>(offsets));
}

// From the stored words (columns n0, n1) of a block's scales and zeros, for integer codes.
template <class T, bool ZEROS> __device__ __forceinline__ GroupScale<typename T::Pair> groupScale(uint32_t scale, uint32_t zero, int zeroKind, bool bf16, int scaleExponent) {
  using Pair = typename T::Pair;
  GroupScale<Pair> g;
  const Pair s = T::fromStored(scale, bf16, ZEROS ? 0 : T::scalePower(scaleExponent));
  g.scale0 = lowTwice(s);
  if (ZEROS) {
    g.scale1 = highTwice(s);
    takeZeros<T>(g, zero, zeroKind, bf16);
  } else {
    const Pair o = __hmul2(s, as<Pair>(T::minusEightSteps));
    g.scale1 = highTwice(__hmul2(s, as<Pair>(T::sixteenth)));
    g.offset0 = lowTwice(o), g.offset1 = highTwice(o);
  }
  return g;
}

// Where a table must lie in shared memory that takes a byte of codes as a byte of the address (lut.cuh). The upper byte of an address is the CTA's rank in its cluster.
__device__ __forceinline__ uint32_t tablePlace(uint32_t sharedBase) { return (sharedBase & 0xff000000u) | 0x10000; }

__device__ __forceinline__ void pinWords(uint4& v) { asm volatile("" : "+r"(v.x), "+r"(v.y), "+r"(v.z), "+r"(v.w)); }

// The codes of 16 columns by 128 inputs that belong to a lane.
struct Codes4 {
  uint4 v[2];
  // From a thread's place in a half: 16 bytes times its number.
  __device__ __forceinline__ void load(uint32_t mine) { v[0] = loadSharedWords(mine), v[1] = loadSharedWords(mine + 2048); }
  __device__ __forceinline__ uint32_t step(int i) const {
    const uint4& u = v[i / 4];
    return i % 4 == 0 ? u.x : i % 4 == 1 ? u.y : i % 4 == 2 ? u.z : u.w;
  }
  __device__ __forceinline__ uint32_t any() const { return v[0].x ^ v[1].w; }
  // What is made of the codes is made after this point.
  __device__ __forceinline__ void pin() { pinWords(v[0]), pinWords(v[1]); }
};

// Integer codes of 4 bits.
template <class T, bool ZEROS> struct IntegerWeights {
  using Type = T;
  using Codes = Codes4;
  using Scale = GroupScale<typename T::Pair>;
  static constexpr int bits = 4, sharedBytes = 0;
  static constexpr bool zeros = ZEROS, scalesSums = false, perStrip = false, placed = false;
  __device__ __forceinline__ IntegerWeights(const void*, int, uint32_t, int) {}
  struct Early {};
  static __device__ __forceinline__ Early early(const void*, int) { return {}; }
  static __device__ __forceinline__ void prepare(Early, uint32_t, int) {}
  __device__ __forceinline__ void select(int) {}
  static __device__ __forceinline__ Scale scale(uint32_t scale, uint32_t zero, int zeroKind, bool bf16, int scaleExponent) {
    return groupScale<T, ZEROS>(scale, zero, zeroKind, bf16, scaleExponent);
  }
  static __device__ __forceinline__ float lift(int scaleExponent) { return ZEROS ? 1.f : powerOfTwo(T::lift(scaleExponent)); }
  __device__ __forceinline__ void fragment(uint32_t* a, const Codes& c, int i, const Scale& g) const { T::template weights<ZEROS>(a, c.step(i), g); }
};

// How the codes of a packed block (docs/adr/0001) become A fragments. A format turns the eight codes of a k16 step into the four registers of a fragment; code as
// spelt = scale * (code + bias), scale being lowScale for the columns of rows 0-7 of the fragment and highScale for rows 8-15. What the spelling adds or
// scales is taken back in fp32, on the accumulators: no rounding, and often no instruction.
#pragma once
#include "../common/async.cuh"
#include "../common/mma.cuh"

enum ZeroKind : int { ZERO_SYMMETRIC = 0, ZERO_POINT = 1, ZERO_OFFSET = 2 };

// The codes of 16 columns by 128 inputs that belong to a lane; `thread` = its place among the 128 threads of a half.
struct Codes4 {
  uint4 v[2];
  __device__ __forceinline__ void load(uint32_t half, int thread) { v[0] = loadSharedWords(half + thread * 16), v[1] = loadSharedWords(half + 2048 + thread * 16); }
  __device__ __forceinline__ uint32_t step(int i) const {
    const uint4& u = v[i / 4];
    return i % 4 == 0 ? u.x : i % 4 == 1 ? u.y : i % 4 == 2 ? u.z : u.w;
  }
  __device__ __forceinline__ uint32_t any() const { return v[0].x ^ v[1].w; }
};

// fp16: a code's bits, left where they are, spell a subnormal: rows r code * 2^-24, rows r+8 code * 2^-20. The tensor core multiplies
// subnormals exactly. An infinite activation gives NaN (infinity times a zero code), as it does after the zero point.
struct W4F16 {
  using Codes = Codes4;
  static constexpr int bits = 4;
  static constexpr float bias = 0.f, center = 8.f, lowScale = 16777216.f, highScale = 1048576.f;
  static constexpr int sharedBytes = 0;
  static constexpr bool perStrip = false;
  __device__ __forceinline__ W4F16(const void*, int, uint32_t, int) {}
  static __device__ __forceinline__ void prepare(const void*, uint32_t) {}
  __device__ __forceinline__ void select(int) {}
  __device__ __forceinline__ void fragment(uint32_t (&a)[4], const Codes& c, int i) const {
    const uint32_t w = c.step(i), v = w >> 8;
    a[0] = w & 0x000f000fu, a[1] = w & 0x00f000f0u, a[2] = v & 0x000f000fu, a[3] = v & 0x00f000f0u;
  }
};

// bf16: 0x4300 | code is 128 + code (seven bits of mantissa hold it); a subnormal would fall under fp32's range in the product.
struct W4Bf16 {
  using Codes = Codes4;
  static constexpr int bits = 4;
  static constexpr float bias = 128.f, center = 8.f, lowScale = 1.f, highScale = 1.f;
  static constexpr int sharedBytes = 0;
  static constexpr bool perStrip = false;
  __device__ __forceinline__ W4Bf16(const void*, int, uint32_t, int) {}
  static __device__ __forceinline__ void prepare(const void*, uint32_t) {}
  __device__ __forceinline__ void select(int) {}
  __device__ __forceinline__ void fragment(uint32_t (&a)[4], const Codes& c, int i) const {
    constexpr uint32_t mask = 0x000f000fu, magic = 0x43004300u;
    const uint32_t w = c.step(i);
    a[0] = (w & mask) | magic, a[1] = (w >> 4 & mask) | magic, a[2] = (w >> 8 & mask) | magic, a[3] = (w >> 12 & mask) | magic;
  }
};

// What a column adds for each unit of sum(x) over the group: weight = scale * (spelt - bias - center), scale * (spelt - bias - zero) or
// scale * (spelt - bias) + zero. Branch-free: pointFactor is 1 for a zero point, offsetFactor 1 for an offset.
template <class F, bool ZEROS> __device__ __forceinline__ float groupOffset(float scale, float zero, float pointFactor, float offsetFactor) {
  if (!ZEROS) return scale * -(F::bias + F::center);
  return fmaf(offsetFactor, zero, -scale * fmaf(pointFactor, zero, F::bias));
}
__device__ __forceinline__ float2 unpackScale(uint32_t v, bool bf16) { return bf16 ? Bf16::unpack(v) : F16::unpack(v); }

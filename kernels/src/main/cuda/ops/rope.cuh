// Rotation of q and k by the angles of a position, and what comes ahead of it, in fp32 with one rounding at the end. One order of operations wherever it is done: a
// row's bits must not depend on which kernel turned it, so nothing is left to the compiler's choice of fused operations.
#pragma once
#include "rows.cuh"

__device__ __forceinline__ float2 turn(float x, float y, float c, float s) {
  return make_float2(__fmaf_rn(x, c, -__fmul_rn(y, s)), __fmaf_rn(x, s, __fmul_rn(y, c)));
}

__device__ __forceinline__ void load8(const float* from, float (&v)[8]) {
  const float4 a = *(const float4*)from, b = *(const float4*)(from + 4);
  v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

// Elements of piece j of the first half of a head and of its partner in the second, in place. angles: cosines, then sines of headDim / 2 angles; interleaved: pairs are
// (2i, 2i+1).
__device__ __forceinline__ void rotateElements(float (&x)[8], float (&y)[8], const float* angles, int half, int j, int interleaved) {
  float c[8], n[8];
  if (interleaved) {
    // Piece j holds pairs 4j .. 4j+3, its partner half/2 further.
    const int pair = 4 * j, partner = pair + half / 2;
    const float4 ca = *(const float4*)(angles + pair), sa = *(const float4*)(angles + half + pair);
    const float4 cb = *(const float4*)(angles + partner), sb = *(const float4*)(angles + half + partner);
    const float cs[8] = {ca.x, ca.y, ca.z, ca.w, cb.x, cb.y, cb.z, cb.w}, sn[8] = {sa.x, sa.y, sa.z, sa.w, sb.x, sb.y, sb.z, sb.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const float2 u = turn(x[2 * i], x[2 * i + 1], cs[i], sn[i]), v = turn(y[2 * i], y[2 * i + 1], cs[4 + i], sn[4 + i]);
      x[2 * i] = u.x, x[2 * i + 1] = u.y, y[2 * i] = v.x, y[2 * i + 1] = v.y;
    }
  } else {
    load8(angles + 8 * j, c), load8(angles + half + 8 * j, n);
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const float2 u = turn(x[i], y[i], c[i], n[i]);
      x[i] = u.x, y[i] = u.y;
    }
  }
}
template <class T> __device__ __forceinline__ void rotatePieces(Piece<T>& a, Piece<T>& b, const float* angles, int half, int j, int interleaved) {
  float x[8], y[8];
  a.unpack(x), b.unpack(y);
  rotateElements(x, y, angles, half, j, interleaved);
  a = Piece<T>::pack(x), b = Piece<T>::pack(y);
}

// What some families do to fused rows ahead of the rotation: a bias is added to q, k and v, and each head of q and of k is normed, y = x / sqrt(mean(x^2) + eps) *
// weight. Null: not.
struct Variant {
  const float *bias;            // [(heads + 2 kvHeads) * headDim]
  const float *qNorm, *kNorm;   // [headDim]
  float eps;
};
__device__ __forceinline__ float squares(float a, float b, float c, float d) { return __fmaf_rn(d, d, __fmaf_rn(c, c, __fmaf_rn(b, b, __fmul_rn(a, a)))); }
// A head of S pairs of pieces j, j + S: of each pair four sums of elements 2c, 2c + 1 of both, added as (0 + 1) + (2 + 3); then the pairs in order.
__device__ __forceinline__ float pairSquares(const float (&x)[8], const float (&y)[8]) {
  float sums[4];
#pragma unroll
  for (int c = 0; c < 4; c++) sums[c] = squares(x[2 * c], x[2 * c + 1], y[2 * c], y[2 * c + 1]);
  return __fadd_rn(__fadd_rn(sums[0], sums[1]), __fadd_rn(sums[2], sums[3]));
}
__device__ __forceinline__ float headScale(float squares, int headDim, float eps) {
  return __frcp_rn(__fsqrt_rn(__fadd_rn(__fdiv_rn(squares, (float)headDim), eps)));
}
__device__ __forceinline__ float normed(float x, float scale, float weight) { return __fmul_rn(__fmul_rn(x, scale), weight); }
__device__ __forceinline__ void add8(float (&x)[8], const float* bias) {
  float b[8];
  load8(bias, b);
#pragma unroll
  for (int i = 0; i < 8; i++) x[i] = __fadd_rn(x[i], b[i]);
}
__device__ __forceinline__ void norm8(float (&x)[8], float scale, const float* weight) {
  float w[8];
  load8(weight, w);
#pragma unroll
  for (int i = 0; i < 8; i++) x[i] = normed(x[i], scale, w[i]);
}

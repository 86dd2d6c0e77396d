// Rotation of q and k by the angles of a position, in fp32 with one rounding at the end. One order of operations wherever it is done: a row's bits must not
// depend on which kernel turned it, so nothing is left to the compiler's choice of fused operations.
#pragma once
#include "rows.cuh"

__device__ __forceinline__ float2 turn(float x, float y, float c, float s) {
  return make_float2(__fmaf_rn(x, c, -__fmul_rn(y, s)), __fmaf_rn(x, s, __fmul_rn(y, c)));
}

__device__ __forceinline__ void load8(const float* from, float (&v)[8]) {
  const float4 a = *(const float4*)from, b = *(const float4*)(from + 4);
  v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

// Piece j of the first half of a head and its partner in the second. angles: cosines, then sines of headDim / 2 angles; interleaved: pairs are (2i, 2i+1).
__device__ __forceinline__ void rotatePieces(Piece& a, Piece& b, const float* angles, int half, int j, int interleaved) {
  float x[8], y[8], c[8], n[8];
  a.unpack(x), b.unpack(y);
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
  a = Piece::pack(x), b = Piece::pack(y);
}

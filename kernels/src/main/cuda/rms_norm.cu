// y = x / sqrt(mean(x^2) + eps) * weight, row by row. x, y: tiled (ops/rows.cuh), of fp16 or bf16, weight: fp32 [cols]. Sums in fp32, in an order fixed by cols alone. y may be x.
//   rms_norm_<f16|bf16>       a block a row: few rows. Grid: rows. Block: 512
//   rms_norm_rows_<f16|bf16>  a block eight rows, so that neighbouring rows are read together: rows of prompts. Grid: ceil(rows / 8). Block: 512
// Columns beyond cols up to the padded width are zero in x and become zero in y.
#include "ops/rows.cuh"

constexpr int THREADS = 512, WARPS = THREADS / 32;

__device__ __forceinline__ void loadWeights(float (&w)[8], const float* weight, int piece, int cols) {
#pragma unroll
  for (int i = 0; i < 8; i++) w[i] = 8 * piece + i < cols ? weight[8 * piece + i] : 0.f;
}
template <class T> __device__ __forceinline__ void normPiece(uint16_t* to, Piece<T> x, const float (&w)[8], float scale) {
  float v[8];
  x.unpack(v);
#pragma unroll
  for (int i = 0; i < 8; i++) v[i] = v[i] * scale * w[i];
  *(uint4*)to = Piece<T>::pack(v).bits;
}

// ROWS rows a block; HELD pieces a thread stay in registers between the two passes. With one row a block their weights are fetched before the kernel ahead has ended.
template <class T, int ROWS, int HELD>
__device__ __forceinline__ void norm(uint16_t* y, const uint16_t* x, const float* weight, float eps, int cols, int rows, int pieces, int tileRows) {
  __shared__ float sums[WARPS][ROWS];
  constexpr int PARTS = THREADS / ROWS;
  float weights[HELD][8];
  startSuccessor();
  if (ROWS == 1)
#pragma unroll
    for (int u = 0; u < HELD; u++) loadWeights(weights[u], weight, threadIdx.x + u * PARTS, cols);
  awaitPredecessor();
  const int inBlock = threadIdx.x % ROWS, part = threadIdx.x / ROWS, row = blockIdx.x * ROWS + inBlock;
  const bool real = row < rows;
  const Rows from{(uint16_t*)x, tileRows, pieces}, to{y, tileRows, pieces};
  Piece<T> held[HELD];
  float sum = 0.f;
  auto add = [&](Piece<T> p) {
    float v[8];
    p.unpack(v);
#pragma unroll
    for (int i = 0; i < 8; i++) sum = fmaf(v[i], v[i], sum);
  };
  if (real) {
#pragma unroll
    for (int u = 0; u < HELD; u++)
      if (part + u * PARTS < pieces) held[u].bits = loadFresh((const uint4*)from.piece(row, part + u * PARTS));
#pragma unroll
    for (int u = 0; u < HELD; u++)
      if (part + u * PARTS < pieces) add(held[u]);
    for (int p = part + HELD * PARTS; p < pieces; p += PARTS) add({loadFresh((const uint4*)from.piece(row, p))});
  }
#pragma unroll
  for (int lanes = ROWS; lanes < 32; lanes *= 2) sum += __shfl_xor_sync(~0u, sum, lanes);
  if ((threadIdx.x & 31) < ROWS) sums[threadIdx.x >> 5][inBlock] = sum;
  __syncthreads();
  float squares = 0.f;
#pragma unroll
  for (int w = 0; w < WARPS; w++) squares += sums[w][inBlock];
  if (!real) return;
  const float scale = 1.f / sqrtf(squares / cols + eps);
#pragma unroll
  for (int u = 0; u < HELD; u++)
    if (part + u * PARTS < pieces) {
      if (ROWS > 1) loadWeights(weights[u], weight, part + u * PARTS, cols);
      normPiece(to.piece(row, part + u * PARTS), held[u], weights[u], scale);
    }
  for (int p = part + HELD * PARTS; p < pieces; p += PARTS) {
    loadWeights(weights[0], weight, p, cols);
    normPiece<T>(to.piece(row, p), {loadFresh((const uint4*)from.piece(row, p))}, weights[0], scale);
  }
}

#define NORM_PARAMETERS uint16_t *y, const uint16_t *x, const float *weight, float eps, int cols, int rows, int pieces, int tileRows
#define NORM_ENTRIES(T, type)                                                                                                                           \
  extern "C" __global__ void __launch_bounds__(THREADS) rms_norm_##type(NORM_PARAMETERS) { norm<T, 1, 2>(y, x, weight, eps, cols, rows, pieces, tileRows); } \
  extern "C" __global__ void __launch_bounds__(THREADS) rms_norm_rows_##type(NORM_PARAMETERS) { norm<T, 8, 8>(y, x, weight, eps, cols, rows, pieces, tileRows); }

NORM_ENTRIES(F16, f16)
NORM_ENTRIES(Bf16, bf16)

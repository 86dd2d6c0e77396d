// add_bias_<f16|bf16>: y[r, c] += bias[c] for c < cols. y: tiled (ops/rows.cuh), bias: fp32 [cols]. One rounding. Padding stays as it is.
// Grid: (ceil(rows / 8), ceil(pieces / 32)), pieces = padded columns / 8. Block: 256 = 8 rows by 32 pieces.
#include "ops/rows.cuh"

template <class T> __device__ __forceinline__ void addBias(uint16_t* y, const float* bias, int cols, int rows, int pieces, int tileRows) {
  startSuccessor();
  const int row = blockIdx.x * 8 + threadIdx.x % 8, piece = blockIdx.y * 32 + threadIdx.x / 8;
  const bool busy = row < rows && 8 * piece < cols;
  float b[8] = {};
#pragma unroll
  for (int i = 0; i < 8; i++)
    if (busy && 8 * piece + i < cols) b[i] = bias[8 * piece + i];
  awaitPredecessor();
  if (!busy) return;
  uint16_t* at = Rows{y, tileRows, pieces}.piece(row, piece);
  float v[8];
  Piece<T>{loadFresh((const uint4*)at)}.unpack(v);
#pragma unroll
  for (int i = 0; i < 8; i++) v[i] += b[i];
  *(uint4*)at = Piece<T>::pack(v).bits;
}

#define BIAS_PARAMETERS uint16_t *y, const float *bias, int cols, int rows, int pieces, int tileRows
extern "C" __global__ void __launch_bounds__(256) add_bias_f16(BIAS_PARAMETERS) { addBias<F16>(y, bias, cols, rows, pieces, tileRows); }
extern "C" __global__ void __launch_bounds__(256) add_bias_bf16(BIAS_PARAMETERS) { addBias<Bf16>(y, bias, cols, rows, pieces, tileRows); }

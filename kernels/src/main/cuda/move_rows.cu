// Copies on the card, of fp16 as of bf16.
//   gather_rows  y[i, :] = x[rowIds[i], :], tiled, padding included; the two may be tiled differently. Grid: number of rows of y. Block: 128
//   gather_cols  y[r, c] = x[r, order[c]] for c < cols, both tiled alike; padding of y becomes zero. Grid: rows. Block: 128
//   kv_copy      copies a block of every layer over another, and its tokens in history. Grid: (layers, 8). Block: 256. blockPieces: 16-byte pieces of a block of one layer
#include "ops/rows.cuh"

extern "C" __global__ void __launch_bounds__(128) gather_rows(uint16_t* y, const uint16_t* x, const int* rowIds, int pieces, int tileRowsY, int tileRowsX) {
  startSuccessor();
  awaitPredecessor();
  const Rows to{y, tileRowsY, pieces}, from{(uint16_t*)x, tileRowsX, pieces};
  const int row = rowIds[blockIdx.x];
  for (int p = threadIdx.x; p < pieces; p += blockDim.x) *(uint4*)to.piece(blockIdx.x, p) = loadFresh((const uint4*)from.piece(row, p));
}

extern "C" __global__ void __launch_bounds__(128) gather_cols(uint16_t* y, const uint16_t* x, const int* order, int cols, int pieces, int tileRows) {
  startSuccessor();
  awaitPredecessor();
  const Rows to{y, tileRows, pieces}, from{(uint16_t*)x, tileRows, pieces};
  const int row = blockIdx.x;
  for (int p = threadIdx.x; p < pieces; p += blockDim.x) {
    uint16_t values[8];
#pragma unroll
    for (int i = 0; i < 8; i++) {
      const int c = 8 * p + i, k = c < cols ? order[c] : 0;
      values[i] = c < cols ? loadFresh(from.piece(row, k >> 3) + (k & 7)) : (uint16_t)0;
    }
    uint16_t* out = to.piece(row, p);
#pragma unroll
    for (int i = 0; i < 8; i++) out[i] = values[i];
  }
}

extern "C" __global__ void __launch_bounds__(256) kv_copy(uint4* cache, int* history, long long layerPieces, int blockPieces, int fromBlock, int toBlock) {
  startSuccessor();
  awaitPredecessor();
  uint4* layer = cache + blockIdx.x * layerPieces;
  for (int p = blockIdx.y * blockDim.x + threadIdx.x; p < blockPieces; p += gridDim.y * blockDim.x)
    layer[(int64_t)toBlock * blockPieces + p] = layer[(int64_t)fromBlock * blockPieces + p];
  if (blockIdx.x == 0 && blockIdx.y == 0 && threadIdx.x < KV_TOKENS) history[toBlock * KV_TOKENS + threadIdx.x] = loadFresh(history + fromBlock * KV_TOKENS + threadIdx.x);
}

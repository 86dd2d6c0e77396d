// embed: y[r, :] = table[tokenIds[r], :]. Table: dense weights (ops/rows.cuh), y: tiled alike of the same type, padding included (the table's is zero).
// An id outside the vocabulary gives a row of NaN (all bits set, in fp16 as in bf16). Grid: rows. Block: 128. Bound by latency for few rows; reads each 16 bytes of a token's row once.
#include "ops/rows.cuh"

extern "C" __global__ void __launch_bounds__(128) embed(uint16_t* y, const uint16_t* table, const int* tokenIds, int pieces, int tileRows, int vocabulary) {
  startSuccessor();
  awaitPredecessor();
  const int row = blockIdx.x, token = loadFresh(tokenIds + row);
  const Rows rows{y, tileRows, pieces};
  const bool known = token >= 0 && token < vocabulary;
  for (int p = threadIdx.x; p < pieces; p += blockDim.x) {
    const uint4 nan = make_uint4(~0u, ~0u, ~0u, ~0u);
    *(uint4*)rows.piece(row, p) = known ? __ldg((const uint4*)(table + densePiece(token, p, pieces))) : nan;
  }
}

// y = epilogue(x * W^T) with dense weights on Hopper: the output head, and every weight that is not packed to 4 bits or less.
//
// Maths: one sum over K for each value, in fp32 by the tensor core in the order of k: a row's bits depend on that row and W alone, not on the number of rows, the
//   tile or the card (wgmma gives the same bits for every n).
// Operands: weights [panels of 128 outputs][K/8][128][8] (ops/rows.cuh), x and y tiled in R rows (docs/adr/0001), K = groups * 128, padding zero; all aligned to
//   128 bytes. Rows of x beyond `rows` may hold anything.
//   epilogue 0 store: y tiled. 1 add: y += product. 2 swiglu: outputs 2j are gates, 2j+1 ups, y[:, j] = silu(gate) * up. 3 floats: y fp32 [rows][columns].
// Entries gemm_dense_<f16|bf16>_rRxT (bf16 in gemm_dense_bf16_sm90.cu), the type of weights, x and y: tiles of R rows, T tiles for one reading of the weights.
// Launch: grid = min(SMs, panels * tileGroups), tileGroups = ceil(ceil(rows / R) / T); 384 threads: two warpgroups of 64 outputs, one warp that keeps the ring full.
//   From 64 rows on clusters of two blocks, which share x: grid = 2 * min(SMs / 2, ceil(panels / 2) * tileGroups).
//   stage = 64 inputs: 16384 + T * R * 128 bytes; shared = stages * stage; programmatic dependent launch: weights are asked for before the kernel ahead has ended.
// Floor: the weights over the memory bandwidth up to about 200 rows.
#include "gemm/dense.cuh"

DENSE_ENTRIES(F16, f16)

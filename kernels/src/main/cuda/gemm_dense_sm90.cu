// y = epilogue(x * W^T) with dense weights on Hopper: the output head, and every weight that is not packed to 4 bits or less.
//
// Maths: one sum over K for each value, in fp32 by the tensor core in the order of k: a row's bits depend on that row and W alone, not on the number of rows, the
//   tile or the card (wgmma gives the same bits for every n).
// Operands: weights [strips of 64 outputs][K/8][64][8], an even number of strips (ops/rows.cuh), x and y tiled in R rows (docs/adr/0001), K = groups * 128, padding zero; all aligned to
//   128 bytes. Rows of x beyond `rows` may hold anything.
//   epilogue 0 store: y tiled. 1 add: y += product. 2 swiglu: outputs 2j are gates, 2j+1 ups, y[:, j] = silu(gate) * up. 3 floats: y fp32 [rows][columns].
// Entries gemm_dense_<f16|bf16>_oO_rR (bf16 in gemm_dense_bf16_sm90.cu), the type of weights, x and y: blocks of O outputs, tiles of R rows. Which O is a matter of time alone:
//   DenseGemm.java weighs how often a multiprocessor has work, and what it takes in or multiplies for it.
// Launch: O * 2 + 64 threads: a warpgroup for 64 outputs, a warp that brings weights, one that brings x. Jobs = ceil(strips * 64 / O) * ceil(rows / R); grid = min(SMs, jobs).
//   stage = S inputs, S = 128 for O = 64 with R < 128, else 64: (O + R) * S * 2 bytes; shared = stages * stage, stages <= 12; programmatic dependent launch: weights are
//   asked for before the kernel ahead has ended.
// Floor: the weights over the memory bandwidth up to about 64 rows; behind it what a multiprocessor takes in (141 GB/s is the most that was seen): of x as many bytes as of the weights when R = O.
// Tried: copies of 1 KB and less (strips out of panels of 128 outputs): copies of 512 bytes and of 1 KB take 35 ns alike, products twice the time.
//   Strips of 32 outputs: four layers of Llama 8B 1, 2 and 6 us of 104, 107 and 116 faster at 8, 16 and 32 rows, 2 of 132 slower at 64; they would be a second layout or pieces again.
//   Two blocks a multiprocessor with half a ring each: slower but for 28672 outputs from 64 rows on, and there than 256 outputs a block.
//   Pairs of blocks that share their x by multicast, with one tile or two: slower than the same block alone but for 28672 outputs and the head, and there than 256 outputs.
//   Weights beyond the ring asked into level 2 before the kernel ahead has ended: with 64 KB a block the four layers are 1 to 2 us of 107 to 129 faster from 8 to 64 rows, others within
//   1 us, the head up to 2.5 us slower; with 256 KB the four layers are 2 to 7 us slower.
//   Times of strips of 32, of two blocks and of pairs were taken on rows of zeros, which cost less power than noise.
#include "gemm/dense.cuh"

DENSE_ENTRIES(F16, f16)

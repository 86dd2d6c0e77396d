// Products of many rows (prefill) on Hopper: y[M,N] = x[M,K] * W[K,N] over packed 4-bit weights (docs/adr/0001), any M; made for M > 64.
//
// Maths: a weight is dequantised to the type of the activations (fp16 or bf16, one rounding), the tensor core multiplies and adds in fp32. K is cut into
//   `parts` ranges of groups, [p G / parts, (p + 1) G / parts); the sums of the parts are added in order of k. parts depends on K and N alone, so a
//   row's bits depend neither on M nor on its neighbours, nor on the card, nor on which CTA multiplied what, and are those of the
//   decode kernels (gemm_w4_decode_sm90.cu); docs/adr/0008 says which rows go where.
// Operands: tables, numTables: null and 0 here (gemm_prefill_lut_sm90.cu has those with tables). weights, x, y0..y2 aligned to 128 bytes. x and y are tiled in blocks of 128 rows, [ceil(M/128)][Kp/8][128][8]; rows beyond M are computed
//   and hold what x holds there. groups = Kp/128, panels = Np/128, rowBlocks = ceil(M/128). Epilogues: gemm/prefill_epilogue.cuh.
//   scaleBf16: scales are bf16, else fp16. zeroKind: 0 symmetric, 1 zero point, 2 offset (the `zeros` entries).
//   scaleExponent (symmetric fp16 entries): the largest e <= 30 with max |scale| * 2^e <= 65504. Columns whose scales all lie below 2^-9 of the
//   largest lose accuracy. Infinite and NaN activations give NaN or infinity, as the product would.
//   partials: 2 * splitTiles * parts * 65536 bytes unless byRows, arrivals: splitTiles * 4 ints, zero before the first launch and left zero. Kernels on one stream may
//   share both; two streams may not.
// Accuracy: relative error 2.8e-4 (fp16), 2.3e-3 (bf16; 2.9e-3 with fp16 scales) against the product of the dequantised weights.
//
// Tile 128 columns x 128 rows a CTA: two warpgroups of 64 columns x 128 rows, weights as operand A out of registers; one warp keeps a ring of stages
// (a block of weights and 128 k of x) full, and asks for weights before the kernel ahead has finished. The CTAs of a cluster of two have neighbouring panels and
// the same rows: each brings half of x to both, because all of x from L2 for every panel takes a tenth of the power that the clock hangs on. Nobody waits for another
// cluster: where tiles leave multiprocessors idle, the last of the pieces of a tile to arrive adds up what the others left. Or each cluster takes one job of 64 rows last, whose half of x alone
// is brought; wgmma's sums are the same for any number of rows.
//
// Launch: SMs CTAs (fewer, if there is less to do) of 384 threads, programmatic dependent launch; a pure function of K, N, M and SMs, where a tile is a cluster's:
//   G = groups, T = ceil(panels / 2) * rowBlocks; the second CTA of the last pair of an odd number of panels works for nothing
//   cost(T, parts, sms): R = T / sms, rem = T % sms; best = (R + (rem > 0)) * G; for pieces = 2, 4 .. parts while rem > 0:
//     R * G + ceil(rem * pieces / sms) * (ceil(G / pieces) + 5), the first smallest wins; 5 groups are what adding up costs
//   parts = 1 for 132 panels and more, else the first smallest of {1, 2, 4} (p > 1 only if G >= 4 p) by cost(panels, p, 132) + cost(2 * panels, p, 132)     132: fixed, whatever the card
//   with cost(T, parts, SMs / 2): split wins: wholeRounds = R, splitTiles = rem, pieces; else wholeRounds = R + (rem > 0), splitTiles = 0, pieces = 1
//   byRows = 2 rem <= SMs / 2 and R * G + ceil(0.6 G) is less than that: wholeRounds = R, splitTiles = rem, pieces = 2 times 64 rows
//   grid = 2 * (wholeRounds > 0 ? SMs / 2 : min(SMs / 2, splitTiles * pieces));  partsLog, piecesLog = log2
//   stage = block bytes + 32768, stages = as many as fit beside 65536 bytes into 231424 (4; 3 for the largest blocks)
//   shared = stages * stage + 65536
//
// Measured on a rested H200 with random activations, the four layers of a Llama 8B block in a chain (g128, fp16), us at 128, 256, 512, 2048 rows: 107.7, 178, 315, 1216; a 70B block at 256: 606.
// Tried, at 256 rows: a __syncwarp before a stage is given back 180; with that: no halves 186; all of x for halves, too 183; halves with the division of CUDA in SwiGLU 184 (neither 191); 232
// registers for a warpgroup and 40 for the producer: no change.
#include "gemm/prefill.cuh"

PREFILL_ENTRY(gemm_prefill_w4_f16_g128, 1, IntegerWeights<WeightsF16, false>)
PREFILL_ENTRY(gemm_prefill_w4_f16_g64, 2, IntegerWeights<WeightsF16, false>)
PREFILL_ENTRY(gemm_prefill_w4_f16_g32, 4, IntegerWeights<WeightsF16, false>)
PREFILL_ENTRY(gemm_prefill_w4_zeros_f16_g128, 1, IntegerWeights<WeightsF16, true>)
PREFILL_ENTRY(gemm_prefill_w4_zeros_f16_g64, 2, IntegerWeights<WeightsF16, true>)
PREFILL_ENTRY(gemm_prefill_w4_zeros_f16_g32, 4, IntegerWeights<WeightsF16, true>)
PREFILL_ENTRY(gemm_prefill_w4_bf16_g128, 1, IntegerWeights<WeightsBf16, false>)
PREFILL_ENTRY(gemm_prefill_w4_bf16_g64, 2, IntegerWeights<WeightsBf16, false>)
PREFILL_ENTRY(gemm_prefill_w4_bf16_g32, 4, IntegerWeights<WeightsBf16, false>)
PREFILL_ENTRY(gemm_prefill_w4_zeros_bf16_g128, 1, IntegerWeights<WeightsBf16, true>)
PREFILL_ENTRY(gemm_prefill_w4_zeros_bf16_g64, 2, IntegerWeights<WeightsBf16, true>)
PREFILL_ENTRY(gemm_prefill_w4_zeros_bf16_g32, 4, IntegerWeights<WeightsBf16, true>)

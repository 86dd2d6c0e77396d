// Decode GEMM over packed 4-bit integer weights: y = epilogue(x · W) for 1 to 64 rows, fp32 accumulation. sm_90a (clusters, bulk copies, programmatic dependent
// launch, wgmma). A row's bits depend on that row alone: neither on the number of rows nor on its neighbours nor on the card, and are those of gemm_prefill_sm90.cu.
//
// Maths: a weight is scaled and rounded once to the type of the activations (gemm/weights.cuh). K is cut into 2^partsLog parts of groups, [p G / parts, (p + 1) G / parts);
// the tensor core adds a part in order of k, the sums of the parts are added in order. parts depends on K and N alone (the rule stands in gemm_prefill_sm90.cu).
//
// W: blocks of docs/adr/0001 (`weights`, 128-byte aligned). x, y: tiled [cols/8][R][8] of the entry's type, R = 8, 16, 32 or 64 = the smallest >= rows; columns of x
// beyond K are zero. Rows of x beyond the batch may hold anything: they reach no other row. Accuracy: relative error 2.8e-4 (fp16) against an exact product.
//
// Entries: gemm_w4_<f16|bf16>_g<32|64|128>[_z]_r<R>, as listed below and in the bf16 file; _z: blocks with second values, zeroKind 1 (scale * (code - zero)) or 2 (scale * code + zero); without
// _z zeroKind = 0. g128 serves every larger group. scaleBf16: scales and zeros are bf16, else fp16. scaleExponent (symmetric fp16): the largest e <= 30 with
// max |scale| * 2^e <= 65504, for tables max |scale| * max(1, |value|). tables, numTables: null and 0 here. epilogue, y0..y2, cut0, cut1: gemm/epilogue.cuh. Cuts beyond
// the last column (2^31 - 1) where there is nothing to split. columns = N.
//
// Launch, nothing of which changes a bit:
//   groups = ceil(K / 128), strips = 2 * ceil(N / 128)
//   grid = 2 * min(strips, SMs / 2) in clusters of two, block = 384 threads: two warpgroups that multiply, two warps that ask for weights, two for x
//   xSlots (groups of x) = 16, 12, 8, 6 for R = 8, 16, 32, 64; stages (blocks of weights) <= 16, in all at most 80 KB
//   shared = stages * blockBytes + xSlots * R * 256 + R * 1024, at least 116 KB: a second CTA on a multiprocessor would be missing on another
// A cluster takes a run of strips of 64 columns; with four parts each of its four warpgroups has one of them, with two each CTA has one and a warpgroup half of the strips.
// The sums meet over distributed shared memory: nobody waits for another cluster.
// Measured on an H200 in a chain of a block's four layers (Llama 8B, g128), us a block: 46.0 at 8 rows, 49.2 at 16, 55.0 at 32, 69.5 at 64, where loading alone takes 33 to 42.
// Without any weights to load it is 41 to 69: what is left is not memory but the way of a layer through a multiprocessor: 2.4 us from the end of the kernel ahead to the first
// product, then 300 to 470 cycles a block, in which two warpgroups cannot hide the tensor core's, the barriers' and the conversion's latencies from each other.
// mma.sync for few rows, sums by bulk copies, a ring twice as deep: nothing gained.
// Launched in a stream with programmatic stream serialisation (attribute 6): weights are requested before the predecessor ends; x and y are touched after.
#include "gemm/decode_entries.cuh"

using W4F16 = IntegerWeights<WeightsF16, false>;
using W4F16Zeros = IntegerWeights<WeightsF16, true>;
DECODE_ROWS(gemm_w4_f16_g128, 1, W4F16)
DECODE_ROWS(gemm_w4_f16_g64, 2, W4F16)
DECODE_ROWS(gemm_w4_f16_g32, 4, W4F16)
DECODE_ROWS(gemm_w4_f16_g128_z, 1, W4F16Zeros)
DECODE_ROWS(gemm_w4_f16_g64_z, 2, W4F16Zeros)
DECODE_ROWS(gemm_w4_f16_g32_z, 4, W4F16Zeros)

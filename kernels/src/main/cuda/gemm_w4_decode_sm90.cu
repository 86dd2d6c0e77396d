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
//   block = 384 threads, clusters of two: two warpgroups that multiply, two warps that ask for weights, two for x
//   8 and 16 rows (lut3 and w4 with a scale a block: 32 too, xSlots 5, with four parts 6): grid = 2 * (SMs / 2), xSlots (groups of x) = 16, 12; stages (blocks of weights) = what fits into 109 KB with x (xSlots * R * 256) and the sums (R * 512);
//     shared = 112 KB, or 109 right behind a decode product of 112, carve-out 100 % (also for what runs between): see below. With a strip for each warpgroup (strips >= 4 * (SMs / 2)):
//     twice the grid, shared = 109 KB
//   32 and 64 rows: grid = 2 * min(strips, SMs / 2), xSlots = 8, 6; stages * blockBytes <= 80 KB; shared = stages * blockBytes + xSlots * R * 256 + R * 1024, at least 116 KB
//   A warpgroup that holds a part of K by itself (four parts) has half of the slots; it needs two, each of two groups for 8 and 16 rows, or it waits for ever.
//   at most 16 stages
// A cluster takes a run of strips of 64 columns; with four parts each of its four warpgroups has one of them, with two each CTA has one and a warpgroup half of the strips.
// The sums meet over distributed shared memory: nobody waits for another cluster.
// What a layer loses, it loses at its ends: a CTA that must wait for the one before to leave its multiprocessor starts its barriers and its first weights late. With few rows
// a CTA therefore takes half a multiprocessor (80 registers a thread, of which the producers hand theirs to the consumers: 104), so that the next kernel's is there, its ring
// filled, when the last sums leave. Two CTAs of one launch on a multiprocessor would be missing on another: two of 112 KB do not fit, and beside one of 112 there is
// room for just one of 109. Behind any other kernel 109 would pile up: a step of 16 rows took 2.90 ms for 2.45. A matrix with work for both halves takes both, so that four
// warpgroups hide one another's waits: 22.7 -> 20.8 us (4096 x 28672, 16 rows). Four warpgroups in one CTA do not (40.6 us a block with nothing but loading, for 32.7).
// Measured on an H200 in a chain of a block's four layers (Llama 8B, g128), us a block: 37.7 at 8 rows, 39.9 at 16, 48.7 at 32 (a CTA a multiprocessor: 51.4; x given back a block later: 51.0; four slots of x and two more of weights: 51.0), 65.1 at 64. Of 154 instructions a block and
// warp, 24 went for barriers and places in rings: x comes by two groups, a stage is given back where its second block is read, and rings step where the first is.
// Fragments made between the products that are under way (a fence and a commit for each pair) were slower: 53.3 at 32 rows.
// With 32 rows multiplying binds: products alone and fragments alone add up to both together, whoever's they are. So a block of fragments is made in one go (half a block while the other half's
// products are under way: 160.6 us a block of 70B for 158.2), and a multiprocessor should have no more strips than its neighbours (gemm/team.cuh: 156.4 -> 152.7). Where K is in two parts, two stages a
// warpgroup are too few and five slots of x are enough for both (28672 x 8192: 43.0 -> 41.0). One copy of x for both CTAs (multicast), where K is not cut: no change.
// Launched in a stream with programmatic stream serialisation (attribute 6): weights are requested before the predecessor ends; x and y are touched after.
#include "gemm/decode_entries.cuh"

using W4F16 = IntegerWeights<WeightsF16, false>;
using W4F16Zeros = IntegerWeights<WeightsF16, true>;
DECODE_BESIDE_ROWS(gemm_w4_f16_g128, 1, W4F16)
DECODE_ROWS(gemm_w4_f16_g64, 2, W4F16)
DECODE_ROWS(gemm_w4_f16_g32, 4, W4F16)
DECODE_BESIDE_ROWS(gemm_w4_f16_g128_z, 1, W4F16Zeros)
DECODE_ROWS(gemm_w4_f16_g64_z, 2, W4F16Zeros)
DECODE_ROWS(gemm_w4_f16_g32_z, 4, W4F16Zeros)

// Decode GEMM over packed 4-bit integer weights: y = epilogue(x · W) for 1 to 64 rows, fp32 accumulation. sm_90a (bulk copies, programmatic dependent
// launch); the multiplication itself is mma.sync. A row's bits depend on that row alone: neither on the number of rows nor on its neighbours nor on the run.
//
// W: blocks of docs/adr/0001 (`weights`, 128-byte aligned). x, y: tiled [cols/8][R][8] of the entry's type, R = 8, 16, 32 or 64 = the smallest >= rows; columns of x
// beyond K are zero. Rows of x beyond the batch may hold anything: they reach no other row. Accuracy: relative error 2.1e-4 (fp16) against an exact product.
//
// Entries: gemm_w4_<f16|bf16>_g<32|64|128>[_z]_r<R>, as listed below and in the bf16 file; _z: blocks with second values, zeroKind 1 (scale * (code - zero)) or 2 (scale * code + zero); without
// _z zeroKind = 0. g128 serves every larger group. scaleBf16: scales and zeros are bf16, else fp16. tables, numTables: null and 0 here.
// epilogue, y0..y2, cut0, cut1: gemm/epilogue.cuh. Cuts beyond the last column (2^31 - 1) where there is nothing to split. columns = N.
//
// Launch: a pure function of shape and card (SMs = multiprocessors), so that every sum has one order:
//   groups = ceil(K / 128), panels = ceil(N / 128), perSlice(S) = ceil(groups / S)
//   slices, runs: over S = 1 .. min(groups, SMs) with perSlice(S) <= 8 and P = min(SMs / S, panels), the first S with the smallest ceil(panels / P) * perSlice(S)
//   grid = slices * runs <= SMs, block = 640 threads, one CTA a multiprocessor
//   stages = the largest multiple of ceil(perSlice / 2) not above 4, at least ceil(perSlice / 2)
//   shared = stages * 2 * blockBytes + perSlice * R * 256 + exchange(R) + perSlice * max(1, 128 / group) * R * 4, exchange(8, 16, 32, 64) = 16384, 32768, 32768, 0
//   partials: panels * slices * R * 512 bytes of workspace; 0xff in every byte before the first launch, and so left behind by every launch
//   prefetch: stages beyond the ring to ask L2 for while x is awaited (0 to 8)
// Launched in a stream with programmatic stream serialisation (attribute 6): weights are requested before the predecessor ends; x, y and partials are touched after.
// Measured on an H200 in a chain of a block's four layers (Llama 8B, g128), us a block: load 28.9, + dequantise 28.5, + multiply 37.6, + send partial sums 43.9,
// complete 50.7 at 16 rows; 41.1 at 8. At 32 and 64 rows (87, 171) every row part dequantises again and the sub-cores' ALUs bind.
// All CTAs of a launch wait for one another: never launch with a larger grid, and never run two of these kernels side by side on one card.
#include "gemm/decode_entries.cuh"

DECODE_ROWS(gemm_w4_f16_g128, W4F16, F16, 1, false)
DECODE_ROWS(gemm_w4_f16_g64, W4F16, F16, 2, false)
DECODE_ROWS(gemm_w4_f16_g32, W4F16, F16, 4, false)
DECODE_ROWS(gemm_w4_f16_g128_z, W4F16, F16, 1, true)
DECODE_ROWS(gemm_w4_f16_g32_z, W4F16, F16, 4, true)

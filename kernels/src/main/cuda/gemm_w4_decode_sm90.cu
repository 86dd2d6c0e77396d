// Decode GEMM over packed 4-bit integer weights: y = epilogue(x · W) for 1 to 64 rows, fp32 accumulation. sm_90a (bulk copies, programmatic dependent
// launch); 8 and 16 rows are multiplied by mma.sync, 32 and 64 by wgmma, which gives the same bits. A row's bits depend on that row alone: neither on the number of rows nor on its neighbours nor on the run.
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
//   grid = slices * runs <= SMs, one CTA a multiprocessor
//   R = 8, 16: block = 640 threads, stages (pairs of blocks) = the largest multiple of ceil(perSlice / 2) not above 4, at least ceil(perSlice / 2),
//     shared = stages * 2 * blockBytes + perSlice * R * 256 + R * 2048 + perSlice * max(1, 128 / group) * R * 4
//   R = 32, 64: block = 384 threads, stages (blocks) = 40960 / blockBytes, rounded down,
//     shared = stages * blockBytes + perSlice * R * 256 + perSlice * max(1, 128 / group) * R * 4
//   partials: panels * slices * R * 512 bytes of workspace; 0xff in every byte before the first launch, and so left behind by every launch
//   prefetch: stages beyond the ring to ask L2 for while x is awaited (0 to 8)
// Launched in a stream with programmatic stream serialisation (attribute 6): weights are requested before the predecessor ends; x, y and partials are touched after.
// Measured on an H200 in a chain of a block's four layers (Llama 8B, g128), us a block: 41.5 at 8 rows, 51.6 at 16, 58.2 at 32, 91.1 at 64.
// By stages: load 28.9, + dequantise 28.5, + multiply 37.6, + send partial sums 43.9, complete 50.7 at 16 rows; 29.3, 29.3, 49.6, 51.0, 58.2 at 32;
// 31.4, 31.2, 74.3, 79.6, 91.1 at 64. Tensor cores alone: 512 cycles a block at 64 rows, where the loop takes about 1000: a warpgroup waits for its products
// before it scales them, and there are registers for two warpgroups only.
// All CTAs of a launch wait for one another: never launch with a larger grid, and never run two of these kernels side by side on one card.
#include "gemm/decode_entries.cuh"

DECODE_ROWS(gemm_w4_f16_g128, W4F16, F16, 1, false)
DECODE_ROWS(gemm_w4_f16_g64, W4F16, F16, 2, false)
DECODE_ROWS(gemm_w4_f16_g32, W4F16, F16, 4, false)
DECODE_ROWS(gemm_w4_f16_g128_z, W4F16, F16, 1, true)
DECODE_ROWS(gemm_w4_f16_g32_z, W4F16, F16, 4, true)

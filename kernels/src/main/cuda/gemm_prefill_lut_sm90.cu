// gemm_prefill_sm90.cu for codes of 4, 3 and 2 bits that name entries of a table: weight = scale * table[code]; same contract, launch and layout rules. zeroKind = 0.
// tables: [numTables][2^bits] values of the activations' type, numTables = 1 or one for each strip of 64 columns; entries with _one: 1.
//
// Maths: values go to the tensor core as they are, and the scale of a group of 128 inputs (or more) goes on its sum in fp32; scales of groups of 32 go on the values, rounded once. A
// row's bits are those of the decode kernels with tables where there are such (fp16 activations; 4 bits: one table).
// Accuracy: relative error 2.2e-4 (groups of 32: 3.6e-4) in fp16, 1.8e-3 (2.9e-3) in bf16.
// shared: 32768 (4 bits), 15360 (3) or 6656 bytes (2) more for entries with _one; stages = as many as fit into 231424 less that.
//
// Measured on a rested H200 in a chain of a block's four layers (Llama 8B, g128) on random activations, us a block at 128, 256, 512, 2048 rows: lut4 118, 197, 346, 1332; lut3 118, 198,
// 349, 1352; lut2 115, 192, 336, 1302 (cuBLAS fp16 136, 186, 313, 1180; 4-bit integers 107, 176 and 1199 at 128, 256 and 2048). Tried on equal rows, which take less power (110 at 128 rows then), slower at 128 rows: lookups of 4 bits in registers (137) or half of them (136), of 3 bits
// (124); a tile's rows in two halves, so that one's products are scaled under the other's (129); a wait that keeps a batch's lookups behind its last wgmma (124); a fence and a batch for each
// wgmma (116). Warpgroups taking turns: no change.
// At 256 rows and more what binds is the wgmmas themselves (192 of 223 us, 331 of 393, 1310 of 1536 with random activations) and the scaling of a group's sums between them (6 to 9 %); lookups behind each
// wgmma with a batch for each, 2, 4 or 8 of 8 steps' lookups in registers: 3 to 30 % slower.
// On a rested card with random activations lut4 takes 126, 210, 369 us at 128, 256, 512 rows; before halves of tiles and SwiGLU without calls 123, 222, 372. What costs the 2 % at 128 is not known.
#include "gemm/lut_prefill.cuh"
#include "gemm/prefill.cuh"

#define PREFILL_GROUPS(name, ...)            \
  PREFILL_ENTRY(name##_g128, 1, __VA_ARGS__) \
  PREFILL_ENTRY(name##_g32, 4, __VA_ARGS__)

PREFILL_GROUPS(gemm_prefill_lut4_one_f16, PairLut4<WeightsF16>)
PREFILL_GROUPS(gemm_prefill_lut3_one_f16, PairLut3<WeightsF16>)
PREFILL_GROUPS(gemm_prefill_lut2_one_f16, PairLut2<WeightsF16>)
PREFILL_GROUPS(gemm_prefill_lut4_f16, StripLut4<WeightsF16>)
PREFILL_GROUPS(gemm_prefill_lut3_f16, Lut3<WeightsF16>)
PREFILL_GROUPS(gemm_prefill_lut2_f16, Lut2<WeightsF16>)
PREFILL_GROUPS(gemm_prefill_lut4_one_bf16, PairLut4<WeightsBf16>)
PREFILL_GROUPS(gemm_prefill_lut3_one_bf16, PairLut3<WeightsBf16>)
PREFILL_GROUPS(gemm_prefill_lut2_one_bf16, PairLut2<WeightsBf16>)
PREFILL_GROUPS(gemm_prefill_lut4_bf16, StripLut4<WeightsBf16>)
PREFILL_GROUPS(gemm_prefill_lut3_bf16, Lut3<WeightsBf16>)
PREFILL_GROUPS(gemm_prefill_lut2_bf16, Lut2<WeightsBf16>)

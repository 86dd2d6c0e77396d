// gemm_w4_decode_sm90.cu for codes of 4 bits that name entries of a table: weight = scale * table[code], same contract and layout rules.
// tables: one table of 16 values of the activations' type, numTables = 1. The values themselves go through the tensor core; the scale of a group of 128 inputs is put on its
// sum in fp32, scales of groups of 32 on the values, rounded once.
//
// Entries gemm_lut4_f16_g<32|128>_one_r<8|16|32> keep all pairs of values in 64 KB at the shared address 0x10000: stages = what fits into 60 KB in front of it, behind it
// the sums (R * 1024) and x (xSlots as for weights without a table); shared = 0x1fc00 + R * (1024 + xSlots * 256). With 64 rows, gemm_lut4_f16_g<32|128>_r64,
// the table takes 32 KB at the front of what the contract states.
#include "gemm/decode_entries.cuh"
#include "gemm/lut.cuh"

DECODE_PLACED_ROWS(gemm_lut4_f16_g128_one, 1, 2, OneLut4<WeightsF16>)
DECODE_PLACED_ROWS(gemm_lut4_f16_g32_one, 4, 2, OneLut4<WeightsF16>)
DECODE_ENTRY(gemm_lut4_f16_g128_r64, 64, 1, STAGE_COMPLETE, 2, Lut4<WeightsF16>)
DECODE_ENTRY(gemm_lut4_f16_g32_r64, 64, 4, STAGE_COMPLETE, 2, Lut4<WeightsF16>)

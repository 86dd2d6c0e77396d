// gemm_w4_decode_sm90.cu for codes of 3 bits that name entries of a table: weight = scale * table[code], same contract, launch and layout rules.
// tables: [numTables][8] values of the activations' type, numTables = 1 or one for each strip of 64 columns; entries with _one: 1.
// Entries with _one keep all pairs of values in 30 KB at the shared address 0x10000. 32 rows: geometry of gemm_lut4_decode_sm90.cu. 8 and 16: before the table stages and x
// (xSlots = 8, 6), 60 KB in all, behind it the sums (R * 512); grid and shared as without a table.
#include "gemm/decode_entries.cuh"
#include "gemm/lut.cuh"

DECODE_ROWS(gemm_lut3_f16_g128, 1, Lut3<WeightsF16>)
DECODE_ROWS(gemm_lut3_f16_g32, 4, Lut3<WeightsF16>)
DECODE_SMALL_PLACED_ROWS(gemm_lut3_f16_g128_one, 1, OneLut3<WeightsF16>)
DECODE_SMALL_PLACED_ROWS(gemm_lut3_f16_g32_one, 4, OneLut3<WeightsF16>)

// gemm_w4_decode_sm90.cu for codes of 3 bits that name entries of a table: weight = scale * table[code], same contract, launch and layout rules.
// tables: [numTables][8] values of the activations' type, numTables = 1 or one for each strip of 64 columns; entries with _one: 1.
// Entries with _one, up to 32 rows, keep all pairs of values in 30 KB at the shared address 0x10000; before it are stages and x (xSlots = 8, 8, 4), 60 KB in all, behind it the
// sums (R * 512). Grid and shared as for 8 and 16 rows without a table. Measured, us a block: 45.5 at 16 rows, 52.6 at 32.
// Matrices in four parts of K take the entries without a table for 32 rows, as each warpgroup reads x of its own there: 14336 x 4096 takes 14.8 us with six groups of x, 16.8 with four.
#include "gemm/decode_entries.cuh"
#include "gemm/lut.cuh"

DECODE_BESIDE_ROWS(gemm_lut3_f16_g128, 1, Lut3<WeightsF16>)
DECODE_BESIDE_ROWS(gemm_lut3_f16_g32, 4, Lut3<WeightsF16>)
DECODE_PLACED_ROWS(gemm_lut3_f16_g128_one, 1, 1, OneLut3<WeightsF16>)
DECODE_PLACED_ROWS(gemm_lut3_f16_g32_one, 4, 1, OneLut3<WeightsF16>)

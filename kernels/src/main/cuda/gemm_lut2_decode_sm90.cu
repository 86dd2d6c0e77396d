// gemm_w4_decode_sm90.cu for codes of 2 bits that name entries of a table: weight = scale * table[code], same contract, launch and layout rules.
// tables: [numTables][4] values of the activations' type, numTables = 1 or one for each strip of 64 columns; entries with _one: 1.
// Those keep all pairs of values in 13 KB at the shared address 0x10000; their geometry: that of gemm_lut3_decode_sm90.cu, but in four parts of K only groups of 32 take the entries without a table for 32 rows. Measured, us a block: 41.8 at 16 rows.
#include "gemm/decode_entries.cuh"
#include "gemm/lut.cuh"

DECODE_ROWS(gemm_lut2_f16_g128, 1, Lut2<WeightsF16>)
DECODE_ROWS(gemm_lut2_f16_g32, 4, Lut2<WeightsF16>)
DECODE_PLACED_ROWS(gemm_lut2_f16_g128_one, 1, 1, OneLut2<WeightsF16>)
DECODE_PLACED_ROWS(gemm_lut2_f16_g32_one, 4, 1, OneLut2<WeightsF16>)

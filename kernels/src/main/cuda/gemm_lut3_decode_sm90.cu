// gemm_w4_decode_sm90.cu for codes of 3 bits that name entries of a table: weight = scale * table[code], same contract, launch and layout rules.
// tables: [numTables][8] values of the activations' type, numTables = 1 or one for each strip of 64 columns.
// _z entries: scale * (table[code] - zero) or scale * table[code] + zero, so int3 with zero points is the table 0, 1, ...
#include "gemm/decode_entries.cuh"
#include "gemm/lut.cuh"

DECODE_ROWS(gemm_lut3_f16_g128, 1, Lut3<WeightsF16, false>)
DECODE_ROWS(gemm_lut3_f16_g32, 4, Lut3<WeightsF16, false>)
DECODE_ROWS(gemm_lut3_bf16_g128, 1, Lut3<WeightsBf16, false>)
DECODE_ROWS(gemm_lut3_f16_g128_z, 1, Lut3<WeightsF16, true>)

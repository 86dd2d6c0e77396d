// gemm_w4_decode_sm90.cu for codes of 4 bits that name entries of a table: weight = scale * table[code], same contract, launch and layout rules.
// tables: one table of 16 values of the activations' type, numTables = 1. shared: 32768 bytes more (the table of pairs, a copy a bank).
#include "gemm/decode_entries.cuh"
#include "gemm/lut.cuh"

DECODE_ROWS(gemm_lut4_f16_g128, 1, Lut4<WeightsF16>)
DECODE_ROWS(gemm_lut4_f16_g32, 4, Lut4<WeightsF16>)

// gemm_w4_decode_sm90.cu for bf16 activations: same contract. Relative error 1.7e-3, which is bf16's own rounding of y.
#include "gemm/decode_entries.cuh"

DECODE_ROWS(gemm_w4_bf16_g128, W4Bf16, Bf16, 1, false)
DECODE_ROWS(gemm_w4_bf16_g128_z, W4Bf16, Bf16, 1, true)

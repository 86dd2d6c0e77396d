// gemm_w4_decode_sm90.cu for bf16 activations: same contract. Relative error 2.3e-3 (2.9e-3 with fp16 scales), mostly bf16's own rounding of y.
#include "gemm/decode_entries.cuh"

using W4Bf16 = IntegerWeights<WeightsBf16, false>;
using W4Bf16Zeros = IntegerWeights<WeightsBf16, true>;
DECODE_BESIDE_ROWS(gemm_w4_bf16_g128, 1, W4Bf16)
DECODE_ROWS(gemm_w4_bf16_g64, 2, W4Bf16)
DECODE_ROWS(gemm_w4_bf16_g32, 4, W4Bf16)
DECODE_BESIDE_ROWS(gemm_w4_bf16_g128_z, 1, W4Bf16Zeros)
DECODE_ROWS(gemm_w4_bf16_g64_z, 2, W4Bf16Zeros)
DECODE_ROWS(gemm_w4_bf16_g32_z, 4, W4Bf16Zeros)

// gemm_prefill_sm90.cu for codes of 4, 3 and 2 bits that name entries of a table: weight = scale * table[code]; same contract, launch and layout rules. zeroKind = 0.
// tables: [numTables][2^bits] values of the activations' type, numTables = 1 or one for each strip of 64 columns; entries with _one: 1.
//
// Maths: the values go to the tensor core as they are and the scale of a group of 128 inputs (or more) goes on its sum in fp32; scales of groups of 32 on the values, rounded
// once. A row's bits are those of the decode kernels with tables (gemm_lut4_decode_sm90.cu), where there are such: fp16 activations, groups of 128 and 32.
// Accuracy: relative error 2.1e-4 (fp16), with groups of 32 2.9e-4.
// shared: 32768 (4 bits), 15360 (3) or 6656 bytes (2) more for entries with _one; stages = as many as fit into 231424 less that
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

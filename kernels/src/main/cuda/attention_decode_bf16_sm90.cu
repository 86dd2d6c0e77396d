// attention_decode_sm90.cu for bf16 activations, keys and values: same contract. Head dims of models that exist (and of the tests' tiny ones); with biases, norms or
// a window those of the families that have them.
#include "ops/attention_decode.cuh"

DECODE_ENTRY(attention_decode_bf16_d16, Bf16, 16)
DECODE_ENTRY(attention_decode_bf16_d32, Bf16, 32)
DECODE_ENTRY(attention_decode_bf16_d64, Bf16, 64)
DECODE_ENTRY(attention_decode_bf16_d80, Bf16, 80)
DECODE_ENTRY(attention_decode_bf16_d96, Bf16, 96)
DECODE_ENTRY(attention_decode_bf16_d128, Bf16, 128)
DECODE_VARIANT_ENTRY(attention_decode_variant_bf16_d16, Bf16, 16)
DECODE_VARIANT_ENTRY(attention_decode_variant_bf16_d32, Bf16, 32)
DECODE_VARIANT_ENTRY(attention_decode_variant_bf16_d64, Bf16, 64)
DECODE_VARIANT_ENTRY(attention_decode_variant_bf16_d128, Bf16, 128)
DECODE_SPLIT_ENTRY(attention_decode_split_bf16_d64, Bf16, 64)
DECODE_SPLIT_ENTRY(attention_decode_split_bf16_d128, Bf16, 128)

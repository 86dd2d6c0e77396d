// attention_prefill_sm90.cu for bf16 activations, keys and values: same contract. Head dims as in attention_decode_bf16_sm90.cu; windows those of models that have them.
#include "ops/attention_prefill.cuh"

PREFILL_ENTRY(attention_prefill_bf16_d16, Bf16, 16)
PREFILL_ENTRY(attention_prefill_bf16_d32, Bf16, 32)
PREFILL_ENTRY(attention_prefill_bf16_d64, Bf16, 64)
PREFILL_ENTRY(attention_prefill_bf16_d80, Bf16, 80)
PREFILL_ENTRY(attention_prefill_bf16_d96, Bf16, 96)
PREFILL_ENTRY(attention_prefill_bf16_d128, Bf16, 128)
PREFILL_WINDOW_ENTRY(attention_prefill_window_bf16_d16, Bf16, 16)
PREFILL_WINDOW_ENTRY(attention_prefill_window_bf16_d32, Bf16, 32)
PREFILL_WINDOW_ENTRY(attention_prefill_window_bf16_d64, Bf16, 64)
PREFILL_WINDOW_ENTRY(attention_prefill_window_bf16_d128, Bf16, 128)

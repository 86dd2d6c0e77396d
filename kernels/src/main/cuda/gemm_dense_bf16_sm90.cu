// gemm_dense_sm90.cu for bf16 activations and weights: same contract.
#include "gemm/dense.cuh"

DENSE_ENTRIES(Bf16, bf16)

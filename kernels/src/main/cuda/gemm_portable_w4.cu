// Products with integer codes of 4 bits on any card from sm_80 on; contract and geometry in gemm/portable.cuh.
#include "gemm/portable.cuh"

PORTABLE_ENTRIES(w4, 4, false)

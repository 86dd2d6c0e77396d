// Products with table codes of 4, 3 and 2 bits on any card from sm_80 on; contract and geometry in gemm/portable.cuh.
#include "gemm/portable.cuh"

PORTABLE_ENTRIES(lut4, 4, true)
PORTABLE_ENTRIES(lut3, 3, true)
PORTABLE_ENTRIES(lut2, 2, true)

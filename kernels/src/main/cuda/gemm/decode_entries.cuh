// Entry points of the decode GEMMs: one list of parameters, one macro a format. Contract and launch geometry in gemm_w4_decode_sm90.cu.
#pragma once
#include "decode_mma.cuh"
#include "decode_wgmma.cuh"

#define DECODE_PARAMETERS                                                                                          \
  const unsigned char *weights, const void *tables, const void *x, void *partials, void *y0, void *y1, void *y2,   \
      int epilogue, int cut0, int cut1, int columns, int groups, int panels, int slices, int runs, int stages,     \
      int prefetch, int zeroKind, int scaleBf16, int numTables

#define DECODE_ENTRY(name, F, T, R, Q, ZEROS, STAGE)                                                               \
  extern "C" __global__ void __launch_bounds__(DECODE_THREADS, 1) name(DECODE_PARAMETERS) {                        \
    const Output out{y0, y1, y2, epilogue, cut0, cut1, columns};                                                   \
    const DecodeShape shape{weights, x,      (float4*)partials, out,      groups,   panels,                        \
                            slices,  runs,   stages,            prefetch, zeroKind, scaleBf16};                    \
    decodeMma<F, T, R, Q, ZEROS, STAGE>(shape, tables, numTables);                                                 \
  }

#define DECODE_WIDE_ENTRY(name, F, T, R, Q, ZEROS, STAGE)                                                          \
  extern "C" __global__ void __launch_bounds__(WIDE_THREADS, 1) name(DECODE_PARAMETERS) {                          \
    const Output out{y0, y1, y2, epilogue, cut0, cut1, columns};                                                   \
    const DecodeShape shape{weights, x,      (float4*)partials, out,      groups,   panels,                        \
                            slices,  runs,   stages,            prefetch, zeroKind, scaleBf16};                    \
    decodeWide<F, T, R, Q, ZEROS, STAGE>(shape, tables, numTables);                                                \
  }

// gemm_<format>_<type>_g<group>[_z]_r<rows>; _z: the blocks hold second values (zero points or offsets).
#define DECODE_ROWS(name, F, T, Q, ZEROS)                            \
  DECODE_ENTRY(name##_r8, F, T, 8, Q, ZEROS, STAGE_COMPLETE)         \
  DECODE_ENTRY(name##_r16, F, T, 16, Q, ZEROS, STAGE_COMPLETE)       \
  DECODE_WIDE_ENTRY(name##_r32, F, T, 32, Q, ZEROS, STAGE_COMPLETE)  \
  DECODE_WIDE_ENTRY(name##_r64, F, T, 64, Q, ZEROS, STAGE_COMPLETE)

// Entry points of the decode GEMMs: one list of parameters, one macro a format. Contract and launch geometry in gemm_w4_decode_sm90.cu.
#pragma once
#include "decode.cuh"

#define DECODE_PARAMETERS                                                                                          \
  const unsigned char *weights, const void *tables, const void *x, void *y0, void *y1, void *y2, int epilogue,     \
      int cut0, int cut1, int columns, int groups, int strips, int partsLog, int stages, int xSlots, int zeroKind, \
      int scaleBf16, int scaleExponent, int numTables

// The format comes last: it may hold commas. STRIPS: strips of a pass, 2 for a CTA that has a multiprocessor to itself, 1 for one that shares it with the CTA of the kernel before or behind.
#define DECODE_ENTRY(name, R, Q, STAGE, STRIPS, ...)                                                                           \
  extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(DECODE_THREADS, 3 - STRIPS) name(DECODE_PARAMETERS) { \
    using Format = __VA_ARGS__;                                                                                                \
    const Output out{y0, y1, y2, epilogue, cut0, cut1, columns};                                                               \
    const DecodeShape shape{weights, x,      out,    groups,   strips,    partsLog,                                            \
                            stages,  xSlots, zeroKind, scaleBf16, scaleExponent};                                              \
    decode<Format, R, Q, STAGE, STRIPS>(shape, tables, numTables);                                                             \
  }

// gemm_<format>_<type>_g<group>[_z]_r<rows>; _z: the blocks hold second values (zero points or offsets).
#define DECODE_ROWS(name, Q, ...)                                \
  DECODE_ENTRY(name##_r8, 8, Q, STAGE_COMPLETE, 1, __VA_ARGS__)   \
  DECODE_ENTRY(name##_r16, 16, Q, STAGE_COMPLETE, 1, __VA_ARGS__) \
  DECODE_ENTRY(name##_r32, 32, Q, STAGE_COMPLETE, 2, __VA_ARGS__) \
  DECODE_ENTRY(name##_r64, 64, Q, STAGE_COMPLETE, 2, __VA_ARGS__)

// The same, 32 rows too beside another CTA.
#define DECODE_BESIDE_ROWS(name, Q, ...)                         \
  DECODE_ENTRY(name##_r8, 8, Q, STAGE_COMPLETE, 1, __VA_ARGS__)   \
  DECODE_ENTRY(name##_r16, 16, Q, STAGE_COMPLETE, 1, __VA_ARGS__) \
  DECODE_ENTRY(name##_r32, 32, Q, STAGE_COMPLETE, 1, __VA_ARGS__) \
  DECODE_ENTRY(name##_r64, 64, Q, STAGE_COMPLETE, 2, __VA_ARGS__)

// Formats whose table has a place of its own, not for 64 rows. One of 64 KB: a CTA a multiprocessor.
#define DECODE_PLACED_ROWS(name, Q, STRIPS, ...)                      \
  DECODE_ENTRY(name##_r8, 8, Q, STAGE_COMPLETE, STRIPS, __VA_ARGS__)   \
  DECODE_ENTRY(name##_r16, 16, Q, STAGE_COMPLETE, STRIPS, __VA_ARGS__) \
  DECODE_ENTRY(name##_r32, 32, Q, STAGE_COMPLETE, STRIPS, __VA_ARGS__)

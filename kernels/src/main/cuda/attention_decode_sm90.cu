// Attention of rows that go on by one token: y[r, h] = softmax(q[r, h] * K^T / sqrt(headDim)) * V over positions 0 .. positions[r] of the row's sequence.
//
// Operands: qkv tiled rows (heads + 2 kvHeads) * headDim, y tiled rows heads * headDim (padding untouched), all fp16, cache: the layer's keys and values
//   (ops/rows.cuh), blockTables [sequences][stride]. A row with a negative position gives zeros. headDim: a multiple of 8 up to 128; entry _dD serves head dims
//   D-15 .. D. Accuracy: weights and values of the activations' type, sums fp32.
// Two uses. cosSin null: q is rotated and the rows' own keys and values are in the cache. With cosSin (fp32 [positions][headDim], as in rope_append.cu; headDim = D):
//   qkv is as the product left it; q is rotated here, the row's own key and value go to the cache at slots[row] (none if negative) and are used from here, with the
//   bits of rope_append.cu. Then positions, slots, tables and the keys of all earlier tokens were there before this graph began and are read before the kernel ahead
//   has ended, and no two rows are of one sequence.
//   Entries attention_decode_variant_dD (..._variant_bf16_dD) also add biases and norm heads ahead of the rotation (ops/rope.cuh; null: not), and with window > 0 a row sees its last `window`
//   positions alone: blocks of 16 tokens ahead of them are not read, and "the sequence" below is what the row's blocks hold from the first such block on.
// Work: a block has one row, one kv head (up to 8 of its query heads) and one span of the sequence. A row of up to 1024 tokens has S = 1 span, a longer one min(64, ceil(tokens / 512)); of
//   its B blocks of 16 tokens span i has [i B / S, (i + 1) B / S): functions of the row alone. Warp w of four has the blocks w, w + 4, ... of the span and
//   a running softmax of its own; the warps are added in order, then the spans in order by the last block of the row to arrive. So a row's bits depend on nothing but the row.
//   `ring` blocks a warp, 2 to 10, are under way in shared memory of its own, from before the kernel ahead has ended; their number changes no bit. It starts beside the
//   blocks of the product ahead, and the next product's beside it, as long as it leaves those their 112 KB: worth more than a longer ring (16 rows: 116 us a step of 2450).
//   Entries attention_decode_split_dD, for few rows: the warps of a span are the blocks of a cluster, which send each other their sums; the same bits.
//   Products are transposed, scores^T = K * q^T and y^T = V^T * weights^T, so that the query heads are the n8 of an mma instead of half an m16 of nothing.
// Grid: (spans, kvHeads * ceil(heads / kvHeads / 8), rows), spans >= the most spans of a row. Block: 128. Dynamic shared memory: 4 * ring * D * 64 bytes.
//   split: grid (4 * spans, ...), block 32, ring * D * 64 bytes.
//   partials: fp32 [rows][gridDim.y][spans][8][D + 8]; arrivals: int [rows][gridDim.y][4], zero before the first launch and left zero. Launches of one stream share them.
// sm_90: bulk copies. Floor: the keys and values over the memory bandwidth.
#include "ops/attention_decode.cuh"

#define DECODE_ENTRIES(dim)                        \
  DECODE_ENTRY(attention_decode_d##dim, F16, dim) \
  DECODE_VARIANT_ENTRY(attention_decode_variant_d##dim, F16, dim)

DECODE_ENTRIES(16)
DECODE_ENTRIES(32)
DECODE_ENTRIES(48)
DECODE_ENTRIES(64)
DECODE_ENTRIES(80)
DECODE_ENTRIES(96)
DECODE_ENTRIES(112)
DECODE_ENTRIES(128)
DECODE_SPLIT_ENTRY(attention_decode_split_d64, F16, 64)
DECODE_SPLIT_ENTRY(attention_decode_split_d128, F16, 128)

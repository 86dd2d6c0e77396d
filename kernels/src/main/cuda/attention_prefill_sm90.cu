// Attention of rows of prompts: y[r, h] = softmax(q[r, h] * K^T / sqrt(headDim)) * V over positions 0 .. positions[r] of the row's sequence, causal by that.
//
// Operands as in attention_decode_sm90.cu. Rows of a sequence are contiguous with ascending positions; the keys and values of all rows are in the cache already.
// Work: a block has 64 rows of the step and one query head; a warpgroup, 16 rows a warp, and warp w asks for every fourth block of 16 tokens. Rows of several sequences in
//   one block are computed one sequence after the other.
//   Keys and values come 64 tokens at a time from position 0 on, two tiles in flight. The tiles' edges are positions of the sequence, so a row's bits do not depend on
//   where its prompt was cut or who shares the block: a tile beyond a row's position leaves the row's sums as they are, exactly.
//   Entries attention_prefill_window_dD (..._window_bf16_dD): a row sees its last `window` positions alone, tiles ahead of all rows' windows are not read, and one ahead of a row's leaves
//   the row's sums at zero, exactly.
// Grid: (ceil(rows / 64), heads). Block: 128. Dynamic shared memory: 2 * 4 * 2 * D * 32 bytes.
// sm_90: bulk copies; the products are wgmma, keys and values as they stand in the cache. Three blocks a multiprocessor: while one is at its softmax, others multiply.
#include "ops/attention_prefill.cuh"

#define PREFILL_ENTRIES(dim)                         \
  PREFILL_ENTRY(attention_prefill_d##dim, F16, dim) \
  PREFILL_WINDOW_ENTRY(attention_prefill_window_d##dim, F16, dim)

PREFILL_ENTRIES(16)
PREFILL_ENTRIES(32)
PREFILL_ENTRIES(48)
PREFILL_ENTRIES(64)
PREFILL_ENTRIES(80)
PREFILL_ENTRIES(96)
PREFILL_ENTRIES(112)
PREFILL_ENTRIES(128)

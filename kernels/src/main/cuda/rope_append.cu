// rope_append_f16: rotates the q and k parts of fused q|k|v rows and writes k and v to the paged cache, either or both (mode: 1 rotate, 2 append, 3 both).
//   qkv: tiled fp16 rows of (heads + 2 kvHeads) * headDim columns. cosSin: fp32 [positions][headDim], cosines, then sines of headDim / 2 angles.
//   interleaved: pairs are (2i, 2i+1); else (i, i + headDim/2). cache: the layer's keys and values (ops/rows.cuh). headDim: a multiple of 8.
//   Mode 1 writes q and k back; mode 3 writes q back and k to the cache alone. A row whose slot is negative (padding of a batch) appends nothing; a negative
//   position counts as 0. Rotation in fp32, one rounding.
// Grid: (ceil(rows / 8), ceil(units / 32)), units = headDim % 16 == 0 ? ceil((heads + 2 kvHeads) / 4) * headDim / 16 : heads + 2 kvHeads. Block: 256 = 8 rows by 32
// units, so that neighbouring rows of a tile are read together.
#include "ops/rope.cuh"

enum Mode : int { ROTATE = 1, APPEND = 2 };

struct RopeShape {
  Rows qkv;
  uint16_t* cache;
  int heads, kvHeads, headDim, interleaved, mode;
  __device__ __forceinline__ bool isValue(int head) const { return head >= heads + kvHeads; }
  __device__ __forceinline__ bool isQuery(int head) const { return head < heads; }
  // Whether there is such a head, and the mode has something to do for it.
  __device__ __forceinline__ bool works(int head) const {
    return head < heads + 2 * kvHeads && (mode & (isQuery(head) ? ROTATE : isValue(head) ? APPEND : ROTATE | APPEND));
  }
  // Where a piece of a key or value of a token goes.
  __device__ __forceinline__ uint16_t* cached(int head, int piece, int slot) const {
    const int kv = head - heads, value = kv >= kvHeads, kvHead = value ? kv - kvHeads : kv, padded = (headDim + 15) / 16 * 2;
    return cache + (((((int64_t)(slot / KV_TOKENS) * kvHeads + kvHead) * 2 + value) * padded + piece) * KV_TOKENS + slot % KV_TOKENS) * 8;
  }
  __device__ __forceinline__ void put(int row, int head, int piece, int slot, uint4 bits) const {
    if (isQuery(head) || !(mode & APPEND)) *(uint4*)qkv.piece(row, head * headDim / 8 + piece) = bits;
    else if (slot >= 0) *(uint4*)cached(head, piece, slot) = bits;
  }
};

// Piece j of the first half of HEADS neighbouring heads and its partner in the second half: they share their angles.
constexpr int HEADS = 4;
__device__ __forceinline__ void rotateAndPut(const RopeShape& s, const float* angles, int row, int firstHead, int j, int slot) {
  const int half = s.headDim / 2, second = j + half / 8;
  Piece a[HEADS], b[HEADS];
#pragma unroll
  for (int h = 0; h < HEADS; h++)
    if (s.works(firstHead + h)) {
      const int first = (firstHead + h) * s.headDim / 8;
      a[h].bits = loadFresh((const uint4*)s.qkv.piece(row, first + j)), b[h].bits = loadFresh((const uint4*)s.qkv.piece(row, first + second));
    }
#pragma unroll
  for (int h = 0; h < HEADS; h++)
    if (s.works(firstHead + h)) {
      if ((s.mode & ROTATE) && !s.isValue(firstHead + h)) rotatePieces(a[h], b[h], angles, half, j, s.interleaved);
      s.put(row, firstHead + h, j, slot, a[h].bits);
      s.put(row, firstHead + h, second, slot, b[h].bits);
    }
}

// A whole head, element by element: head dims whose half is no whole number of pieces.
__device__ __forceinline__ void rotateHead(const RopeShape& s, const float* angles, int row, int head, int slot) {
  const int half = s.headDim / 2, first = head * s.headDim / 8;
  auto at = [&](int d) { return s.qkv.piece(row, first + d / 8) + d % 8; };
  auto to = [&](int d) { return s.isQuery(head) || !(s.mode & APPEND) ? at(d) : s.cached(head, d / 8, slot) + d % 8; };
  const bool rotate = (s.mode & ROTATE) && !s.isValue(head);
  for (int i = 0; i < half; i++) {
    const int d0 = s.interleaved ? 2 * i : i, d1 = s.interleaved ? d0 + 1 : d0 + half;
    const float a = __half2float(__ushort_as_half(loadFresh(at(d0)))), b = __half2float(__ushort_as_half(loadFresh(at(d1))));
    const float c = rotate ? angles[i] : 1.f, n = rotate ? angles[half + i] : 0.f;
    const float2 t = turn(a, b, c, n);
    const float u = rotate ? t.x : a, v = rotate ? t.y : b;
    if (s.isQuery(head) || !(s.mode & APPEND) || slot >= 0) *to(d0) = __half_as_ushort(__float2half_rn(u)), *to(d1) = __half_as_ushort(__float2half_rn(v));
  }
}

extern "C" __global__ void __launch_bounds__(256)
    rope_append_f16(uint16_t* qkv, const float* cosSin, const int* positions, const int* slots, uint16_t* cache, int rows, int tileRows, int pieces, int heads,
                    int kvHeads, int headDim, int interleaved, int mode) {
  startSuccessor();
  const RopeShape s{{qkv, tileRows, pieces}, cache, heads, kvHeads, headDim, interleaved, mode};
  const bool whole = headDim % 16 != 0;
  const int perHead = whole ? 1 : headDim / 16, together = whole ? 1 : HEADS, unit = blockIdx.y * 32 + threadIdx.x / 8, row = blockIdx.x * 8 + threadIdx.x % 8;
  const int head = unit / perHead * together;
  const bool busy = row < rows && head < heads + 2 * kvHeads;
  awaitPredecessor();
  const int slot = busy && mode & APPEND ? slots[row] : 0;
  const float* angles = busy && mode & ROTATE ? cosSin + (int64_t)max(positions[row], 0) * headDim : nullptr;
  if (!busy) return;
  if (!whole) rotateAndPut(s, angles, row, head, unit % perHead, slot);
  else if (s.works(head)) rotateHead(s, angles, row, head, slot);
}

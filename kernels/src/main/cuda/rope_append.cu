// rope_append_<f16|bf16>: rotates the q and k parts of fused q|k|v rows and writes k and v to the paged cache (mode: 1 rotate, 2 append, 3 both).
//   qkv: tiled rows of (heads + 2 kvHeads) * headDim columns. cosSin: fp32 [positions][headDim], cosines, then sines of headDim / 2 angles.
//   interleaved: pairs are (2i, 2i+1); else (i, i + headDim/2). cache: the layer's keys and values (ops/rows.cuh). headDim: a multiple of 8.
//   Mode 1 writes q and k back; mode 3 writes q back and k to the cache alone. A row whose slot is negative (padding of a batch) appends nothing; a negative
//   position counts as 0. Rotation in fp32, one rounding.
// rope_append_variant_<f16|bf16>: the same, and ahead of the rotation biases are added (bias: fp32 [columns of qkv], null: none) and heads of q and k are normed (qNorm, kNorm:
//   fp32 [headDim], null: not). With cosSin null nothing is rotated. Only modes 1 and 3.
// Grid: (ceil(rows / 8), ceil(units / U)), units = headDim % 16 == 0 ? ceil((heads + 2 kvHeads) / 4) * headDim / 16 : heads + 2 kvHeads. Block: 256 = 8 rows by 32
// units, so that neighbouring rows of a tile are read together. U = 32; of the variant as many as are whole heads: 32 / (headDim / 16) * (headDim / 16).
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
constexpr int HEADS = 4, ROWS = 8, UNITS = 32;
template <class T> __device__ __forceinline__ void rotateAndPut(const RopeShape& s, const float* angles, int row, int firstHead, int j, int slot) {
  const int half = s.headDim / 2, second = j + half / 8;
  Piece<T> a[HEADS], b[HEADS];
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

// The same with biases and norms; all threads of a block, of which those that are not busy only wait. Unit j of a head is `unit` of the block.
template <class T>
__device__ __forceinline__ void finishAndPut(const RopeShape& s, const Variant& v, const float* angles, int row, int firstHead, int j, int slot, bool busy) {
  __shared__ float sums[HEADS][UNITS][ROWS];
  const int half = s.headDim / 2, second = j + half / 8, unit = threadIdx.x / ROWS, inBlock = threadIdx.x % ROWS;
  float a[HEADS][8], b[HEADS][8];
#pragma unroll
  for (int h = 0; h < HEADS; h++) {
    const int head = firstHead + h, first = head * s.headDim / 8;
    const bool works = busy && s.works(head);
    if (works) {
      Piece<T> low{loadFresh((const uint4*)s.qkv.piece(row, first + j))}, high{loadFresh((const uint4*)s.qkv.piece(row, first + second))};
      low.unpack(a[h]), high.unpack(b[h]);
      if (v.bias) add8(a[h], v.bias + head * s.headDim + 8 * j), add8(b[h], v.bias + head * s.headDim + 8 * second);
    }
    if (v.qNorm) sums[h][unit][inBlock] = works ? pairSquares(a[h], b[h]) : 0.f;
  }
  if (v.qNorm) __syncthreads();
  if (!busy) return;
#pragma unroll
  for (int h = 0; h < HEADS; h++) {
    const int head = firstHead + h;
    if (!s.works(head)) continue;
    if (v.qNorm && !s.isValue(head)) {
      float sum = sums[h][unit - j][inBlock];
      for (int i = 1; i < half / 8; i++) sum = __fadd_rn(sum, sums[h][unit - j + i][inBlock]);
      const float scale = headScale(sum, s.headDim, v.eps), *weight = s.isQuery(head) ? v.qNorm : v.kNorm;
      norm8(a[h], scale, weight + 8 * j), norm8(b[h], scale, weight + 8 * second);
    }
    if (angles && !s.isValue(head)) rotateElements(a[h], b[h], angles, half, j, s.interleaved);
    s.put(row, head, j, slot, Piece<T>::pack(a[h]).bits);
    s.put(row, head, second, slot, Piece<T>::pack(b[h]).bits);
  }
}

// A whole head, element by element: head dims whose half is no whole number of pieces. `v`: null for a plain rotation.
template <class T> __device__ __forceinline__ void rotateHead(const RopeShape& s, const Variant* v, const float* angles, int row, int head, int slot) {
  const int half = s.headDim / 2, first = head * s.headDim / 8;
  auto at = [&](int d) { return s.qkv.piece(row, first + d / 8) + d % 8; };
  auto to = [&](int d) { return s.isQuery(head) || !(s.mode & APPEND) ? at(d) : s.cached(head, d / 8, slot) + d % 8; };
  const bool rotate = (s.mode & ROTATE) && !s.isValue(head) && (!v || angles), norm = v && v->qNorm && !s.isValue(head);
  auto biased = [&](int d) {
    const float x = T::value(loadFresh(at(d)));
    return v && v->bias ? __fadd_rn(x, v->bias[head * s.headDim + d]) : x;
  };
  float scale = 1.f;
  if (norm) {
    float sum = 0.f;
    for (int d = 0; d < s.headDim; d++) {
      const float x = biased(d);
      sum = __fmaf_rn(x, x, sum);
    }
    scale = headScale(sum, s.headDim, v->eps);
  }
  auto value = [&](int d) { return norm ? normed(biased(d), scale, (s.isQuery(head) ? v->qNorm : v->kNorm)[d]) : biased(d); };
  for (int i = 0; i < half; i++) {
    const int d0 = s.interleaved ? 2 * i : i, d1 = s.interleaved ? d0 + 1 : d0 + half;
    const float a = value(d0), b = value(d1);
    const float c = rotate ? angles[i] : 1.f, n = rotate ? angles[half + i] : 0.f;
    const float2 t = turn(a, b, c, n);
    const float x = rotate ? t.x : a, y = rotate ? t.y : b;
    if (s.isQuery(head) || !(s.mode & APPEND) || slot >= 0) *to(d0) = T::bits(x), *to(d1) = T::bits(y);
  }
}

// `variant`: null for a plain rotation.
template <class T>
__device__ __forceinline__ void ropeAppend(const RopeShape& s, const Variant* variant, const float* cosSin, const int* positions, const int* slots, int rows) {
  startSuccessor();
  const bool whole = s.headDim % 16 != 0;
  const int perHead = whole ? 1 : s.headDim / 16, together = whole ? 1 : HEADS, units = variant ? UNITS / perHead * perHead : UNITS;
  const int unit = blockIdx.y * units + threadIdx.x / ROWS, row = blockIdx.x * ROWS + threadIdx.x % ROWS, head = unit / perHead * together;
  const bool busy = row < rows && head < s.heads + 2 * s.kvHeads && (!variant || threadIdx.x / ROWS < units);
  awaitPredecessor();
  const int slot = busy && s.mode & APPEND ? slots[row] : 0;
  const float* angles = busy && s.mode & ROTATE && (!variant || cosSin) ? cosSin + (int64_t)max(positions[row], 0) * s.headDim : nullptr;
  if (variant && !whole) {
    finishAndPut<T>(s, *variant, angles, row, head, unit % perHead, slot, busy);
    return;
  }
  if (!busy) return;
  if (!whole) rotateAndPut<T>(s, angles, row, head, unit % perHead, slot);
  else if (s.works(head)) rotateHead<T>(s, variant, angles, row, head, slot);
}

#define ROPE_PARAMETERS                                                                                                                             \
  uint16_t *qkv, const float *cosSin, const int *positions, const int *slots, uint16_t *cache, int rows, int tileRows, int pieces, int heads, int kvHeads, \
      int headDim, int interleaved, int mode
#define ROPE_ENTRIES(T, type)                                                                                                                       \
  extern "C" __global__ void __launch_bounds__(256) rope_append_##type(ROPE_PARAMETERS) {                                                                \
    ropeAppend<T>({{qkv, tileRows, pieces}, cache, heads, kvHeads, headDim, interleaved, mode}, nullptr, cosSin, positions, slots, rows);                 \
  }                                                                                                                                                 \
  extern "C" __global__ void __launch_bounds__(256)                                                                                                    \
      rope_append_variant_##type(ROPE_PARAMETERS, const float* bias, const float* qNorm, const float* kNorm, float eps) {                               \
    const Variant variant{bias, qNorm, kNorm, eps};                                                                                                  \
    ropeAppend<T>({{qkv, tileRows, pieces}, cache, heads, kvHeads, headDim, interleaved, mode}, &variant, cosSin, positions, slots, rows);                \
  }

ROPE_ENTRIES(F16, f16)
ROPE_ENTRIES(Bf16, bf16)

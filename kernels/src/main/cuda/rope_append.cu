// rope_append_f16: rotates the q and k parts of fused q|k|v rows and writes k and v to the paged cache, either or both (mode: 1 rotate, 2 append, 3 both).
//   qkv: tiled fp16 rows of (heads + 2 kvHeads) * headDim columns. cosSin: fp32 [positions][headDim], cosines, then sines of headDim / 2 angles.
//   interleaved: pairs are (2i, 2i+1); else (i, i + headDim/2). cache: the layer's keys and values (ops/rows.cuh). headDim: a multiple of 8.
//   Mode 1 writes q and k back; mode 3 writes q back and k to the cache alone. A row whose slot is negative (padding of a batch) appends nothing; a negative
//   position counts as 0. Rotation in fp32, one rounding.
//   early: positions and slots were there before this graph began: they, and the angles, are fetched before the kernel ahead has ended.
// Grid: (ceil(rows / 8), ceil(units / 32)), units = (heads + 2 kvHeads) * (headDim % 16 == 0 ? headDim / 16 : 1). Block: 256 = 8 rows by 32 units, so that
// neighbouring rows of a tile are read together.
#include "ops/rows.cuh"

enum Mode : int { ROTATE = 1, APPEND = 2 };

struct RopeShape {
  Rows qkv;
  uint16_t* cache;
  int heads, kvHeads, headDim, interleaved, mode;
  __device__ __forceinline__ bool isValue(int head) const { return head >= heads + kvHeads; }
  __device__ __forceinline__ bool isQuery(int head) const { return head < heads; }
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

__device__ __forceinline__ void load8(const float* from, float (&v)[8]) {
  const float4 a = *(const float4*)from, b = *(const float4*)(from + 4);
  v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

// Piece j of the first half of a head and its partner in the second half.
__device__ __forceinline__ void rotatePieces(const RopeShape& s, const float* angles, int row, int head, int j, int slot) {
  const int half = s.headDim / 2, second = j + half / 8, first = head * s.headDim / 8;
  Piece a{*(const uint4*)s.qkv.piece(row, first + j)}, b{*(const uint4*)s.qkv.piece(row, first + second)};
  if ((s.mode & ROTATE) && !s.isValue(head)) {
    float x[8], y[8], c[8], n[8], u[8], v[8];
    a.unpack(x), b.unpack(y);
    if (s.interleaved) {
      // Piece j holds pairs 4j .. 4j+3, its partner half/2 further.
      const float4 ca = *(const float4*)(angles + 4 * j), sa = *(const float4*)(angles + half + 4 * j);
      const float4 cb = *(const float4*)(angles + 4 * second), sb = *(const float4*)(angles + half + 4 * second);
      const float cs[8] = {ca.x, ca.y, ca.z, ca.w, cb.x, cb.y, cb.z, cb.w}, sn[8] = {sa.x, sa.y, sa.z, sa.w, sb.x, sb.y, sb.z, sb.w};
#pragma unroll
      for (int i = 0; i < 4; i++) {
        u[2 * i] = x[2 * i] * cs[i] - x[2 * i + 1] * sn[i], u[2 * i + 1] = x[2 * i] * sn[i] + x[2 * i + 1] * cs[i];
        v[2 * i] = y[2 * i] * cs[4 + i] - y[2 * i + 1] * sn[4 + i], v[2 * i + 1] = y[2 * i] * sn[4 + i] + y[2 * i + 1] * cs[4 + i];
      }
    } else {
      load8(angles + 8 * j, c), load8(angles + half + 8 * j, n);
#pragma unroll
      for (int i = 0; i < 8; i++) u[i] = x[i] * c[i] - y[i] * n[i], v[i] = x[i] * n[i] + y[i] * c[i];
    }
    a = Piece::pack(u), b = Piece::pack(v);
  }
  s.put(row, head, j, slot, a.bits);
  s.put(row, head, second, slot, b.bits);
}

// A whole head, element by element: head dims whose half is no whole number of pieces.
__device__ __forceinline__ void rotateHead(const RopeShape& s, const float* angles, int row, int head, int slot) {
  const int half = s.headDim / 2, first = head * s.headDim / 8;
  auto at = [&](int d) { return s.qkv.piece(row, first + d / 8) + d % 8; };
  auto to = [&](int d) { return s.isQuery(head) || !(s.mode & APPEND) ? at(d) : s.cached(head, d / 8, slot) + d % 8; };
  const bool rotate = (s.mode & ROTATE) && !s.isValue(head);
  for (int i = 0; i < half; i++) {
    const int d0 = s.interleaved ? 2 * i : i, d1 = s.interleaved ? d0 + 1 : d0 + half;
    const float a = __half2float(__ushort_as_half(*at(d0))), b = __half2float(__ushort_as_half(*at(d1)));
    const float c = rotate ? angles[i] : 1.f, n = rotate ? angles[half + i] : 0.f;
    const float u = rotate ? a * c - b * n : a, v = rotate ? a * n + b * c : b;
    if (s.isQuery(head) || !(s.mode & APPEND) || slot >= 0) *to(d0) = __half_as_ushort(__float2half_rn(u)), *to(d1) = __half_as_ushort(__float2half_rn(v));
  }
}

extern "C" __global__ void __launch_bounds__(256)
    rope_append_f16(uint16_t* qkv, const float* cosSin, const int* positions, const int* slots, uint16_t* cache, int rows, int tileRows, int pieces, int heads,
                    int kvHeads, int headDim, int interleaved, int mode, int early) {
  startSuccessor();
  const RopeShape s{{qkv, tileRows, pieces}, cache, heads, kvHeads, headDim, interleaved, mode};
  const bool whole = headDim % 16 != 0;
  const int perHead = whole ? 1 : headDim / 16, unit = blockIdx.y * 32 + threadIdx.x / 8, row = blockIdx.x * 8 + threadIdx.x % 8;
  const int head = unit / perHead;
  const bool busy = row < rows && head < heads + 2 * kvHeads && (mode & (s.isQuery(head) || s.isValue(head) ? (s.isQuery(head) ? ROTATE : APPEND) : ROTATE | APPEND));
  if (!early) awaitPredecessor();
  const int slot = busy && mode & APPEND ? slots[row] : 0;
  const float* angles = busy && mode & ROTATE ? cosSin + (int64_t)max(positions[row], 0) * headDim : nullptr;
  if (early) {
    if (angles) asm volatile("prefetch.global.L2 [%0];" ::"l"(angles));
    if (angles && headDim > 32) asm volatile("prefetch.global.L2 [%0];" ::"l"(angles + 32));
    awaitPredecessor();
  }
  if (!busy) return;
  if (whole) rotateHead(s, angles, row, head, slot);
  else rotatePieces(s, angles, row, head, unit % perHead, slot);
}

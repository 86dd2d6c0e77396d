// What a warp of attention_decode.cuh works with: its rotated queries, the row's own token, and the running softmax of its blocks. T: F16 or Bf16 of common/mma.cuh.
#pragma once
#include "attention.cuh"
#include "rope.cuh"

constexpr int WHOLE = 1024, SPAN = 512, WARPS = 4, MOST_SLOTS = 10, HEADS = 8, MAX_SPANS = 64;

struct DecodeAttention {
  uint16_t* y;
  const uint16_t* qkv;
  uint16_t* cache;
  const int *positions, *rowSequences, *blockTables;
  const float* cosSin;
  const int* slots;
  float* partials;
  int* arrivals;
  int stride, tileRows, heads, kvHeads, headDim, interleaved, ring;
  float scale;
  Variant variant;
  int window;
};

// A warp's 16 tokens at a time: scores s = {(token, head), (token, head + 1), (token + 8, head), (token + 8, head + 1)}, token = lane / 4, head = 2 * (lane % 4);
// sums o[j] = the same with dims 16 j + lane / 4 in the place of tokens.
template <class T, int DIM> struct HeadColumns {
  using H = Head<DIM>;
  float largest[2] = {NEGATIVE, NEGATIVE}, sum[2] = {0.f, 0.f}, o[H::STEPS][4] = {};

  static __device__ __forceinline__ uint32_t transposed(uint32_t pair) {
    uint32_t t;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(t) : "r"(pair));
    return t;
  }

  using Fragments = uint32_t[H::STEPS][4];
  // Raw scores of a block. Returns something that hangs on all that was read.
  static __device__ __forceinline__ uint32_t score(float (&s)[4], const uint32_t (&q)[H::STEPS][2], uint32_t block, int lane) {
    Fragments keys;
#pragma unroll
    for (int i = 0; i < H::STEPS; i++) loadKeys(keys[i], block + i * 2 * H::PLANE + H::valueLane(lane));  // 16 tokens by 16 dims
    float odd[4] = {};  // two sums: half the way through the tensor core's latency
#pragma unroll
    for (int e = 0; e < 4; e++) s[e] = 0.f;
#pragma unroll
    for (int i = 0; i < H::STEPS; i++) mma<T>(i % 2 ? odd : s, keys[i], q[i][0], q[i][1]);
#pragma unroll
    for (int e = 0; e < 4; e++) s[e] += odd[e];
    return any(keys);
  }
  static __device__ __forceinline__ uint32_t fetchValues(Fragments& values, uint32_t block, int lane) {
#pragma unroll
    for (int j = 0; j < H::STEPS; j++) loadValues(values[j], block + H::KEY_BYTES + j * 2 * H::PLANE + H::keyLane(lane));  // 16 dims by 16 tokens
    return any(values);
  }
  static __device__ __forceinline__ uint32_t any(const Fragments& fragments) {
    uint32_t v = 0;
#pragma unroll
    for (int i = 0; i < H::STEPS; i++) v ^= fragments[i][3];
    return v;
  }
  // Tokens first .. tokens - 1 of a block count. `top`: its largest scores.
  template <bool WINDOW> static __device__ __forceinline__ void mask(float (&s)[4], float (&top)[2], int first, int tokens, int lane) {
    const int token = lane >> 2;
    if (token >= tokens) s[0] = s[1] = NEGATIVE;
    if (token + 8 >= tokens) s[2] = s[3] = NEGATIVE;
    if (WINDOW && token < first) s[0] = s[1] = NEGATIVE;
    if (WINDOW && token + 8 < first) s[2] = s[3] = NEGATIVE;
#pragma unroll
    for (int h = 0; h < 2; h++) {
      top[h] = fmaxf(s[h], s[2 + h]);
#pragma unroll
      for (int lanes = 4; lanes < 32; lanes *= 2) top[h] = fmaxf(top[h], __shfl_xor_sync(~0u, top[h], lanes));
    }
  }
  // Scores become weights. `shrink`: by how much what was summed before shrinks.
  __device__ __forceinline__ void weigh(float (&s)[4], const float (&tops)[2], float (&shrink)[2], float scale) {
#pragma unroll
    for (int h = 0; h < 2; h++) {
      const float top = fmaxf(tops[h], largest[h]);
      const float base = top == NEGATIVE ? 0.f : top * scale;
      shrink[h] = powerOfTwo(fmaf(largest[h], scale, -base));
      largest[h] = top;
      s[h] = powerOfTwo(fmaf(s[h], scale, -base)), s[2 + h] = powerOfTwo(fmaf(s[2 + h], scale, -base));
      sum[h] = fmaf(sum[h], shrink[h], s[h] + s[2 + h]);
    }
  }
  __device__ __forceinline__ void add(const Fragments& values, const float (&weights)[4], const float (&shrink)[2]) {
    const uint32_t low = transposed(T::pack(weights[0], weights[1])), high = transposed(T::pack(weights[2], weights[3]));
#pragma unroll
    for (int j = 0; j < H::STEPS; j++) {
      o[j][0] *= shrink[0], o[j][1] *= shrink[1], o[j][2] *= shrink[0], o[j][3] *= shrink[1];
      mma<T>(o[j], values[j], low, high);
    }
  }

  __device__ __forceinline__ void finish() {
#pragma unroll
    for (int h = 0; h < 2; h++)
#pragma unroll
      for (int lanes = 4; lanes < 32; lanes *= 2) sum[h] += __shfl_xor_sync(~0u, sum[h], lanes);
  }
};

// Query fragments of a lane: pieces p = 0 .. 2 STEPS - 1 of head lane / 4, columns 2 * (lane % 4) and the next; q[p / 2][p % 2].
template <class T, int DIM> struct Queries {
  using H = Head<DIM>;
  float cosines[H::TILES], sines[H::TILES];

  // The angles of what this lane holds; only where headDim = DIM.
  __device__ __forceinline__ void fetchAngles(const float* angles, int interleaved, int lane) {
#pragma unroll
    for (int p = 0; p < H::STEPS; p++) {
      if (interleaved) {  // a piece has four pairs, one of them this lane's
        const int first = 8 * p + (lane & 3);
        cosines[2 * p] = angles[first], cosines[2 * p + 1] = angles[first + 4];
        sines[2 * p] = angles[DIM / 2 + first], sines[2 * p + 1] = angles[DIM / 2 + first + 4];
      } else {
        const int first = 8 * p + 2 * (lane & 3);
        const float2 c = *(const float2*)(angles + first), n = *(const float2*)(angles + DIM / 2 + first);
        cosines[2 * p] = c.x, cosines[2 * p + 1] = c.y, sines[2 * p] = n.x, sines[2 * p + 1] = n.y;
      }
    }
  }
  // Biases and norms of the lane's pieces; `bias`: of its head.
  static __device__ __forceinline__ void prepare(float2 (&v)[H::TILES], const float* bias, const float* norm, float eps, int lane) {
    const int column = 2 * (lane & 3);
    if (bias)
#pragma unroll
      for (int p = 0; p < H::TILES; p++) {
        const float2 b = *(const float2*)(bias + 8 * p + column);
        v[p].x = __fadd_rn(v[p].x, b.x), v[p].y = __fadd_rn(v[p].y, b.y);
      }
    if (!norm) return;
    float sum = 0.f;
#pragma unroll
    for (int j = 0; j < H::STEPS; j++) {
      float pair = squares(v[j].x, v[j].y, v[j + H::STEPS].x, v[j + H::STEPS].y);
      pair = __fadd_rn(pair, __shfl_xor_sync(~0u, pair, 1));
      pair = __fadd_rn(pair, __shfl_xor_sync(~0u, pair, 2));
      sum = j ? __fadd_rn(sum, pair) : pair;
    }
    const float scale = headScale(sum, DIM, eps);
#pragma unroll
    for (int p = 0; p < H::TILES; p++) {
      const float2 w = *(const float2*)(norm + 8 * p + column);
      v[p].x = normed(v[p].x, scale, w.x), v[p].y = normed(v[p].y, scale, w.y);
    }
  }
  // `head`: the lane's, or any of its group where it has none.
  template <bool VARIANT> __device__ __forceinline__ void rotate(uint32_t (&q)[H::STEPS][2], const DecodeAttention& s, int head, int lane) const {
    [[maybe_unused]] float2 prepared[VARIANT ? H::TILES : 1];
    if constexpr (VARIANT) {
#pragma unroll
      for (int p = 0; p < H::TILES; p++) prepared[p] = T::unpack(q[p / 2][p % 2]);
      prepare(prepared, s.variant.bias ? s.variant.bias + head * DIM : nullptr, s.variant.qNorm, s.variant.eps, lane);
    }
    auto value = [&](int p) {
      if constexpr (VARIANT) return prepared[p];
      else return T::unpack(q[p / 2][p % 2]);
    };
    if (s.interleaved) {
#pragma unroll
      for (int p = 0; p < H::TILES; p++) {
        const float2 v = value(p), t = turn(v.x, v.y, cosines[p], sines[p]);
        q[p / 2][p % 2] = T::pack(t.x, t.y);
      }
      return;
    }
#pragma unroll
    for (int p = 0; p < H::STEPS; p++) {
      const float2 a = value(p), b = value(p + H::STEPS), u = turn(a.x, b.x, cosines[2 * p], sines[2 * p]), v = turn(a.y, b.y, cosines[2 * p + 1], sines[2 * p + 1]);
      q[p / 2][p % 2] = T::pack(u.x, v.x), q[(p + H::STEPS) / 2][(p + H::STEPS) % 2] = T::pack(u.y, v.y);
    }
  }
};

// The row's own key and value out of the product, eight dims a piece: lane i of the first STEPS has pieces i and i + STEPS of the key, lanes 16 .. have one of the value
// each. One warp; headDim = DIM. `slot`: where they belong in the cache, negative: nowhere.
template <class T, int DIM> struct OwnToken {
  using H = Head<DIM>;
  Piece<T> first, second;

  static __device__ __forceinline__ bool hasKey(int lane) { return lane < H::STEPS; }
  static __device__ __forceinline__ bool hasValue(int lane) { return lane >= 16 && lane < 16 + H::TILES; }
  __device__ __forceinline__ void fetch(const DecodeAttention& s, const Rows& qkv, int row, int kvHead, int lane) {
    if (!hasKey(lane) && !hasValue(lane)) return;
    const int key = (s.heads + kvHead) * H::TILES + lane, value = (s.heads + s.kvHeads + kvHead) * H::TILES + lane - 16;
    first.bits = loadFresh((const uint4*)qkv.piece(row, hasKey(lane) ? key : value));
    second.bits = loadFresh((const uint4*)qkv.piece(row, hasKey(lane) ? key + H::STEPS : value));
  }
  // Biases, norm and rotation, of a whole warp.
  __device__ __forceinline__ void prepare(const DecodeAttention& s, const float* angles, int kvHead, int lane) {
    float a[8], b[8];
    first.unpack(a), second.unpack(b);
    if (s.variant.bias) {
      const float* keyBias = s.variant.bias + (s.heads + kvHead) * DIM + 8 * lane;
      if (hasKey(lane)) add8(a, keyBias), add8(b, keyBias + DIM / 2);
      if (hasValue(lane)) add8(a, s.variant.bias + (s.heads + s.kvHeads + kvHead) * DIM + 8 * (lane - 16));
    }
    if (s.variant.kNorm) {
      const float pair = pairSquares(a, b);
      float sum = __shfl_sync(~0u, pair, 0);
#pragma unroll
      for (int j = 1; j < H::STEPS; j++) sum = __fadd_rn(sum, __shfl_sync(~0u, pair, j));
      const float scale = headScale(sum, DIM, s.variant.eps), *weight = s.variant.kNorm + 8 * lane;
      if (hasKey(lane)) norm8(a, scale, weight), norm8(b, scale, weight + DIM / 2);
    }
    if (hasKey(lane)) rotateElements(a, b, angles, DIM / 2, lane, s.interleaved);
    first = Piece<T>::pack(a), second = Piece<T>::pack(b);
  }
  // To `fresh`, key pieces before value pieces, and to the cache.
  template <bool VARIANT> __device__ __forceinline__ void put(const DecodeAttention& s, uint4* fresh, const float* angles, int kvHead, int slot, int lane) {
    if (VARIANT) prepare(s, angles, kvHead, lane);
    else if (hasKey(lane)) rotatePieces(first, second, angles, DIM / 2, lane, s.interleaved);
    uint16_t* to = s.cache + ((int64_t)(slot / KV_TOKENS) * s.kvHeads + kvHead) * (H::BLOCK_BYTES / 2) + slot % KV_TOKENS * 8;
    const int piece = hasKey(lane) ? lane : H::TILES + lane - 16;
    if (hasKey(lane) || hasValue(lane)) fresh[piece] = first.bits;
    if (hasKey(lane)) fresh[piece + H::STEPS] = second.bits;
    if (slot < 0) return;
    if (hasKey(lane) || hasValue(lane)) *(uint4*)(to + piece * (H::PLANE / 2)) = first.bits;
    if (hasKey(lane)) *(uint4*)(to + (piece + H::STEPS) * (H::PLANE / 2)) = second.bits;
  }
};

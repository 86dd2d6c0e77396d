// Rows of activations (fp16 or bf16; T = F16, Bf16 of common/mma.cuh where it matters) as the products tile them (docs/adr/0001): tile after tile of `tileRows` rows, each [paddedCols/8][tileRows][8]. A *piece* is the
// 16 bytes of eight neighbouring columns of a row.
#pragma once
#include <stdint.h>

#include "../common/fresh.cuh"
#include "../common/mma.cuh"

// Programmatic dependent launch: every kernel of a step lets its successor start at once, and waits itself before it touches what other kernels write. Every
// block passes the wait, so that a kernel's end implies the end of all before it. Cards before sm_90 launch one kernel after the other.
__device__ __forceinline__ void startSuccessor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
__device__ __forceinline__ void awaitPredecessor() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

struct Rows {
  uint16_t* data;
  int tileRows, pieces;  // tileRows: a power of two; pieces = paddedCols / 8
  __device__ __forceinline__ uint16_t* piece(int row, int piece) const {
    const int tile = row >> (31 - __clz(tileRows));  // a division would cost more than what the kernels do with the piece
    return data + (((int64_t)tile * pieces + piece) * tileRows + (row & (tileRows - 1))) * 8;
  }
};

// Eight elements in a register quad.
template <class T> struct Piece {
  uint4 bits;
  __device__ __forceinline__ void unpack(float (&v)[8]) const {
    const uint32_t w[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
      const float2 f = T::unpack(w[i]);
      v[2 * i] = f.x, v[2 * i + 1] = f.y;
    }
  }
  static __device__ __forceinline__ Piece pack(const float (&v)[8]) {
    uint32_t w[4];
#pragma unroll
    for (int i = 0; i < 4; i++) w[i] = T::pack(v[2 * i], v[2 * i + 1]);
    return {make_uint4(w[0], w[1], w[2], w[3])};
  }
};

// Dense weights: strips of 64 outputs, each [paddedInputs/8][64][8] of the activations' type, so that any run of inputs of a strip is one run of bytes; outputs 2i and 2i+1 of 16
// neighbours stand at i and i+8, so that a thread of a tensor-core fragment holds both. Strips come in pairs: outputs are padded to 128. Also the layout of embedding tables.
__device__ __forceinline__ int64_t densePiece(int output, int piece, int pieces) {
  const int place = (output & 0x30) | (output & 1) << 3 | (output & 0xe) >> 1;
  return (((int64_t)(output >> 6) * pieces + piece) * 64 + place) * 8;
}

// Keys and values of a layer: [block][kvHead][key, value][headDimPadded/8][16 tokens][8] of the activations' type, headDimPadded = head dim rounded up to 16; what lies beyond the head
// dim is zero. A block's keys and values of a head are one run of bytes and free of bank conflicts for ldmatrix as they stand.
constexpr int KV_TOKENS = 16;

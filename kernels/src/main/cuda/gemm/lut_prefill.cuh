// Tables for products of many rows (lut.cuh has those for few), whose shared memory is taken by x. A byte of codes, a nibble each, names a pair of values (docs/adr/0001).
#pragma once
#include "lut.cuh"

// One table for the whole matrix: all pairs at the front of the shared memory, 128 bytes apart, a copy a bank (lut4 32 KB, lut3 15, lut2 7). Two instructions and a load a register.
template <int BITS, class C, class T> struct PairTable : TableScale<T> {
  using Codes = C;
  using Early = uint32_t;
  static constexpr int bits = BITS, ENTRIES = 1 << BITS, sharedBytes = ((ENTRIES - 1) * 17 + 1) * 128;
  static constexpr bool perStrip = false, placed = false;
  uint32_t entry;  // address of the lane's copy of the first
  __device__ __forceinline__ PairTable(const void*, int, uint32_t sharedBase, int lane) : entry(sharedBase + lane * 4) {}
  static __device__ __forceinline__ Early early(const void* tables, int thread) {
    const uint16_t* table = (const uint16_t*)tables;
    return table[thread & (ENTRIES - 1)] | (uint32_t)table[thread >> BITS & (ENTRIES - 1)] << 16;
  }
  // 256 threads.
  static __device__ __forceinline__ void prepare(Early pair, uint32_t sharedBase, int thread) {
    if (thread < ENTRIES * ENTRIES) storeCopies(sharedBase + ((thread >> BITS) * 16 + (thread & (ENTRIES - 1))) * 128, pair, thread);
  }
  __device__ __forceinline__ void select(int) {}
  __device__ __forceinline__ void values(uint32_t* a, const Codes& c, int i) const {
    const uint32_t w = c.step(i);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      uint32_t at;  // spelt out, or it takes three instructions
      asm("mad.lo.u32 %0, %1, 128, %2;" : "=r"(at) : "r"(j == 3 ? w >> 24 : __byte_perm(w, 0, 0x4440 | j)), "r"(entry));
      asm("ld.shared.u32 %0, [%1];" : "=r"(a[j]) : "r"(at));
    }
  }
  __device__ __forceinline__ void fragment(uint32_t* a, const Codes& c, int i, const typename TableScale<T>::Scale& g) const {
    values(a, c, i);
    this->apply(a, g);
  }
};
template <class T> using PairLut4 = PairTable<4, Codes4, T>;
template <class T> using PairLut3 = PairTable<3, Codes3, T>;
template <class T> using PairLut2 = PairTable<2, Codes2, T>;

// Tables of 16 values for strips of 64 columns, in registers like those of 8 and 4 (PermuteTable): eight of 21 instructions for four registers choose between the halves of the table.
// tables: [numTables][16].
template <class T> struct StripLut4 : TableScale<T> {
  using Codes = Codes4;
  struct Early {};
  static constexpr int bits = 4, sharedBytes = 0;
  static constexpr bool placed = false, perStrip = true;
  const void* tables;
  int numTables;
  uint32_t low[4], high[4];  // the lower and the upper bytes of the values
  __device__ __forceinline__ StripLut4(const void* tables, int numTables, uint32_t, int) : tables(tables), numTables(numTables) { read(0); }
  static __device__ __forceinline__ Early early(const void*, int) { return {}; }
  static __device__ __forceinline__ void prepare(Early, uint32_t, int) {}
  __device__ __forceinline__ void read(int table) {
    const uint32_t* p = (const uint32_t*)tables + table * 8;
#pragma unroll
    for (int i = 0; i < 4; i++) low[i] = __byte_perm(p[2 * i], p[2 * i + 1], 0x6420), high[i] = __byte_perm(p[2 * i], p[2 * i + 1], 0x7531);
  }
  __device__ __forceinline__ void select(int strip) {
    if (numTables > 1) read(strip);
  }
  // The values of four codes: `index` their lower three bits, a nibble each; a byte of `upper` is full where a code's fourth bit is set.
  __device__ __forceinline__ void four(uint32_t& a0, uint32_t& a1, uint32_t index, uint32_t upper) const {
    const uint32_t l = (__byte_perm(low[0], low[1], index) & ~upper) | (__byte_perm(low[2], low[3], index) & upper);
    const uint32_t h = (__byte_perm(high[0], high[1], index) & ~upper) | (__byte_perm(high[2], high[3], index) & upper);
    a0 = __byte_perm(l, h, 0x5140), a1 = __byte_perm(l, h, 0x7362);
  }
  // A selector's fourth bit makes a whole byte of the sign of the one selected.
  template <int SELECTOR> static __device__ __forceinline__ uint32_t signs(uint32_t even, uint32_t odd) {
    uint32_t r;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(even), "r"(odd), "n"(SELECTOR));
    return r;
  }
  __device__ __forceinline__ void values(uint32_t* a, const Codes& c, int i) const {
    const uint32_t w = c.step(i), index = w & 0x77777777u, even = w << 4;
    four(a[0], a[1], index, signs<0xd9c8>(even, w)), four(a[2], a[3], index >> 16, signs<0xfbea>(even, w));
  }
  __device__ __forceinline__ void fragment(uint32_t* a, const Codes& c, int i, const typename TableScale<T>::Scale& g) const {
    values(a, c, i);
    this->apply(a, g);
  }
};

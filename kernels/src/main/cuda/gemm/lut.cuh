// Codes that name an entry of a table of 16, 8 or 4 values: NF4, FP4, learned tables, and int3 and int2 as the table 0, 1, 2 ... A step word holds in byte j the two
// codes of register j of the A fragment (docs/adr/0001), so a byte is an index of pairs.
//   One table for the matrix: all pairs in shared memory, one copy a bank (64 KB; of 3 bits 30 KB): a PRMT and a conflict-free load a register.
//   lut4 with 64 rows: the same in 32 KB, an address costs two instructions more.
//   lut3, lut2 with 64 rows or several tables: the table's high and low bytes in registers; PRMT takes the codes as its selectors, two for four values.
#pragma once
#include "weights.cuh"

// The scale of a pair from a table, rounded once.
template <class T> struct TableScale {
  using Type = T;
  using Pair = typename T::Pair;
  using Scale = GroupScale<Pair>;
  static constexpr bool zeros = false;
  static __device__ __forceinline__ Scale scale(uint32_t scale, uint32_t, int, bool bf16, int scaleExponent) {
    Scale g;
    const Pair s = T::fromStored(scale, bf16, T::tablePower(scaleExponent));
    g.scale0 = lowTwice(s), g.scale1 = highTwice(s);
    return g;
  }
  static __device__ __forceinline__ float lift(int scaleExponent) { return powerOfTwo(-T::tablePower(scaleExponent)); }
  // The four registers of a fragment; even ones belong to column n0, odd ones to n1.
  static __device__ __forceinline__ void apply(uint32_t* a, const Scale& g) {
#pragma unroll
    for (int j = 0; j < 4; j++) a[j] = bitsOf(__hmul2(as<Pair>(a[j]), j % 2 == 0 ? g.scale0 : g.scale1));
  }
};

// tables: [numTables][16] of the activations' type; one table, as the pair table serves the whole launch.
template <class T> struct Lut4 : TableScale<T> {
  using Codes = Codes4;
  static constexpr int bits = 4, sharedBytes = 32768;
  static constexpr bool perStrip = false, placed = false;
  uint32_t pairs;
  __device__ __forceinline__ Lut4(const void*, int, uint32_t sharedBase, int lane) : pairs(sharedBase + lane * 4) {}
  static __device__ __forceinline__ void prepare(const void* tables, uint32_t sharedBase) {
    const uint16_t* table = (const uint16_t*)tables;
    for (int pair = threadIdx.x; pair < 256; pair += blockDim.x) {
      const uint32_t v = table[pair & 15] | (uint32_t)table[pair >> 4] << 16;
#pragma unroll
      for (int i = 0; i < 8; i++)  // rotated by the thread, so that neighbours write to different banks
        asm volatile("st.shared.v4.u32 [%0], {%1,%1,%1,%1};" ::"r"(sharedBase + pair * 128 + ((i + threadIdx.x) & 7) * 16), "r"(v) : "memory");
    }
  }
  __device__ __forceinline__ void select(int) {}
  __device__ __forceinline__ void fragment(uint32_t* a, const Codes& c, int i, const typename TableScale<T>::Scale& g) const {
    const uint32_t w = c.step(i);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const uint32_t at = pairs + (w >> 8 * j & 0xff) * 128;
      asm("ld.shared.u32 %0, [%1];" : "=r"(a[j]) : "r"(at));
    }
    this->apply(a, g);
  }
};

struct Codes3 {
  uint4 u;
  uint2 v;
  __device__ __forceinline__ void load(uint32_t mine) {
    u = loadSharedWords(mine);
    asm volatile("ld.shared.v2.u32 {%0,%1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(mine + 2048 - (threadIdx.x & 127) * 8) : "memory");
  }
  __device__ __forceinline__ uint32_t step(int i) const {
    const uint32_t a = i < 4 ? u.x : u.w, b = i < 4 ? u.y : v.x, c = i < 4 ? u.z : v.y;
    if (i % 4 == 3) return (a >> 3 & 0x11111111u) | (b >> 2 & 0x22222222u) | (c >> 1 & 0x44444444u);
    return (i % 4 == 0 ? a : i % 4 == 1 ? b : c) & 0x77777777u;
  }
  __device__ __forceinline__ uint32_t any() const { return u.x ^ v.y; }
  __device__ __forceinline__ void pin() {
    pinWords(u);
    asm volatile("" : "+r"(v.x), "+r"(v.y));
  }
};

struct Codes2 {
  uint4 u;
  __device__ __forceinline__ void load(uint32_t mine) { u = loadSharedWords(mine); }
  __device__ __forceinline__ uint32_t step(int i) const {
    const uint32_t w = i / 2 == 0 ? u.x : i / 2 == 1 ? u.y : i / 2 == 2 ? u.z : u.w;
    return (i % 2 == 0 ? w : w >> 2) & 0x33333333u;
  }
  // Of two steps.
  __device__ __forceinline__ uint32_t raw(int i) const { return i / 2 == 0 ? u.x : i / 2 == 1 ? u.y : i / 2 == 2 ? u.z : u.w; }
  __device__ __forceinline__ uint32_t any() const { return u.x ^ u.w; }
  __device__ __forceinline__ void pin() { pinWords(u); }
};

// tables: [numTables][8] or [4]; numTables = 1, or one for each strip of 64 columns.
template <int BITS, class C, class T> struct PermuteTable : TableScale<T> {
  using Codes = C;
  static constexpr int bits = BITS, sharedBytes = 0, WORDS = BITS == 3 ? 2 : 1;
  static constexpr bool placed = false, perStrip = true;  // a strip may have a table of its own
  const void* tables;
  int numTables;
  uint32_t low[WORDS], high[WORDS];
  __device__ __forceinline__ PermuteTable(const void* tables, int numTables, uint32_t, int) : tables(tables), numTables(numTables) { read(0); }
  static __device__ __forceinline__ void prepare(const void*, uint32_t) {}
  __device__ __forceinline__ void read(int table) {
    const uint32_t* p = (const uint32_t*)tables + table * (WORDS * 2);
#pragma unroll
    for (int i = 0; i < WORDS; i++) {
      const uint32_t u = p[2 * i], v = p[2 * i + 1];
      low[i] = __byte_perm(u, v, 0x6420), high[i] = __byte_perm(u, v, 0x7531);
    }
  }
  __device__ __forceinline__ void select(int strip) {
    if (numTables > 1) read(strip);
  }
  // The four values of the codes in the low 16 bits (a nibble each, its top bit clear).
  __device__ __forceinline__ void four(uint32_t& a0, uint32_t& a1, uint32_t codes) const {
    const uint32_t l = __byte_perm(low[0], low[WORDS - 1], codes), h = __byte_perm(high[0], high[WORDS - 1], codes);
    a0 = __byte_perm(l, h, 0x5140), a1 = __byte_perm(l, h, 0x7362);
  }
  __device__ __forceinline__ void fragment(uint32_t* a, const Codes& c, int i, const typename TableScale<T>::Scale& g) const {
    const uint32_t codes = c.step(i);
    four(a[0], a[1], codes), four(a[2], a[3], codes >> 16);
    this->apply(a, g);
  }
};
template <class T> using Lut3 = PermuteTable<3, Codes3, T>;
template <class T> using Lut2 = PermuteTable<2, Codes2, T>;

// One table for the whole matrix, as a table of all 256 values of a byte of codes in shared memory, a copy a bank. The copies of an entry are 256 bytes apart and the table lies
// at tablePlace(), so that one PRMT puts the byte of codes into the address; one conflict-free load brings a register of the fragment (4 bits) or two (2 bits: a byte holds the
// pairs of two steps).
template <int BITS, class C, class T> struct PlacedTable : TableScale<T> {
  using Codes = C;
  static constexpr int bits = BITS, sharedBytes = 65536;
  static constexpr bool perStrip = false, placed = true;
  uint32_t entry, second[4];  // address of the lane's copy of the first entry; of two steps, what belongs to the second
  __device__ __forceinline__ PlacedTable(const void*, int, uint32_t sharedBase, int lane) : entry(tablePlace(sharedBase) + lane * (BITS == 2 ? 8 : 4)) {}
  static __device__ __forceinline__ void prepare(const void* tables, uint32_t sharedBase) {
    const uint16_t* table = (const uint16_t*)tables;
    constexpr int MASK = (1 << BITS) - 1, PIECES = BITS == 2 ? 2 : 1;  // 128 bytes each
    for (int i = threadIdx.x; i < 256 * PIECES; i += blockDim.x) {
      const int byte = i / PIECES;
      const uint32_t u = table[byte & MASK] | (uint32_t)table[byte >> 4 & MASK] << 16;
      const uint32_t v = BITS == 2 ? table[byte >> 2 & MASK] | (uint32_t)table[byte >> 6] << 16 : u;
#pragma unroll
      for (int j = 0; j < 8; j++)  // rotated by the thread, so that neighbours write to different banks
        asm volatile("st.shared.v4.u32 [%0], {%1,%2,%1,%2};"
                     ::"r"(tablePlace(sharedBase) + byte * 256 + i % PIECES * 128 + ((j + threadIdx.x) & 7) * 16), "r"(u), "r"(v) : "memory");
    }
  }
  __device__ __forceinline__ void select(int) {}
  __device__ __forceinline__ void fragment(uint32_t* a, const Codes& c, int i, const typename TableScale<T>::Scale& g) {
    const uint32_t w = c.raw(i);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const uint32_t at = __byte_perm(w, entry, 0x7604 | j << 4);
      if (BITS != 2)
        asm("ld.shared.u32 %0, [%1];" : "=r"(a[j]) : "r"(at));
      else if (i % 2 == 0)
        asm("ld.shared.v2.u32 {%0,%1}, [%2];" : "=r"(a[j]), "=r"(second[j]) : "r"(at));
      else
        a[j] = second[j];
    }
    this->apply(a, g);
  }
};
template <class T> using OneLut4 = PlacedTable<4, Codes4, T>;
template <class T> using OneLut2 = PlacedTable<2, Codes2, T>;

// The same for 3 bits, of which a byte of codes has 64 values and not 256: a mask more for four registers, but written in a quarter of the time and small enough for a CTA that
// shares its multiprocessor.
template <class T> struct OneLut3 : TableScale<T> {
  using Codes = Codes3;
  static constexpr int bits = 3, sharedBytes = 0x78 * 256;
  static constexpr bool perStrip = false, placed = true;
  uint32_t entry;
  __device__ __forceinline__ OneLut3(const void*, int, uint32_t sharedBase, int lane) : entry(tablePlace(sharedBase) + lane * 4) {}
  static __device__ __forceinline__ void prepare(const void* tables, uint32_t sharedBase) {
    const uint16_t* table = (const uint16_t*)tables;
    for (int i = threadIdx.x; i < 64 * 8; i += blockDim.x) {  // 16 bytes each
      const int low = i >> 3 & 7, high = i >> 6;
      const uint32_t v = table[low] | (uint32_t)table[high] << 16;
      asm volatile("st.shared.v4.u32 [%0], {%1,%1,%1,%1};" ::"r"(tablePlace(sharedBase) + (high * 16 + low) * 256 + (i & 7) * 16), "r"(v) : "memory");
    }
  }
  __device__ __forceinline__ void select(int) {}
  __device__ __forceinline__ void fragment(uint32_t* a, const Codes& c, int i, const typename TableScale<T>::Scale& g) const {
    const uint32_t w = c.step(i);
#pragma unroll
    for (int j = 0; j < 4; j++) asm("ld.shared.u32 %0, [%1];" : "=r"(a[j]) : "r"(__byte_perm(w, entry, 0x7604 | j << 4)));
    this->apply(a, g);
  }
};

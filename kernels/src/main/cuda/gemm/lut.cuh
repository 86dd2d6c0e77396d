// Codes that name an entry of a table of 16, 8 or 4 values: NF4, FP4, learned tables, and int3 and int2 as the table 0, 1, 2 ... A step word holds in byte j the two
// codes of register j of the A fragment (docs/adr/0001), so a byte is an index of pairs.
//   One table for the matrix: all pairs in shared memory, one copy a bank (lut4 64 KB, lut3 30, lut2 13): a PRMT and a conflict-free load a register; of lut2 three eighths by PRMT alone.
//   lut4 with 64 rows: the same in 32 KB, an address costs two instructions more.
//   lut3, lut2 with 64 rows or several tables, with 32 rows and four parts of K (room for x) lut3 and of lut2 groups of 32: the table's high and low bytes in registers; PRMT takes the codes as its selectors, two for four values.
// Values go to the tensor core as they are; a block with one scale has it on its sums, in fp32.
#pragma once
#include "weights.cuh"

// The scale of a pair from a table, rounded once: for blocks with several.
template <class T> struct TableScale {
  using Type = T;
  using Pair = typename T::Pair;
  using Scale = GroupScale<Pair>;
  static constexpr bool zeros = false, scalesSums = true;
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

// Eight copies of a pair of values, four lanes' each.
__device__ __forceinline__ void storeCopies(uint32_t at, uint32_t pair, int thread) {
#pragma unroll
  for (int i = 0; i < 8; i++)  // rotated by the thread, so that neighbours write to different banks
    asm volatile("st.shared.v4.u32 [%0], {%1,%1,%1,%1};" ::"r"(at + ((i + thread) & 7) * 16), "r"(pair) : "memory");
}

// All 256 pairs of a table of 16 values: where those of a byte of codes begin, and a thread's way to write its own.
template <class T, bool PLACED> struct PairTable4 : TableScale<T> {
  using Codes = Codes4;
  using Early = uint32_t;
  static constexpr int bits = 4, sharedBytes = PLACED ? 65536 : 32768, STRIDE = sharedBytes / 256;
  static constexpr bool perStrip = false, placed = PLACED;
  uint32_t entry;  // address of the lane's copy of the first
  static __device__ __forceinline__ uint32_t first(uint32_t sharedBase) { return PLACED ? tablePlace(sharedBase) : sharedBase; }
  __device__ __forceinline__ PairTable4(const void*, int, uint32_t sharedBase, int lane) : entry(first(sharedBase) + lane * 4) {}
  // Values are fetched before anything else: a layer waits for them.
  static __device__ __forceinline__ Early early(const void* tables, int thread) {
    const uint16_t* table = (const uint16_t*)tables;
    return table[thread & 15] | (uint32_t)table[thread >> 4 & 15] << 16;
  }
  // 256 threads.
  static __device__ __forceinline__ void prepare(Early pair, uint32_t sharedBase, int thread) { storeCopies(first(sharedBase) + thread * STRIDE, pair, thread); }
  __device__ __forceinline__ void select(int) {}
  __device__ __forceinline__ void values(uint32_t* a, const Codes& c, int i) const {
    const uint32_t w = c.step(i);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      // In its place a byte of codes is a byte of the address.
      const uint32_t at = PLACED ? __byte_perm(w, entry, 0x7604 | j << 4) : entry + (w >> 8 * j & 0xff) * STRIDE;
      asm("ld.shared.u32 %0, [%1];" : "=r"(a[j]) : "r"(at));
    }
  }
  __device__ __forceinline__ void fragment(uint32_t* a, const Codes& c, int i, const typename TableScale<T>::Scale& g) const {
    values(a, c, i);
    this->apply(a, g);
  }
};
template <class T> using OneLut4 = PairTable4<T, true>;
template <class T> using Lut4 = PairTable4<T, false>;

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
  __device__ __forceinline__ uint32_t any() const { return u.x ^ u.w; }
  __device__ __forceinline__ void pin() { pinWords(u); }
};

// tables: [numTables][8] or [4]; numTables = 1, or one for each strip of 64 columns.
template <int BITS, class C, class T> struct PermuteTable : TableScale<T> {
  using Codes = C;
  struct Early {};
  static constexpr int bits = BITS, sharedBytes = 0, WORDS = BITS == 3 ? 2 : 1;
  static constexpr bool placed = false, perStrip = true;  // a strip may have a table of its own
  const void* tables;
  int numTables;
  uint32_t low[WORDS], high[WORDS];
  __device__ __forceinline__ PermuteTable(const void* tables, int numTables, uint32_t, int) : tables(tables), numTables(numTables) { read(0); }
  static __device__ __forceinline__ Early early(const void*, int) { return {}; }
  static __device__ __forceinline__ void prepare(Early, uint32_t, int) {}
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
  __device__ __forceinline__ void values(uint32_t* a, const Codes& c, int i) const {
    const uint32_t codes = c.step(i);
    four(a[0], a[1], codes), four(a[2], a[3], codes >> 16);
  }
  __device__ __forceinline__ void fragment(uint32_t* a, const Codes& c, int i, const typename TableScale<T>::Scale& g) const {
    values(a, c, i);
    this->apply(a, g);
  }
};
template <class T> using Lut3 = PermuteTable<3, Codes3, T>;
template <class T> using Lut2 = PermuteTable<2, Codes2, T>;

// One table for the whole matrix as pairs of values in shared memory, a copy a bank. Pairs are 256 bytes apart and lie at tablePlace(), so that one PRMT puts a byte of codes,
// a nibble each, into the address. Small enough for a CTA that shares its multiprocessor.
template <int BITS, class C, class T> struct SmallTable : TableScale<T> {
  using Codes = C;
  static constexpr int bits = BITS, ENTRIES = 1 << BITS, sharedBytes = ((ENTRIES - 1) * 17 + 1) * 256;
  static constexpr bool perStrip = false, placed = true;
  static constexpr int PIECES = ENTRIES * ENTRIES * 8, EARLY = (PIECES + 255) / 256;  // 16 bytes each; of a thread
  struct Early {
    uint32_t pair[EARLY];
  };
  // So many of the eight steps of a block take their values from registers, for 32 loads a block keep shared memory busy (16 rows: 43.1 -> 41.8 us a block). Eight values take
  // two registers more, and gain nothing.
  static constexpr int PERMUTED = BITS == 2 ? 3 : 0;
  PermuteTable<BITS, C, T> permute;
  uint32_t entry;
  __device__ __forceinline__ SmallTable(const void* tables, int numTables, uint32_t sharedBase, int lane)
      : permute(tables, numTables, sharedBase, lane), entry(tablePlace(sharedBase) + lane * 4) {}
  static __device__ __forceinline__ Early early(const void* tables, int thread) {
    const uint16_t* table = (const uint16_t*)tables;
    Early e;
#pragma unroll
    for (int i = 0; i < EARLY; i++) {
      const int pair = (thread + i * 256) >> 3;
      e.pair[i] = table[pair & (ENTRIES - 1)] | (uint32_t)table[pair >> BITS & (ENTRIES - 1)] << 16;
    }
    return e;
  }
  // 256 threads.
  static __device__ __forceinline__ void prepare(const Early& e, uint32_t sharedBase, int thread) {
#pragma unroll
    for (int i = 0; i < EARLY; i++) {
      const int piece = thread + i * 256, low = piece >> 3 & (ENTRIES - 1), high = piece >> (3 + BITS);
      if (piece < PIECES)
        asm volatile("st.shared.v4.u32 [%0], {%1,%1,%1,%1};" ::"r"(tablePlace(sharedBase) + (high * 16 + low) * 256 + (piece & 7) * 16), "r"(e.pair[i]) : "memory");
    }
  }
  __device__ __forceinline__ void select(int) {}
  __device__ __forceinline__ void values(uint32_t* a, const Codes& c, int i) const {
    if (i * PERMUTED % 8 < PERMUTED) {
      permute.values(a, c, i);
      return;
    }
    const uint32_t w = c.step(i);
#pragma unroll
    for (int j = 0; j < 4; j++) asm("ld.shared.u32 %0, [%1];" : "=r"(a[j]) : "r"(__byte_perm(w, entry, 0x7604 | j << 4)));
  }
  __device__ __forceinline__ void fragment(uint32_t* a, const Codes& c, int i, const typename TableScale<T>::Scale& g) const {
    values(a, c, i);
    this->apply(a, g);
  }
};
template <class T> using OneLut3 = SmallTable<3, Codes3, T>;
template <class T> using OneLut2 = SmallTable<2, Codes2, T>;

// Who multiplies what, and how the sums of the parts of K meet: the two CTAs of a cluster, each of two warpgroups, take a run of strips of 64 columns. K is cut into
// one, two or four parts: the warpgroups that hold the parts of a strip are its team, and send each other their sums over distributed shared memory.
#pragma once
#include "../common/async.cuh"
#include "../common/cluster.cuh"
#include "epilogue.cuh"

// The work of one warpgroup. Parts are cut as in the prefill product: part p = groups [p G / parts, (p + 1) G / parts).
struct Team {
  int part, partsLog, firstStrip, endStrip, firstGroup, endGroup;
  __device__ __forceinline__ Team(int groups, int strips, int partsLog, int warpgroup) : partsLog(partsLog) {
    const int clusters = gridDim.x >> 1, cluster = blockIdx.x >> 1, member = (blockIdx.x & 1) * 2 + warpgroup;  // blockIdx.x & 1 is the rank in the cluster
    const int first = cluster * strips / clusters, count = (cluster + 1) * strips / clusters - first;
    // Four parts: a part each. Two: a CTA has one of them, and a warpgroup half of the strips. One: a quarter of the strips each. The earlier quarters are the larger
    // ones, and a cluster of the second half of the grid, whose CTAs find their places beside those of the first, counts them from the other end.
    const int teams = 4 >> partsLog, quarter = cluster < clusters >> 1 ? member : 3 - member, team = partsLog == 1 ? warpgroup : partsLog == 2 ? 0 : quarter;
    part = partsLog == 2 ? member : partsLog == 1 ? member >> 1 : 0;
    firstStrip = first + (team * count + teams - 1) / teams, endStrip = first + ((team + 1) * count + teams - 1) / teams;
    firstGroup = part * groups >> partsLog, endGroup = (part + 1) * groups >> partsLog;
  }
};

// What a member receives: the sums of all parts of the columns that it owns, of the strips of a pass: [part][strip][warp of columns][tile of eight rows][lane] float4.
template <int R, int STRIPS> constexpr int SUM_BYTES = STRIPS * 4 * (R / 8) * 512;

// The columns of each warp of every member go to the member that owns them, which adds the parts in order of K and finishes them.
template <class F, int R, int STRIPS> struct Summation {
  using T = typename F::Type;
  static constexpr int TILES = R / 8;
  const Output& out;
  float lift;
  uint32_t buffer, full, free;  // of this warpgroup; the barriers lie side by side
  int barStride, warpgroup, warp, lane, count = 0, lastStrip = 0, lastStrips = 0;  // sends so far; the strips of the last

  __device__ __forceinline__ Summation(const Output& out, float lift, uint32_t buffers, uint32_t bars, int barStride, int warpgroup, int warp, int lane)
      : out(out), lift(lift), buffer(buffers + warpgroup * SUM_BYTES<R, STRIPS>), full(bars), free(bars + 8), barStride(barStride), warpgroup(warpgroup), warp(warp), lane(lane) {}

  // A sum and its place: the warp whose columns it has, the tile of eight rows.
  __device__ __forceinline__ void write(int strip, int columnWarp, int tile, float4 v, uint2 addend) const {
    v.x *= lift, v.y *= lift, v.z *= lift, v.w *= lift;
    ::finish<T, R>(out, strip * 64 + columnWarp * 16 + (lane >> 2) * 2, tile * 8 + (lane & 3) * 2, v, addend);
  }
  __device__ __forceinline__ uint2 addend(int strip, int columnWarp, int tile) const {
    return fetchAddend<R>(out, strip * 64 + columnWarp * 16 + (lane >> 2) * 2, tile * 8 + (lane & 3) * 2);
  }

  template <int N> __device__ __forceinline__ void finish(const Team& t, int strip, const float (&acc)[N][R / 2]) {
    if (t.partsLog == 0) {  // nobody else has sums of these columns
      finishOwn<N>(strip, acc);
      __syncwarp();  // an epilogue's branches left the lanes apart for the compiler, and with them the next strip's bookkeeping
      return;
    }
    if (count > 0) {
      finishLast(t);
      namedBarrier(1 + warpgroup, 128);
      if (warp == 0 && lane < 1 << t.partsLog) arrivePeer(peerAddress(free + (memberGroup(t, lane) - warpgroup) * barStride, memberRank(t, lane)));
    }
    send<N>(t, acc);
    lastStrip = strip, lastStrips = N;
    count++;
  }
  // Straight from the registers: 2.4 of 25 us (4096 x 28672, 32 rows) less than through shared memory.
  template <int N> __device__ __forceinline__ void finishOwn(int strip, const float (&acc)[N][R / 2]) const {
    if (out.kind == EPILOGUE_SWIGLU)
      finishOwnAs<N, EPILOGUE_SWIGLU>(strip, acc);
    else if (out.kind == EPILOGUE_ADD)
      finishOwnAs<N, EPILOGUE_ADD>(strip, acc);
    else
      finishOwnAs<N, EPILOGUE_STORE>(strip, acc);
  }
  template <int N, Epilogue KIND> __device__ __forceinline__ void finishOwnAs(int strip, const float (&acc)[N][R / 2]) const {
    const Output known{out.y0, out.y1, out.y2, KIND, out.cut0, out.cut1, out.columns};
#pragma unroll
    for (int n = 0; n < N; n++) {
      const int column = (strip + n) * 64 + warp * 16 + (lane >> 2) * 2, row = (lane & 3) * 2;
      uint2 addends[TILES];
#pragma unroll
      for (int j = 0; j < TILES; j++) addends[j] = fetchAddend<R>(known, column, j * 8 + row);
#pragma unroll
      for (int j = 0; j < TILES; j++) {
        const float* v = acc[n] + 4 * j;
        ::finish<T, R>(known, column, j * 8 + row, make_float4(v[0] * lift, v[1] * lift, v[2] * lift, v[3] * lift), addends[j]);
      }
    }
  }
  // Sums that were sent are taken when the next have been multiplied: nobody waits for them on the way.
  __device__ __forceinline__ void finishLast(const Team& t) const {
    if (count > 0) take(t, lastStrip, lastStrips);
  }

  // Where a member of the team is: with four parts both warpgroups of both CTAs, with two the same warpgroup of either CTA, else alone.
  __device__ __forceinline__ int memberRank(const Team& t, int member) const { return t.partsLog == 2 ? member >> 1 : t.partsLog == 1 ? member : blockIdx.x & 1; }
  __device__ __forceinline__ int memberGroup(const Team& t, int member) const { return t.partsLog == 2 ? member & 1 : warpgroup; }

  template <int N> __device__ __forceinline__ void send(const Team& t, const float (&acc)[N][R / 2]) {
    const int columnsLog = 2 - t.partsLog, owner = warp >> columnsLog, column = warp & ((1 << columnsLog) - 1);  // an owner has the columns of 2^columnsLog warps
    const int away = memberGroup(t, owner) - warpgroup;
    const uint32_t to = peerAddress(buffer + away * SUM_BYTES<R, STRIPS> + lane * 16, memberRank(t, owner)), toBar = peerAddress(full + away * barStride, memberRank(t, owner));
    if (warp == 0 && lane == 0) barrierExpect(full, N * 4 * TILES * 512);
    if (count > 0) barrierWait(free, (count - 1) & 1);
#pragma unroll
    for (int n = 0; n < N; n++) {
      const uint32_t place = to + ((((t.part * N + n) << columnsLog) + column) * TILES) * 512;
#pragma unroll
      for (int j = 0; j < TILES; j++) sendPeer(place + j * 512, make_float4(acc[n][4 * j], acc[n][4 * j + 1], acc[n][4 * j + 2], acc[n][4 * j + 3]), toBar);
    }
  }

  // A member owns the columns of its own number.
  __device__ __forceinline__ void take(const Team& t, int strip, int strips) const {
    constexpr int TILES_LOG = TILES == 1 ? 0 : TILES == 2 ? 1 : TILES == 4 ? 2 : 3;
    const int columnsLog = 2 - t.partsLog, stripLog = TILES_LOG + columnsLog, items = strips << stripLog;
    int item = warp;
    auto stripOf = [&](int i) { return strip + (i >> stripLog); };
    auto columnOf = [&](int i) { return (t.part << columnsLog) + (i >> TILES_LOG & ((1 << columnsLog) - 1)); };
    auto addendOf = [&](int i) { return i < items ? addend(stripOf(i), columnOf(i), i & (TILES - 1)) : make_uint2(0u, 0u); };
    uint2 next = addendOf(item);
    if (item < items) barrierWait(full, (count - 1) & 1);
#pragma unroll 1
    for (; item < items; item += 4) {
      const uint32_t from = buffer + item * 512 + lane * 16;
      float4 sum = loadShared4(from);
      const uint2 now = next;
      next = addendOf(item + 4);
      for (int p = 1; p < 1 << t.partsLog; p++) {
        const float4 w = loadShared4(from + p * items * 512);
        sum.x += w.x, sum.y += w.y, sum.z += w.z, sum.w += w.w;
      }
      write(stripOf(item), columnOf(item), item & (TILES - 1), sum, now);
    }
  }
};

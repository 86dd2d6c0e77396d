// The next tokens of rows that sample, have a penalty or a mask, and the terms of log-probabilities. Definition, and oracle of both to the bit: TokenChooser.
//   choose_tokens_sm90      ids[r] = the token chosen for row r of logits (fp32 [rows][vocabulary]) as choices[r] says (TokenChoice.pack), with bit 30 if it is one of
//                           the numEnds tokens in `ends`; -1: a logit is NaN, -2: there is none to choose. Row r is row rowIds[r] of the step, r itself without rowIds:
//                           its position p there is the draw's counter less one, and the tokens at positions 0..p of its sequence, which history has by KV slot, are
//                           the ones seen. A row of padding (position -1) gets 0. masks: [mask][ceil(vocabulary / 32)] words, bit i % 32 of word i / 32 set where
//                           token i may be chosen. vocabulary <= 2^18.
//   log_prob_terms_sm90     terms[i] = {logit, best, sum} of token tokens[i] in row rowIds[i] of logits: the bits of its logit and of the row's largest, and
//                           the 64-bit sum of the row's weights at scale log2(e), -1 where the largest is no number.
// Grid: (8, rows or terms). Block: 512. A cluster of 8 blocks has a row, each an eighth of it by id, kept in shared memory: (chunk + ceil(chunk / 32)) * 4 bytes with
// chunk = ceil(vocabulary / 32) * 4.
// Weights are integers (TokenWeight), so that sums have no order; top-k and top-p are cuts in the order of ranks, found by histograms over ever finer ranges of it.
// Bytes: a row of logits is read once.
#include "common/cluster.cuh"
#include "ops/best.cuh"
#include "ops/rows.cuh"

namespace {

constexpr int THREADS = 512, WARPS = THREADS / 32, RANKS = 8, BINS = 256;
// Pairs of warps have histograms of their own. Their two 32-bit words hold the mass of 4096 tokens, so that shared memory's own atomics do: 64-bit ones are loops.
constexpr int GROUPS = WARPS / 2, LOW_BITS = 20;
constexpr int LISTED = 1024;  // tokens of a bin that are listed, and so need no scan of the block's part
constexpr int ID_BITS = 18;
constexpr float LOG2_E = 0x1.715476p+0f;

struct Choice {  // TokenChoice.pack
  float scale, penalty;
  int topK;
  uint32_t topP;
  unsigned long long minWeight, seed, stream;
  int mask, unused;
};
static_assert(sizeof(Choice) == 48, "twelve integers");

// 2^x in units of 2^-39, x in [-44, 0]: TokenWeight.power, operation by operation.
__device__ __forceinline__ unsigned long long power(float x) {
  const float shifted = __fadd_rn(x, 0x1.8p23f), f = __fsub_rn(x, __fsub_rn(shifted, 0x1.8p23f));
  float p = __fmaf_rn(0x1.444004p-13f, f, 0x1.5f0896p-10f);
  p = __fmaf_rn(p, f, 0x1.3b2a1cp-7f);
  p = __fmaf_rn(p, f, 0x1.c6af6cp-5f);
  p = __fmaf_rn(p, f, 0x1.ebfbep-3f);
  p = __fmaf_rn(p, f, 0x1.62e43p-1f);
  p = __fmaf_rn(p, f, 1.f);
  const uint32_t bits = __float_as_uint(p) + (__float_as_uint(shifted) << 23);
  return (unsigned long long)(bits & 0x7fffff | 0x800000) << 16 >> (127 - (bits >> 23));
}

// Philox4x32-10, the first 64 bits: Philox.bits.
__device__ __forceinline__ unsigned long long philox(unsigned long long key, unsigned long long counter, unsigned long long stream) {
  uint32_t c0 = counter, c1 = counter >> 32, c2 = stream, c3 = stream >> 32, k0 = key, k1 = key >> 32;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint32_t low0 = 0xD2511F53u * c0, high0 = __umulhi(0xD2511F53u, c0), low1 = 0xCD9E8D57u * c2, high1 = __umulhi(0xCD9E8D57u, c2);
    c0 = high1 ^ c1 ^ k0, c1 = low1, c2 = high0 ^ c3 ^ k1, c3 = low0;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  return (unsigned long long)c0 << 32 | c1;
}

__device__ __forceinline__ unsigned long long sumOfWarp(unsigned long long v) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) v += __shfl_xor_sync(~0u, v, lanes);
  return v;
}

__device__ __forceinline__ unsigned long long prefixOfWarp(unsigned long long v) {
#pragma unroll
  for (int lanes = 1; lanes < 32; lanes *= 2) {
    const unsigned long long below = __shfl_up_sync(~0u, v, lanes);
    if ((threadIdx.x & 31) >= lanes) v += below;
  }
  return v;
}

struct Shared {
  uint32_t low[GROUPS * BINS], high[GROUPS * BINS], counts[BINS];  // of the block; low alone counts tokens where no mass is wanted
  unsigned long long sums[2][BINS];                              // the same for peers, by turns: they may still read the other one
  uint32_t tokens[2][BINS];
  unsigned long long before[BINS / 32];  // sums of each warp's bins
  unsigned long long found[4];           // the bin looked for: number, sum before it, sum in it, tokens in it
  unsigned long long ranges[WARPS][2], range[2];
  unsigned long long segments[WARPS], mass;  // weights of each warp's run of ids, and of the block
  unsigned long long best, bests[WARPS];     // Best as 64 bits
  uint16_t list[LISTED];
  uint32_t listed;
};

extern __shared__ float4 part[];  // the block's logits, -infinity behind them
__shared__ Shared s;

__device__ __forceinline__ float logitOf(int i) { return ((const float*)part)[i]; }

__device__ __forceinline__ unsigned long long bitsOf(Best b) { return (unsigned long long)(uint32_t)b.id << 32 | __float_as_uint(b.value); }
__device__ __forceinline__ Best bestOf(unsigned long long bits) { return {__uint_as_float((uint32_t)bits), (int)(bits >> 32)}; }

// What a thread knows of its row.
struct Row {
  int begin, quads;  // first id of the block's part, and its fours
  float best, scale;
  uint32_t bestKey;
  int turn;

  __device__ __forceinline__ float distance(float v) const { return __fmul_rn(__fsub_rn(v, best), scale); }
  __device__ __forceinline__ unsigned long long weight(float v) const { return power(fmaxf(distance(v), -44.f)); }
  // 0 for the best logit, more for smaller ones; both zeros are equal.
  __device__ __forceinline__ uint32_t depth(float v) const {
    const uint32_t bits = __float_as_uint(__fadd_rn(v, 0.f));
    return ~(bits ^ ((uint32_t)((int)bits >> 31) | 0x80000000u)) - bestKey;
  }
  // Where token i of the part stands in the order of ranks: what is smaller comes first.
  __device__ __forceinline__ unsigned long long place(int i, float v) const { return (unsigned long long)depth(v) << ID_BITS | (uint32_t)(begin + i); }
  // Whether the token is one of those up to a cut.
  __device__ __forceinline__ bool within(unsigned long long cut, int i, float v) const { return depth(v) <= (uint32_t)(cut >> ID_BITS) && place(i, v) <= cut; }
};

constexpr unsigned long long NO_CUT = 0xffffffffull << ID_BITS | (1 << ID_BITS) - 1;

// All of the block's part, in fours of neighbours.
template <class Do> __device__ __forceinline__ void scan(const Row& r, Do&& each) {
#pragma unroll 2
  for (int q = threadIdx.x; q < r.quads; q += THREADS) {
    const float4 v = part[q];
    each(4 * q, v.x), each(4 * q + 1, v.y), each(4 * q + 2, v.z), each(4 * q + 3, v.w);
  }
}

// The best of all threads of the cluster, for all of them. Also a barrier for what they wrote before.
__device__ __forceinline__ Best bestOfCluster(Best best) {
  best = bestOfWarp(best);
  if ((threadIdx.x & 31) == 0) s.bests[threadIdx.x >> 5] = bitsOf(best);
  __syncthreads();
  if (threadIdx.x < 32) {
    best = bestOfWarp(bestOf(s.bests[threadIdx.x % WARPS]));
    if (threadIdx.x == 0) s.best = bitsOf(best);
  }
  clusterSync();
  return bestOfWarp(bestOf(loadPeer(&s.best, threadIdx.x % RANKS)));
}

// Ids come in rising order, so the first of equals stays. A NaN stays too, since nothing is larger.
__device__ __forceinline__ void see(Best& best, float v, int id) {
  if (v > best.value || v != v) best = {v, id};
}
__device__ __forceinline__ Best seen(Best best) { return best.value != best.value ? Best{0.f, NOT_A_NUMBER} : best; }

// Reads the block's part of a row; what the mask excludes becomes -infinity. Returns the thread's best of it.
__device__ __forceinline__ Best load(const Row& r, const float* from, int count, const uint32_t* mask, bool aligned) {
  Best best{-INFINITY, NO_ID};
  const auto masked = [&](float v, int id) { return mask == nullptr || mask[id >> 5] >> (id & 31) & 1 ? v : -INFINITY; };
  if (aligned) {
    constexpr int AHEAD = 4;
    for (int i = threadIdx.x; i < r.quads; i += THREADS * AHEAD) {
      float4 v[AHEAD];
#pragma unroll
      for (int u = 0; u < AHEAD; u++) v[u] = loadFresh((const float4*)from + min(i + u * THREADS, r.quads - 1));
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        const int quad = i + u * THREADS, id = r.begin + 4 * quad;
        if (quad >= r.quads) break;
        if (mask != nullptr) v[u] = make_float4(masked(v[u].x, id), masked(v[u].y, id + 1), masked(v[u].z, id + 2), masked(v[u].w, id + 3));
        part[quad] = v[u];
        see(best, v[u].x, id), see(best, v[u].y, id + 1), see(best, v[u].z, id + 2), see(best, v[u].w, id + 3);
      }
    }
  } else {
    for (int i = threadIdx.x; i < 4 * r.quads; i += THREADS) {
      const float v = i < count ? masked(loadFresh(from + i), r.begin + i) : -INFINITY;
      ((float*)part)[i] = v;
      see(best, v, r.begin + i);
    }
  }
  return seen(best);
}

// Applies the penalty to each token of the block's part that is at a position up to `last`, once. Returns the thread's best afterwards.
__device__ __forceinline__ Best penalize(const Row& r, uint32_t* marks, float penalty, const int* history, const int* blocks, int last) {
  for (int i = threadIdx.x; i < (4 * r.quads + 31) / 32; i += THREADS) marks[i] = 0;
  __syncthreads();
#pragma unroll 4
  for (int p = threadIdx.x; p <= last; p += THREADS) {
    const int i = loadFresh(history + loadFresh(blocks + p / KV_TOKENS) * KV_TOKENS + p % KV_TOKENS) - r.begin;
    if (i >= 0 && i < 4 * r.quads && !(atomicOr(marks + i / 32, 1u << i % 32) >> i % 32 & 1)) {
      const float v = logitOf(i);
      ((float*)part)[i] = v > 0 ? __fdiv_rn(v, penalty) : __fmul_rn(v, penalty);
    }
  }
  __syncthreads();
  Best best{-INFINITY, NO_ID};
  scan(r, [&](int i, float v) { see(best, v, r.begin + i); });
  return seen(best);
}

__device__ __forceinline__ void clear() {
  for (int i = threadIdx.x; i < GROUPS * BINS; i += THREADS) s.low[i] = 0, s.high[i] = 0;
  if (threadIdx.x < BINS) s.counts[threadIdx.x] = 0;
  __syncthreads();
}

template <bool MASS> __device__ __forceinline__ void count(const Row& r, int bin, float v) {
  const int at = threadIdx.x / (THREADS / GROUPS) * BINS + bin;
  if (MASS) {
    const unsigned long long weight = r.weight(v);
    atomicAdd(&s.low[at], (uint32_t)weight & (1 << LOW_BITS) - 1);
    if (weight >> LOW_BITS != 0) atomicAdd(&s.high[at], (uint32_t)(weight >> LOW_BITS));
  } else {
    atomicAdd(&s.low[at], 1u);
  }
}

// Adds the cluster's histograms up and finds the bin in which they reach `target`, or the share topP (of 2^32) of everything; BINS if they do not. Returns the target.
template <bool MASS> __device__ __forceinline__ unsigned long long locate(Row& r, unsigned long long target, uint32_t topP) {
  const int bin = threadIdx.x, lane = bin & 31, warp = bin >> 5;
  unsigned long long sum = 0, prefix = 0;
  uint32_t tokens = 0;
  r.turn ^= 1;
  __syncthreads();
  if (bin < BINS) {
#pragma unroll
    for (int g = 0; g < GROUPS; g++) sum += s.low[g * BINS + bin] + (MASS ? (unsigned long long)s.high[g * BINS + bin] << LOW_BITS : 0);
    s.sums[r.turn][bin] = sum;
    s.tokens[r.turn][bin] = s.counts[bin];
  }
  clusterSync();
  if (bin < BINS) {
    sum = 0;
#pragma unroll
    for (int rank = 0; rank < RANKS; rank++) sum += loadPeer(&s.sums[r.turn][bin], rank), tokens += loadPeer(&s.tokens[r.turn][bin], rank);
    prefix = prefixOfWarp(sum);
    if (lane == 31) s.before[warp] = prefix;
    if (bin == 0) s.found[0] = BINS;
  }
  __syncthreads();
  unsigned long long all = 0;
#pragma unroll
  for (int w = 0; w < BINS / 32; w++) {
    if (w == warp) prefix += all;
    all += s.before[w];
  }
  if (topP != 0) target = max(1ull, __umul64hi((unsigned long long)topP << 32, all));
  if (bin < BINS && prefix - sum < target && target <= prefix) s.found[0] = bin, s.found[1] = prefix - sum, s.found[2] = sum, s.found[3] = tokens;
  __syncthreads();
  return target;
}

// The cut behind the shortest run of leading ranks, none beyond `cut`, that has `target` tokens, or of their mass the share topP; `cut` itself where there are not so many.
template <bool MASS> __device__ __noinline__ unsigned long long select(Row& row, unsigned long long cut, unsigned long long target, uint32_t topP) {
  Row r = row;
  // First by the logarithm of the weight, which spreads the tokens best; what is deeper has no weight.
  constexpr float DEEPEST = 41.f, ROUND = 0x1p23f;
  const auto bin = [&](int i, float v) -> int {
    const float x = r.distance(v);
    if (!(x >= -DEEPEST) || cut != NO_CUT && !r.within(cut, i, v)) return -1;
    return __float_as_uint(__fmaf_rn(x, -(BINS - 1) / DEEPEST, ROUND)) & BINS - 1;
  };
  clear();
  scan(r, [&](int i, float v) {
    const int b = bin(i, v);
    if (b >= 0) count<MASS>(r, b, v);
  });
  target = locate<MASS>(r, target, topP);
  const int chosen = s.found[0];
  row.turn = r.turn;
  if (chosen == BINS) return cut;
  target -= s.found[1];
  bool whole = s.found[2] == target;
  // Then among the tokens of that bin, which are few as a rule.
  if (threadIdx.x == 0) s.listed = 0;
  __syncthreads();
  scan(r, [&](int i, float v) {
    if (bin(i, v) != chosen) return;
    const uint32_t at = atomicAdd(&s.listed, 1u);
    if (at < LISTED) s.list[at] = i;
  });
  __syncthreads();
  const int listed = s.listed;
  const auto scanBin = [&](auto&& each) {
    if (listed <= LISTED) {
      for (int at = threadIdx.x; at < listed; at += THREADS) each((int)s.list[at], logitOf(s.list[at]));
    } else {
      scan(r, [&](int i, float v) {
        if (bin(i, v) == chosen) each(i, v);
      });
    }
  };
  unsigned long long low = ~0ull, high = 0;
  scanBin([&](int i, float v) { low = min(low, r.place(i, v)), high = max(high, r.place(i, v)); });
  const auto reduce = [&] {
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes /= 2) low = min(low, __shfl_xor_sync(~0u, low, lanes)), high = max(high, __shfl_xor_sync(~0u, high, lanes));
  };
  reduce();
  if ((threadIdx.x & 31) == 0) s.ranges[threadIdx.x >> 5][0] = low, s.ranges[threadIdx.x >> 5][1] = high;
  __syncthreads();
  if (threadIdx.x < 32) {
    low = s.ranges[threadIdx.x % WARPS][0], high = s.ranges[threadIdx.x % WARPS][1];
    reduce();
    if (threadIdx.x == 0) s.range[0] = low, s.range[1] = high;
  }
  clusterSync();
  low = loadPeer(&s.range[0], threadIdx.x % RANKS), high = loadPeer(&s.range[1], threadIdx.x % RANKS);
  reduce();
  whole |= low == high;
  while (!whole) {
    const int shift = max(0, 64 - __clzll(high - low) - 8);
    clear();
    scanBin([&](int i, float v) {
      const unsigned long long place = r.place(i, v);
      if (place < low || place > high) return;
      const int b = place - low >> shift;
      count<MASS>(r, b, v);
      atomicAdd(&s.counts[b], 1u);
    });
    locate<MASS>(r, target, 0);
    low += s.found[0] << shift;
    high = min(high, low + (1ull << shift) - 1);
    target -= s.found[1];
    whole = s.found[2] == target || s.found[3] == 1 || shift == 0;
  }
  row.turn = r.turn;
  return high;
}

// The token drawn of those up to `cut` that weigh at least minWeight; in one warp of the cluster, NO_ID in the others.
__device__ __forceinline__ int draw(const Row& r, unsigned long long cut, unsigned long long minWeight, unsigned long long random, int chunk) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  // Each warp has a run of neighbouring ids, of which each lane has four at a time.
  const int run = (chunk / 4 + THREADS - 1) / THREADS * 32, from = min(r.quads, warp * run), to = min(r.quads, from + run);
  const auto kept = [&](int i, float v) -> unsigned long long {
    if (cut != NO_CUT && !r.within(cut, i, v)) return 0;
    const unsigned long long weight = r.weight(v);
    return weight >= minWeight ? weight : 0;
  };
  unsigned long long sum = 0;
#pragma unroll 2
  for (int q = from + lane; q < to; q += 32) {
    const float4 v = part[q];
    sum += kept(4 * q, v.x) + kept(4 * q + 1, v.y) + kept(4 * q + 2, v.z) + kept(4 * q + 3, v.w);
  }
  sum = sumOfWarp(sum);
  if (lane == 0) s.segments[warp] = sum;
  clusterSync();
  // A lane has four neighbouring runs.
  unsigned long long runs[4], four = 0;
#pragma unroll
  for (int j = 0; j < 4; j++) runs[j] = loadPeer(&s.segments[lane % 4 * 4 + j], lane / 4), four += runs[j];
  const unsigned long long prefix = prefixOfWarp(four), all = __shfl_sync(~0u, prefix, 31);
  unsigned long long left = __umul64hi(random, all);
  const int owner = __ffs(__ballot_sync(~0u, prefix > left)) - 1;
  left -= prefix - four;
  int j = 0;
#pragma unroll
  for (int k = 0; k < 3; k++)
    if (j == k && runs[k] <= left) left -= runs[k], j++;
  left = __shfl_sync(~0u, left, owner);
  if (__shfl_sync(~0u, 4 * lane + j, owner) != (int)blockIdx.x * WARPS + warp) return NO_ID;
  for (int q = from + lane;; q += 32) {
    const float4 v = q < to ? part[q] : make_float4(-INFINITY, -INFINITY, -INFINITY, -INFINITY);
    const unsigned long long a = kept(4 * q, v.x), b = a + kept(4 * q + 1, v.y), c = b + kept(4 * q + 2, v.z), d = c + kept(4 * q + 3, v.w);
    const unsigned long long upTo = prefixOfWarp(d), before = upTo - d;
    const uint32_t beyond = __ballot_sync(~0u, upTo > left);
    if (beyond != 0) {
      const unsigned long long rest = left - before;  // of the lane in question
      const int id = r.begin + 4 * q + (rest < a ? 0 : rest < b ? 1 : rest < c ? 2 : 3);
      return __shfl_sync(~0u, id, __ffs(beyond) - 1);
    }
    left -= __shfl_sync(~0u, upTo, 31);
  }
}

// A block's part of a row, in ids; a multiple of four.
__device__ __forceinline__ int chunkOf(int vocabulary) { return (vocabulary + 4 * RANKS - 1) / (4 * RANKS) * 4; }

struct Part {
  int begin, count;
  __device__ __forceinline__ Part(int vocabulary) {
    begin = min(vocabulary, (int)blockIdx.x * chunkOf(vocabulary));
    count = min(vocabulary, begin + chunkOf(vocabulary)) - begin;
  }
  __device__ __forceinline__ Row row(float scale) const { return {begin, (count + 3) / 4, 0.f, scale, 0, 0}; }
};

}  // namespace

extern "C" __global__ void __cluster_dims__(8, 1, 1) __launch_bounds__(512, 2)
    choose_tokens_sm90(int* ids, const float* logits, const Choice* choices, const int* rowIds, const int* positions, const int* rowSequences, const int* blockTables,
                       const int* history, const uint32_t* masks, const int* ends, int numEnds, int stride, int vocabulary) {
  startSuccessor();
  const int row = blockIdx.y, stepRow = rowIds == nullptr ? row : rowIds[row];  // written before the step, as the choices are
  const Choice how = choices[row];
  const uint32_t* mask = how.mask == 0 ? nullptr : masks + (int64_t)(how.mask - 1) * ((vocabulary + 31) / 32);
  const Part own(vocabulary);
  Row r = own.row(how.scale);
  awaitPredecessor();
  const int position = loadFresh(positions + stepRow);
  if (position < 0) {
    if (blockIdx.x == 0 && threadIdx.x == 0) ids[row] = 0;
    return;
  }
  Best best = load(r, logits + (int64_t)row * vocabulary + own.begin, own.count, mask, vocabulary % 4 == 0);
  if (how.penalty != 0.f) {
    __syncthreads();
    uint32_t* marks = (uint32_t*)(part + chunkOf(vocabulary) / 4);
    best = penalize(r, marks, how.penalty, history, blockTables + (int64_t)loadFresh(rowSequences + stepRow) * stride, position);
  }
  best = bestOfCluster(best);
  bool decides = blockIdx.x == 0 && threadIdx.x < 32;  // one warp of the cluster
  if (best.id >= 0 && best.value != -INFINITY && best.value != INFINITY && how.scale != 0.f) {
    r.best = best.value;
    r.bestKey = r.depth(best.value);
    unsigned long long cut = NO_CUT;
    if (how.topK != 0 && how.topK < vocabulary) cut = select<false>(r, cut, how.topK, 0);
    if (how.topP != 0) cut = select<true>(r, cut, 0, how.topP);
    best.id = draw(r, cut, how.minWeight, philox(how.seed, position + 1, how.stream), chunkOf(vocabulary));
    decides = best.id != NO_ID;
  }
  if (decides) {
    const int id = outcome(best, ends, numEnds);
    if ((threadIdx.x & 31) == 0) ids[row] = id;
  }
  clusterSync();  // peers read this block's shared memory
}

extern "C" __global__ void __cluster_dims__(8, 1, 1) __launch_bounds__(512, 2)
    log_prob_terms_sm90(uint4* terms, const float* logits, const int* rowIds, const int* tokens, int vocabulary) {
  startSuccessor();
  const int term = blockIdx.y, token = tokens[term];  // written before the step, as the rows' ids are
  const float* from = logits + (int64_t)rowIds[term] * vocabulary;
  const Part own(vocabulary);
  Row r = own.row(LOG2_E);
  awaitPredecessor();
  const Best best = bestOfCluster(load(r, from + own.begin, own.count, nullptr, vocabulary % 4 == 0));
  const bool number = best.id >= 0 && isfinite(best.value);
  unsigned long long sum = 0;
  r.best = best.value;
  if (number) scan(r, [&](int, float v) { sum += r.weight(v); });
  sum = sumOfWarp(sum);
  if ((threadIdx.x & 31) == 0) s.segments[threadIdx.x >> 5] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = sumOfWarp(threadIdx.x < WARPS ? s.segments[threadIdx.x] : 0);
    if (threadIdx.x == 0) s.mass = sum;
  }
  clusterSync();
  if (blockIdx.x == 0 && threadIdx.x < 32) {
    sum = sumOfWarp(threadIdx.x < RANKS ? loadPeer(&s.mass, threadIdx.x) : 0);
    if (!number) sum = ~0ull;
    if (threadIdx.x == 0) terms[term] = make_uint4(__float_as_uint(loadFresh(from + token)), __float_as_uint(best.value), (uint32_t)sum, (uint32_t)(sum >> 32));
  }
  clusterSync();
}

// What fp32 products with 4-bit weights reach on this processor from a C compiler: one pass over as
// many Q4_1 weights as SmolLM2-135M has (134.5 million, 84 MB), decoded 96 inputs at a time and
// multiplied with all rows. The stick that VectorPlanes and VectorProduct are held to.
//   gcc -O3 -march=native -pthread benchmarks/cpu_ceiling.c -o /tmp/cpu_ceiling
//   /tmp/cpu_ceiling ROWS THREADS
// Needs AVX2, FMA and F16C. ROWS is 1 or a multiple of 4 up to 256. Values mean nothing; all that
// counts is that none is skipped.
#include <immintrin.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  COLS = 32,               // outputs of a panel
  INNER = 576,             // inputs
  BLOCK = 32,              // inputs of a scale and a minimum
  BLOCK_WORDS = COLS * 5,  // a word of both, then four of codes: word j holds inputs 8j to 8j+7
  CHUNK = 96,              // inputs decoded at once
  PANELS = 7296,           // times 32 x 576: the weights of the model
  PANEL_WORDS = INNER / BLOCK * BLOCK_WORDS,
  AHEAD = 6 * BLOCK_WORDS,  // words between what is decoded and what is fetched
  RUNS = 21
};

static int rows, threads;
static const uint32_t *weights;
static const float *factors;  // [rows / 32][INNER][32]
static float *results;

// Scales and minima of eight columns, from words of two halves.
static inline void scales(const uint32_t *words, __m256 *d, __m256 *m) {
  const __m128i apart = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  __m128i low = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)words), apart);
  __m128i high = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)words + 1), apart);
  *d = _mm256_cvtph_ps(_mm_unpacklo_epi64(low, high));
  *m = _mm256_cvtph_ps(_mm_unpackhi_epi64(low, high));
}

static inline __m256 weight(__m256i codes, int i, __m256 d, __m256 m) {
  __m256i code = _mm256_and_si256(_mm256_srli_epi32(codes, 4 * i), _mm256_set1_epi32(15));
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(code), d, m);
}

static void decode(const uint32_t *words, float *w) {
  for (int k = 0; k < CHUNK; k += BLOCK, words += BLOCK_WORDS)
    for (int c = 0; c < COLS; c += 8) {
      __m256 d, m;
      scales(words + c, &d, &m);
      for (int j = 0; j < 4; j++) {
        const uint32_t *codes = words + COLS * (1 + j) + c;
        __m256i q = _mm256_loadu_si256((const __m256i *)codes);
        if (c % 16 == 0) _mm_prefetch((const char *)(codes + AHEAD), _MM_HINT_T0);
        for (int i = 0; i < 8; i++)
          _mm256_store_ps(w + (k + 8 * j + i) * COLS + c, weight(q, i, d, m));
      }
    }
}

// N rows times 16 columns: 2 N sums in registers.
#define GROUP(N)                                                                  \
  static void group##N(float *restrict y, const float *restrict x, const float *restrict w) { \
    __m256 a[N], b[N];                                                            \
    for (int r = 0; r < N; r++) {                                                 \
      a[r] = _mm256_load_ps(y + r * COLS);                                        \
      b[r] = _mm256_load_ps(y + r * COLS + 8);                                    \
    }                                                                             \
    for (int k = 0; k < CHUNK; k++) {                                             \
      __m256 u = _mm256_load_ps(w + k * COLS), v = _mm256_load_ps(w + k * COLS + 8); \
      for (int r = 0; r < N; r++) {                                               \
        __m256 factor = _mm256_broadcast_ss(x + k * 32 + r);                      \
        a[r] = _mm256_fmadd_ps(factor, u, a[r]);                                  \
        b[r] = _mm256_fmadd_ps(factor, v, b[r]);                                  \
      }                                                                           \
    }                                                                             \
    for (int r = 0; r < N; r++) {                                                 \
      _mm256_store_ps(y + r * COLS, a[r]);                                        \
      _mm256_store_ps(y + r * COLS + 8, b[r]);                                    \
    }                                                                             \
  }
GROUP(6)
GROUP(4)

static void multiply(float *tile, const float *x, const float *w, int count) {
  for (int c = 0; c < COLS; c += 16)
    for (int r = 0; r < count;)
      if (count - r >= 6 && count - r != 8) {
        group6(tile + r * COLS + c, x + r, w + c);
        r += 6;
      } else {
        group4(tile + r * COLS + c, x + r, w + c);
        r += 4;
      }
}

// One row takes its weights as they are packed, with nothing stored between.
static void multiply_row(float *tile, const float *x, const uint32_t *words) {
  __m256 sums[COLS / 8] = {0};
  for (int k = 0; k < INNER; k += BLOCK, words += BLOCK_WORDS)
    for (int c = 0; c < COLS; c += 8) {
      __m256 d, m, sum = sums[c / 8];
      scales(words + c, &d, &m);
      for (int j = 0; j < 4; j++) {
        const uint32_t *codes = words + COLS * (1 + j) + c;
        __m256i q = _mm256_loadu_si256((const __m256i *)codes);
        if (c % 16 == 0) _mm_prefetch((const char *)(codes + AHEAD), _MM_HINT_T0);
        for (int i = 0; i < 8; i++) {
          __m256 factor = _mm256_broadcast_ss(x + (k + 8 * j + i) * 32);
          sum = _mm256_fmadd_ps(factor, weight(q, i, d, m), sum);
        }
      }
      sums[c / 8] = sum;
    }
  for (int c = 0; c < COLS; c += 8) _mm256_store_ps(tile + c, sums[c / 8]);
}

static void *run(void *argument) {
  long thread = (long)argument;
  float *w = aligned_alloc(64, CHUNK * COLS * 4), *tile = aligned_alloc(64, 256 * COLS * 4);
  for (long p = PANELS * thread / threads; p < PANELS * (thread + 1) / threads; p++) {
    const uint32_t *panel = weights + p * PANEL_WORDS;
    memset(tile, 0, (size_t)rows * COLS * 4);
    if (rows == 1)
      multiply_row(tile, factors, panel);
    else
      for (int k = 0; k < INNER; k += CHUNK) {
        decode(panel + k / BLOCK * BLOCK_WORDS, w);
        for (int first = 0; first < rows; first += 32)
          multiply(tile + first * COLS, factors + (long)first * INNER + k * 32, w,
                   rows - first < 32 ? rows - first : 32);
      }
    memcpy(results + p * COLS, tile, COLS * 4);
  }
  free(w);
  free(tile);
  return NULL;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec + 1e-9 * now.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int count, char **arguments) {
  rows = count == 3 ? atoi(arguments[1]) : 0;
  threads = count == 3 ? atoi(arguments[2]) : 0;
  if (threads < 1 || threads > 64 || rows < 1 || rows > 256 || (rows > 1 && rows % 4 != 0)) {
    fprintf(stderr, "usage: cpu_ceiling ROWS (1, multiples of 4 up to 256) THREADS (up to 64)\n");
    return 2;
  }
  long words = (long)PANELS * PANEL_WORDS, values = (rows + 31L) / 32 * 32 * INNER;
  uint32_t *w = aligned_alloc(64, (words + AHEAD) * 4);
  float *x = aligned_alloc(64, values * 4);
  for (long i = 0; i < words + AHEAD; i++) w[i] = (uint32_t)i * 2654435761u & 0x3bff3bff;
  for (long i = 0; i < values; i++) x[i] = i % 17 * 0.01f;
  weights = w;
  factors = x;
  results = aligned_alloc(64, (long)PANELS * COLS * 4);
  double times[RUNS];
  for (int i = 0; i < RUNS; i++) {
    pthread_t workers[64];
    double start = seconds();
    for (long t = 0; t < threads; t++) pthread_create(&workers[t], NULL, run, (void *)t);
    for (int t = 0; t < threads; t++) pthread_join(workers[t], NULL);
    times[i] = seconds() - start;
  }
  qsort(times, RUNS, sizeof(double), ascending);
  double eights = (double)PANELS * COLS * INNER / 8, ns = 1e9 * threads / eights;
  double median = times[RUNS / 2], least = times[0];
  printf("%d rows, %d threads: %.2f ns of a thread for 8 weights (%.2f), %.0f rows/s (%.0f)\n",
         rows, threads, median * ns, least * ns, rows / median, rows / least);
  return 0;
}

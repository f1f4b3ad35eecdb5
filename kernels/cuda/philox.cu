// Philox4x32-10 (Salmon et al. 2011), uniforms, and normals by AS 241 (Wichura 1988): the bits of the CPU.
//
// Constants and formulas are those of definitions/philox.py. Compiled without fused multiply-add, so that every
// + - * / and sqrt is rounded as IEEE 754 says, in the order written.
#include "common.cuh"

typedef unsigned int Word;
typedef unsigned long long LongWord;

struct Block { Word x[4]; };

// The block of the counter (low, high), a number of 128 bits.
__device__ __forceinline__ Block philox(Word k0, Word k1, LongWord low, LongWord high) {
  Word x0 = low, x1 = low >> 32, x2 = high, x3 = high >> 32;
#pragma unroll
  for (int round = 0; round < 10; round++) {
    Word a_high = __umulhi(0xD2511F53u, x0), a_low = 0xD2511F53u * x0;
    Word b_high = __umulhi(0xCD9E8D57u, x2), b_low = 0xCD9E8D57u * x2;
    x0 = b_high ^ x1 ^ k0;
    x1 = b_low;
    x2 = a_high ^ x3 ^ k1;
    x3 = a_low;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {x0, x1, x2, x3};
}

// The block of counter + i, with the carry between the counter's halves.
__device__ __forceinline__ Block block_after(Word k0, Word k1, LongWord low, LongWord high, Index i) {
  LongWord sum = low + (LongWord)i;
  return philox(k0, k1, sum, high + (sum < low));
}

// Where in which stream a draw starts: the key's two words as one, the number of the block, and how many of its two
// words of 64 bits are passed over.
struct Place { LongWord key, low, high, skipped; };

// Given by the launch; or, in a captured step, which must not hold it for good, by memory that each run finds changed.
#define AT_PLACE const Place* __restrict__ changing, LongWord key, LongWord low, LongWord high, LongWord skipped
#define PLACE (changing ? *changing : Place{key, low, high, skipped})

// The block i blocks after the place's.
__device__ __forceinline__ Block block_of(Place p, Index i) { return block_after(p.key, p.key >> 32, p.low, p.high, i); }

__device__ __forceinline__ LongWord long_word(Block b, int j) { return b.x[2 * j] | (LongWord)b.x[2 * j + 1] << 32; }

extern "C" __global__ void __launch_bounds__(256)
bits(AT_PLACE, Word* __restrict__ out, Index n) {
  Place p = PLACE;
  for (EACH(i, (n + 3) / 4)) {
    Block b = block_of(p, i);
    for (int j = 0; j < 4; j++)
      if (4 * i + j < n) out[4 * i + j] = b.x[j];
  }
}

// In [0, 1): the leading bits, as many as the type holds.
__device__ __forceinline__ void uniform_of(LongWord word, float* u) { *u = (float)(word >> 40) * 0x1p-24f; }
__device__ __forceinline__ void uniform_of(LongWord word, double* u) { *u = (double)(word >> 11) * 0x1p-53; }

// for each value i that block b holds, with its word: as many blocks as n values and those passed over need.
#define EACH_VALUE(b, n) EACH(b, ((n) + (Index)p.skipped + 1) / 2)
#define EACH_WORD(i, j, b) int j = 0; j < 2; j++) if (Index i = 2 * (b) + j - (Index)p.skipped; i >= 0 && i < n

extern "C" __global__ void __launch_bounds__(256)
uniform(AT_PLACE, real* __restrict__ out, Index n) {
  Place p = PLACE;
  for (EACH_VALUE(b, n)) {
    Block words = block_of(p, b);
    for (EACH_WORD(i, j, b)) uniform_of(long_word(words, j), &out[i]);
  }
}

// The upper half of the product of 128 bits.
__device__ __forceinline__ LongWord high_product(LongWord x, LongWord m) {
  LongWord x0 = (Word)x, x1 = x >> 32, m0 = (Word)m, m1 = m >> 32;
  LongWord lower = x0 * m1, upper = x1 * m0;
  LongWord middle = (x0 * m0 >> 32) + (Word)lower + (Word)upper;
  return x1 * m1 + (lower >> 32) + (upper >> 32) + (middle >> 32);
}

// first + floor of (two words as a fraction of 1) m: two words for each value, which may lie in two blocks.
extern "C" __global__ void __launch_bounds__(256)
integers(AT_PLACE, Index first, LongWord m, Index* __restrict__ out, Index n) {
  Place p = PLACE;
  for (EACH(i, n)) {
    Block here = block_of(p, i), next = p.skipped ? block_of(p, i + 1) : here;
    LongWord fine = long_word(here, p.skipped), coarse = long_word(next, 1 - p.skipped);
    bool carried = coarse * m + high_product(fine, m) < coarse * m;
    out[i] = first + (Index)(high_product(coarse, m) + carried);
  }
}

// ---- the normal's quantile; coefficients ascending, numerator and denominator

__constant__ double CENTRE[2][8] = {
  {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
   4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3},
  {1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
   3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3}};
__constant__ double TAIL[2][8] = {
  {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
   1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4},
  {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
   1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9}};
__constant__ double FAR_TAIL[2][8] = {
  {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
   2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7},
  {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
   1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15}};

__device__ __forceinline__ double polynomial(const double* coefficients, double x) {
  double value = coefficients[7] * x + coefficients[6];
#pragma unroll
  for (int k = 5; k >= 0; k--) value = value * x + coefficients[k];
  return value;
}

__device__ __forceinline__ double ratio(const double (*pair)[8], double x) {
  return polynomial(pair[0], x) / polynomial(pair[1], x);
}

// log x of positive normal x = 2^e m, sqrt(1/2) <= m < sqrt 2: e log 2 + 2 artanh((m - 1) / (m + 1)).
__device__ __forceinline__ double logarithm(double x) {
  Index b = __double_as_longlong(x);
  Index exponent = (b >> 52) - 1022;
  double m = __longlong_as_double((b & 0xFFFFFFFFFFFFFll) | 1022ll << 52);  // in [1/2, 1)
  bool small = m < 0.70710678118654752440;
  if (small) m = m + m;
  double e = (double)(small ? exponent - 1 : exponent);
  double s = (m - 1.0) / (m + 1.0), square = s * s;
  double series = 1.0 / 23 * square + 1.0 / 21;
#pragma unroll
  for (int odd = 19; odd >= 1; odd -= 2) series = series * square + 1.0 / odd;
  return e * 0.693147180369123816490 + (2.0 * s * series + e * 1.90821492927058770002e-10);
}

// The quantile of (word + 1/2) / 2^64; the upper half is the lower one's mirror image.
__device__ __forceinline__ double normal_of(LongWord word) {
  bool upper = word >> 63;
  double p = ((double)(upper ? ~word : word) + 0.5) * 0x1p-64;
  double q = p - 0.5, z;
  if (q >= -0.425) {
    z = q * ratio(CENTRE, 0.180625 - q * q);
  } else {
    double r = sqrt(-logarithm(p));
    z = -(r <= 5.0 ? ratio(TAIL, r - 1.6) : ratio(FAR_TAIL, r - 5.0));
  }
  return upper ? -z : z;
}

extern "C" __global__ void __launch_bounds__(256)
normal(AT_PLACE, real* __restrict__ out, Index n) {
  Place p = PLACE;
  for (EACH_VALUE(b, n)) {
    Block words = block_of(p, b);
    for (EACH_WORD(i, j, b)) out[i] = (real)normal_of(long_word(words, j));
  }
}

// The quantiles of given words: what `normal` does with those it draws.
extern "C" __global__ void __launch_bounds__(256)
normal_of_words(const LongWord* __restrict__ words, real* __restrict__ out, Index n) {
  for (EACH(i, n)) out[i] = (real)normal_of(words[i]);
}

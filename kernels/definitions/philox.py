"""Random bits, uniforms and normals as pure functions of (key, counter): the NumPy definition.

Bits: Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
Normals: the inverse distribution function by Wichura's rational approximations, algorithm AS 241, PPND16
(Applied Statistics 37, 1988). Both are held to the published vectors, to SciPy's `ndtri`, and every version
of this kernel to the others bit by bit, in tests/kernels/test_philox.py.

The same bits everywhere is why the arithmetic looks as it does: only + - * / and sqrt in float64, each
rounded as IEEE 754 says, in the order written (no fused multiply-add), and a logarithm made of those. Every
variate of either dtype takes 64 bits, the stream's word i being x[2i] + 2^32 x[2i+1] of the 32-bit words x.
"""

import numpy as np
from numpy.typing import DTypeLike, NDArray

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)  # golden ratio and sqrt(3) - 1: the key's increments per round
LOW = 0xFFFFFFFF

# AS 241: numerator and denominator coefficients, ascending, for |p - 1/2| <= 0.425 (in 0.425^2 - q^2), ...
CENTRE = (
    (
        3.3871328727963666080e0,
        1.3314166789178437745e2,
        1.9715909503065514427e3,
        1.3731693765509461125e4,
        4.5921953931549871457e4,
        6.7265770927008700853e4,
        3.3430575583588128105e4,
        2.5090809287301226727e3,
    ),
    (
        1.0,
        4.2313330701600911252e1,
        6.8718700749205790830e2,
        5.3941960214247511077e3,
        2.1213794301586595867e4,
        3.9307895800092710610e4,
        2.8729085735721942674e4,
        5.2264952788528545610e3,
    ),
)
# ... for r = sqrt(-log p) <= 5 (in r - 1.6), ...
TAIL = (
    (
        1.42343711074968357734e0,
        4.63033784615654529590e0,
        5.76949722146069140550e0,
        3.64784832476320460504e0,
        1.27045825245236838258e0,
        2.41780725177450611770e-1,
        2.27238449892691845833e-2,
        7.74545014278341407640e-4,
    ),
    (
        1.0,
        2.05319162663775882187e0,
        1.67638483018380384940e0,
        6.89767334985100004550e-1,
        1.48103976427480074590e-1,
        1.51986665636164571966e-2,
        5.47593808499534494600e-4,
        1.05075007164441684324e-9,
    ),
)
# ... and for r > 5 (in r - 5).
FAR_TAIL = (
    (
        6.65790464350110377720e0,
        5.46378491116411436990e0,
        1.78482653991729133580e0,
        2.96560571828504891230e-1,
        2.65321895265761230930e-2,
        1.24266094738807843860e-3,
        2.71155556874348757815e-5,
        2.01033439929228813265e-7,
    ),
    (
        1.0,
        5.99832206555887937690e-1,
        1.36929880922735805310e-1,
        1.48753612908506148525e-2,
        7.86869131145613259100e-4,
        1.84631831751005468180e-5,
        1.42151175831644588870e-7,
        2.04426310338993978564e-15,
    ),
)

LOG2_HIGH = 0.693147180369123816490  # log 2 to 32 bits, so that an exponent times it is exact
LOG2_LOW = 1.90821492927058770002e-10
SQRT_HALF = 0.70710678118654752440
ATANH = tuple(1.0 / (2 * k + 1) for k in range(12))  # artanh(s)/s in s^2; |s| < 0.172 needs no more


def philox_bits(key: tuple[int, int], counter: int, n: int) -> NDArray[np.uint32]:
    """`n` random 32-bit words: words 4i to 4i+3 are the Philox4x32-10 block of `counter + i` (mod 2^128).

    `key` is two 32-bit words; the counter's least significant 32 bits are the block's first word.
    """
    blocks = -(-n // 4)
    index = np.arange(blocks, dtype=np.uint64)
    start = np.uint64(counter & (2**64 - 1))
    low = index + start
    high = np.uint64((counter >> 64) & (2**64 - 1)) + (low < start).astype(np.uint64)
    mask, shift = np.uint64(LOW), np.uint64(32)
    x0, x1, x2, x3 = low & mask, low >> shift, high & mask, high >> shift
    for r in range(ROUNDS):
        k0, k1 = (np.uint64((k + r * w) & LOW) for k, w in zip(key, WEYL))
        first, third = x0 * np.uint64(MULTIPLIERS[0]), x2 * np.uint64(MULTIPLIERS[1])
        x0, x1, x2, x3 = (third >> shift) ^ x1 ^ k0, third & mask, (first >> shift) ^ x3 ^ k1, first & mask
    return np.stack([x0, x1, x2, x3], axis=-1).astype(np.uint32).reshape(-1)[:n]


def philox_uniform(key: tuple[int, int], counter: int, n: int, dtype: DTypeLike) -> NDArray[np.floating]:
    """`n` uniforms in [0, 1): the leading 53 bits (float64) or 24 bits (float32) of the 64-bit words.

    The float32 draw is therefore the float64 draw rounded down, and never 1.
    """
    words = _words(key, counter, n)
    if np.dtype(dtype) == np.float32:
        return (words >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def philox_normal(key: tuple[int, int], counter: int, n: int, dtype: DTypeLike) -> NDArray[np.floating]:
    """`n` standard normals: the quantiles of (word + 1/2) / 2^64, so |z| < 9.16, rounded to `dtype`.

    Words above the middle are reflected before they lose bits to float64, so both tails are equally fine.
    """
    return normal_of_words(_words(key, counter, n)).astype(dtype)


def normal_of_words(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The standard normal's quantiles of (word + 1/2) / 2^64."""
    upper = words >> np.uint64(63) == 1
    p = (np.where(upper, ~words, words).astype(np.float64) + 0.5) * 2.0**-64
    z = lower_quantile(p)
    return np.where(upper, -z, z)


def lower_quantile(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard normal's quantile of p in (0, 1/2], relative error about 1e-15 (AS 241, PPND16)."""
    q = p - 0.5
    centre = q * _ratio(CENTRE, 0.180625 - q * q)
    r = np.sqrt(-logarithm(p))
    tail = np.where(r <= 5.0, _ratio(TAIL, r - 1.6), _ratio(FAR_TAIL, r - 5.0))
    return np.where(q >= -0.425, centre, -tail)


def logarithm(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """log x of positive normal x: x = 2^e m, sqrt(1/2) <= m < sqrt 2, log m = 2 artanh((m - 1)/(m + 1))."""
    bits = x.view(np.int64)
    exponent = (bits >> 52) - 1022
    m = ((bits & (2**52 - 1)) | (1022 << 52)).view(np.float64)  # in [1/2, 1)
    small = m < SQRT_HALF
    m = np.where(small, m + m, m)
    e = np.where(small, exponent - 1, exponent).astype(np.float64)
    s = (m - 1.0) / (m + 1.0)
    return e * LOG2_HIGH + (2.0 * s * _horner(ATANH, s * s) + e * LOG2_LOW)


def _words(key: tuple[int, int], counter: int, n: int) -> NDArray[np.uint64]:
    bits = philox_bits(key, counter, 2 * n).astype(np.uint64)
    return bits[0::2] | bits[1::2] << np.uint64(32)


def _horner(coefficients: tuple[float, ...], x: NDArray[np.float64]) -> NDArray[np.float64]:
    value = coefficients[-1] * x + coefficients[-2]
    for c in coefficients[-3::-1]:
        value = value * x + c
    return value


def _ratio(pair: tuple[tuple[float, ...], ...], x: NDArray[np.float64]) -> NDArray[np.float64]:
    return _horner(pair[0], x) / _horner(pair[1], x)

"""Random bits, uniforms and normals, Numba version: the bits of kernels/definitions/philox.py, faster.

No fast-math flag appears here, so LLVM neither reorders nor fuses, and every result equals the definition's
exactly (tests/kernels/test_philox.py compares with ==). Normals are made a chunk at a time in three passes
that each vectorise: the central formula for all, then the logarithm and the tail formula for the 15 % that
need it, then the one in 10^10 beyond.
"""

from typing import Any

import numpy as np
from numba import njit, prange, types
from numba.extending import intrinsic
from numpy.typing import DTypeLike, NDArray

from ..definitions.philox import (
    ATANH,
    CENTRE,
    FAR_TAIL,
    LOG2_HIGH,
    LOG2_LOW,
    LOW,
    MULTIPLIERS,
    ROUNDS,
    SQRT_HALF,
    TAIL,
    WEYL,
)
from .threads import thread_count

CHUNK = 1024  # variates per chunk: its buffers fit the first-level cache
SERIAL = 8192  # variates that are worth waking a thread for

_MASK = np.uint64(LOW)
_M0, _M1 = (np.uint64(m) for m in MULTIPLIERS)
_W0, _W1 = (np.uint64(w) for w in WEYL)
_CENTRE_P, _CENTRE_Q = CENTRE
_TAIL_P, _TAIL_Q = TAIL
_FAR_P, _FAR_Q = FAR_TAIL
_B1, _B11, _B32, _B40, _B63 = (np.uint64(b) for b in (1, 11, 32, 40, 63))
_MANTISSA, _HALF_EXPONENT = np.int64(2**52 - 1), np.int64(1022 << 52)


def philox_bits(key: tuple[int, int], counter: int, n: int) -> NDArray[np.uint32]:
    """`n` random 32-bit words; see the definition."""
    words = np.empty(-(-n // 2), np.uint64)
    _run(_fill_bits, _fill_bits_parallel, key, counter, words)
    return words.astype("<u8", copy=False).view(np.uint32)[:n]


def philox_uniform(key: tuple[int, int], counter: int, n: int, dtype: DTypeLike) -> NDArray[np.floating]:
    """`n` uniforms in [0, 1); see the definition."""
    out = np.empty(n, dtype)
    _run(_fill_uniform, _fill_uniform_parallel, key, counter, out)
    return out


def philox_normal(key: tuple[int, int], counter: int, n: int, dtype: DTypeLike) -> NDArray[np.floating]:
    """`n` standard normals; see the definition."""
    out = np.empty(n, dtype)
    _run(_fill_normal, _fill_normal_parallel, key, counter, out)
    return out


def _run(serial: Any, parallel: Any, key: tuple[int, int], counter: int, out: NDArray[Any]) -> None:
    fill = serial if thread_count(out.size, SERIAL) == 1 else parallel
    low, high = np.uint64(counter & (2**64 - 1)), np.uint64((counter >> 64) & (2**64 - 1))
    fill(np.uint64(key[0]), np.uint64(key[1]), low, high, out)


def _reinterpret(source: Any, target: Any) -> Any:
    """A Numba function that reads the bits of a `source` scalar as a `target`."""

    @intrinsic
    def reinterpret(typing_context, x):
        def generate(context, builder, signature, args):
            return builder.bitcast(args[0], context.get_value_type(target))

        return target(source), generate

    return reinterpret


_bits_of = _reinterpret(types.float64, types.int64)
_float_of = _reinterpret(types.int64, types.float64)


@njit(error_model="numpy", cache=True)
def _philox(k0, k1, low, high, first, words):
    """Fill `words` (an even number of them) from the block `first` after the counter (high, low)."""
    for i in range(words.size // 2):
        at = low + (first + np.uint64(i))
        top = high + np.uint64(at < low)
        x0, x1, x2, x3 = at & _MASK, at >> _B32, top & _MASK, top >> _B32
        a, b = k0, k1
        for _ in range(ROUNDS):
            p, q = x0 * _M0, x2 * _M1
            x0, x1, x2, x3 = (q >> _B32) ^ x1 ^ a, q & _MASK, (p >> _B32) ^ x3 ^ b, p & _MASK
            a, b = (a + _W0) & _MASK, (b + _W1) & _MASK
        words[2 * i] = x0 | x1 << _B32
        words[2 * i + 1] = x2 | x3 << _B32


@njit(error_model="numpy", cache=True)
def _horner(c, x):
    return ((((((c[7] * x + c[6]) * x + c[5]) * x + c[4]) * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0]


@njit(error_model="numpy", cache=True)
def _artanh_ratio(x):
    c = ATANH
    value = (((c[11] * x + c[10]) * x + c[9]) * x + c[8]) * x + c[7]
    value = (((value * x + c[6]) * x + c[5]) * x + c[4]) * x + c[3]
    return ((value * x + c[2]) * x + c[1]) * x + c[0]


@njit(error_model="numpy", cache=True)
def _logarithm(x):
    bits = _bits_of(x)
    m = _float_of((bits & _MANTISSA) | _HALF_EXPONENT)
    small = m < SQRT_HALF
    e = np.float64((bits >> 52) - 1022 - np.int64(small))
    m = m + m if small else m
    s = (m - 1.0) / (m + 1.0)
    return e * LOG2_HIGH + (2.0 * s * _artanh_ratio(s * s) + e * LOG2_LOW)


@njit(error_model="numpy", cache=True)
def _uniform_chunk(words, out):
    if out.itemsize == 4:
        for i in range(out.size):
            out[i] = np.float32(np.int64(words[i] >> _B40)) * np.float32(2.0**-24)
    else:
        for i in range(out.size):
            out[i] = np.float64(np.int64(words[i] >> _B11)) * 2.0**-53


@njit(error_model="numpy", cache=True)
def _normal_chunk(words, p, r, where, out):
    n = out.size
    for i in range(n):
        flip = np.uint64(0) - (words[i] >> _B63)
        p[i] = (np.float64(np.int64(words[i] ^ flip)) + 0.5) * 2.0**-64
    for i in range(n):
        q = p[i] - 0.5
        x = 0.180625 - q * q
        z = q * (_horner(_CENTRE_P, x) / _horner(_CENTRE_Q, x))
        out[i] = -z if words[i] >> _B63 == _B1 else z
    tails = 0
    for i in range(n):
        where[tails] = i
        tails += 1 if p[i] - 0.5 < -0.425 else 0
    for j in range(tails):
        r[j] = np.sqrt(-_logarithm(p[where[j]]))
    far = 0
    for j in range(tails):
        x = r[j] - 1.6
        p[j] = _horner(_TAIL_P, x) / _horner(_TAIL_Q, x)
        far += 1 if r[j] > 5.0 else 0
    if far > 0:
        for j in range(tails):
            if r[j] > 5.0:
                p[j] = _horner(_FAR_P, r[j] - 5.0) / _horner(_FAR_Q, r[j] - 5.0)
    for j in range(tails):
        i = where[j]
        out[i] = p[j] if words[i] >> _B63 == _B1 else -p[j]


@njit(error_model="numpy", cache=True)
def _bits_at(k0, k1, low, high, start, out):
    stop = min(start + CHUNK, out.size)
    words = np.empty(stop - start + ((stop - start) & 1), np.uint64)
    _philox(k0, k1, low, high, np.uint64(start // 2), words)
    out[start:stop] = words[: stop - start]


@njit(error_model="numpy", cache=True)
def _uniform_at(k0, k1, low, high, start, out):
    stop = min(start + CHUNK, out.size)
    words = np.empty(CHUNK, np.uint64)[: stop - start + ((stop - start) & 1)]
    _philox(k0, k1, low, high, np.uint64(start // 2), words)
    _uniform_chunk(words, out[start:stop])


@njit(error_model="numpy", cache=True)
def _normal_at(k0, k1, low, high, start, out):
    stop = min(start + CHUNK, out.size)
    words = np.empty(CHUNK, np.uint64)[: stop - start + ((stop - start) & 1)]
    _philox(k0, k1, low, high, np.uint64(start // 2), words)
    p, r, where = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK, np.int64)
    _normal_chunk(words, p, r, where, out[start:stop])


@njit(error_model="numpy", cache=True)
def _fill_bits(k0, k1, low, high, out):
    for start in range(0, out.size, CHUNK):
        _bits_at(k0, k1, low, high, start, out)


@njit(cache=True, parallel=True)
def _fill_bits_parallel(k0, k1, low, high, out):
    for c in prange(-(-out.size // CHUNK)):
        _bits_at(k0, k1, low, high, c * CHUNK, out)


@njit(error_model="numpy", cache=True)
def _fill_uniform(k0, k1, low, high, out):
    for start in range(0, out.size, CHUNK):
        _uniform_at(k0, k1, low, high, start, out)


@njit(cache=True, parallel=True)
def _fill_uniform_parallel(k0, k1, low, high, out):
    for c in prange(-(-out.size // CHUNK)):
        _uniform_at(k0, k1, low, high, c * CHUNK, out)


@njit(error_model="numpy", cache=True)
def _fill_normal(k0, k1, low, high, out):
    for start in range(0, out.size, CHUNK):
        _normal_at(k0, k1, low, high, start, out)


@njit(cache=True, parallel=True)
def _fill_normal_parallel(k0, k1, low, high, out):
    for c in prange(-(-out.size // CHUNK)):
        _normal_at(k0, k1, low, high, c * CHUNK, out)

"""Random bits, uniforms and normals, Numba version: the bits of kernels/definitions/philox.py, faster.

No fast-math flag appears here, so LLVM neither reorders nor fuses, and every result equals the definition's
exactly (tests/kernels/test_philox.py compares with ==). Normals are made a chunk at a time in three passes
that each vectorise: the central formula for all, then the logarithm and the tail formula for the 15 % that
need it, then the one in 10^10 beyond.
"""

from functools import partial
from typing import Any

import numpy as np
from numba import types
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
from .compiled import njit
from .launch import doubles, floats, integers, launch, task, words
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
    pairs = np.empty(-(-n // 2), np.uint64)
    _run(_bits, key, counter, pairs, 1)
    return pairs.astype("<u8", copy=False).view(np.uint32)[:n]


def philox_uniform(key: tuple[int, int], counter: int, n: int, dtype: DTypeLike) -> NDArray[np.floating]:
    """`n` uniforms in [0, 1); see the definition."""
    out = np.empty(n, dtype)
    _run(_uniform[out.dtype.char], key, counter, out, 1)
    return out


def philox_normal(key: tuple[int, int], counter: int, n: int, dtype: DTypeLike) -> NDArray[np.floating]:
    """`n` standard normals; see the definition."""
    out = np.empty(n, dtype)
    _run(_normal[out.dtype.char], key, counter, out, 4)
    return out


def _run(work: task, key: tuple[int, int], counter: int, out: NDArray[Any], buffers: int) -> None:
    """With so many buffers of a chunk for each thread."""
    parts = thread_count(out.size, SERIAL)
    start = np.array([*key, counter & (2**64 - 1), (counter >> 64) & (2**64 - 1)], np.uint64)
    launch(work, parts, start, out, np.empty((buffers, parts * CHUNK)))


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


@njit()
def _philox(start, first, out):
    """Fill `out` (an even number of words) from the block `first` after the counter; `start` is key and counter."""
    k0, k1, low, high = start[0], start[1], start[2], start[3]
    for i in range(out.size // 2):
        at = low + (first + np.uint64(i))
        top = high + np.uint64(at < low)
        x0, x1, x2, x3 = at & _MASK, at >> _B32, top & _MASK, top >> _B32
        a, b = k0, k1
        for _ in range(ROUNDS):
            p, q = x0 * _M0, x2 * _M1
            x0, x1, x2, x3 = (q >> _B32) ^ x1 ^ a, q & _MASK, (p >> _B32) ^ x3 ^ b, p & _MASK
            a, b = (a + _W0) & _MASK, (b + _W1) & _MASK
        out[2 * i] = x0 | x1 << _B32
        out[2 * i + 1] = x2 | x3 << _B32


@njit()
def _horner(c, x):
    return ((((((c[7] * x + c[6]) * x + c[5]) * x + c[4]) * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0]


@njit()
def _logarithm(x):
    bits = _bits_of(x)
    m = _float_of((bits & _MANTISSA) | _HALF_EXPONENT)
    small = m < SQRT_HALF
    e = np.float64((bits >> 52) - 1022 - np.int64(small))
    m = m + m if small else m
    s = (m - 1.0) / (m + 1.0)
    u, c = s * s, ATANH
    ratio = (((c[11] * u + c[10]) * u + c[9]) * u + c[8]) * u + c[7]
    ratio = (((ratio * u + c[6]) * u + c[5]) * u + c[4]) * u + c[3]
    ratio = ((ratio * u + c[2]) * u + c[1]) * u + c[0]
    return e * LOG2_HIGH + (2.0 * s * ratio + e * LOG2_LOW)


@njit()
def _uniform_chunk(pairs, out):
    if out.itemsize == 4:
        for i in range(out.size):
            out[i] = np.float32(np.int64(pairs[i] >> _B40)) * np.float32(2.0**-24)
    else:
        for i in range(out.size):
            out[i] = np.float64(np.int64(pairs[i] >> _B11)) * 2.0**-53


@njit()
def _normal_chunk(pairs, p, r, where, out):
    n = out.size
    for i in range(n):
        flip = np.uint64(0) - (pairs[i] >> _B63)
        p[i] = (np.float64(np.int64(pairs[i] ^ flip)) + 0.5) * 2.0**-64
    for i in range(n):
        q = p[i] - 0.5
        x = 0.180625 - q * q
        z = q * (_horner(_CENTRE_P, x) / _horner(_CENTRE_Q, x))
        out[i] = -z if pairs[i] >> _B63 == _B1 else z
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
        out[i] = p[j] if pairs[i] >> _B63 == _B1 else -p[j]


_exact_task = partial(task, fastmath=())  # its arguments are those of the launch above


@njit()
def _share(size, part, parts):
    """From where and to where a part goes: whole chunks, as far as there are."""
    chunks = -(-size // CHUNK)
    return chunks * part // parts * CHUNK, min(size, chunks * (part + 1) // parts * CHUNK)


@_exact_task
def _bits(block, part, parts):
    start, out = words(block, 0), words(block, 1)
    pair = words(block, 2)[part * CHUNK : part * CHUNK + 2]
    first, stop = _share(out.size, part, parts)
    even = first + (stop - first) // 2 * 2
    _philox(start, np.uint64(first // 2), out[first:even])
    if even < stop:
        _philox(start, np.uint64(even // 2), pair)
        out[even] = pair[0]


@_exact_task
def _uniforms(block, part, parts):
    start, out = words(block, 0), floats(block, 1)
    pairs = words(block, 2)[part * CHUNK :]
    first, stop = _share(out.size, part, parts)
    for at in range(first, stop, CHUNK):
        end = min(at + CHUNK, stop)
        _philox(start, np.uint64(at // 2), pairs[: end - at + (end - at) % 2])
        _uniform_chunk(pairs, out[at:end])


@_exact_task
def _normals(block, part, parts):
    start, out = words(block, 0), floats(block, 1)
    own, buffer = part * CHUNK, parts * CHUNK
    pairs, p = words(block, 2)[own:], doubles(block, 2)[own + buffer :]
    r, where = doubles(block, 2)[own + 2 * buffer :], integers(block, 2)[own + 3 * buffer :]
    first, stop = _share(out.size, part, parts)
    for at in range(first, stop, CHUNK):
        end = min(at + CHUNK, stop)
        _philox(start, np.uint64(at // 2), pairs[: end - at + (end - at) % 2])
        _normal_chunk(pairs, p, r, where, out[at:end])


_uniform = {"f": _uniforms, "d": _uniforms.variant("_uniforms_doubles", floats=doubles)}
_normal = {"f": _normals, "d": _normals.variant("_normals_doubles", floats=doubles)}

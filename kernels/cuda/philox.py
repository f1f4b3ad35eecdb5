"""Random bits, uniforms and normals on a CUDA device, equal to the CPU's bit by bit: see philox.cu."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .launch import THREADS, ceil_div, cupy, launch

Array = Any

_HALF = 2**64 - 1


def _draw(name: str, key: tuple[int, int], counter: int, n: int, dtype: DTypeLike, per_block: int) -> Array:
    """`n` values from kernel `name`, of which each block of the generator gives `per_block`."""
    out = cupy().empty(n, dtype)
    state = (*map(np.uint32, key), np.uint64(counter & _HALF), np.uint64((counter >> 64) & _HALF))
    real = np.float32 if out.dtype.kind == "u" else out.dtype
    blocks = ceil_div(ceil_div(n, per_block), THREADS)
    launch(f"philox/{name}", real, blocks, THREADS, *state, out, n)
    return out


def philox_bits(key: tuple[int, int], counter: int, n: int) -> Array:
    """`n` random 32-bit words: words 4i to 4i+3 are the Philox4x32-10 block of `counter + i` (mod 2^128)."""
    return _draw("bits", key, counter, n, np.uint32, 4)


def philox_uniform(key: tuple[int, int], counter: int, n: int, dtype: DTypeLike) -> Array:
    """`n` uniforms in [0, 1)."""
    return _draw("uniform", key, counter, n, dtype, 2)


def philox_normal(key: tuple[int, int], counter: int, n: int, dtype: DTypeLike) -> Array:
    """`n` standard normals."""
    return _draw("normal", key, counter, n, dtype, 2)


def normal_of_words(words: Array, dtype: DTypeLike) -> Array:
    """The standard normal's quantiles of (word + 1/2) / 2^64, for 64-bit words (n,)."""
    out = cupy().empty(words.shape, dtype)
    launch("philox/normal_of_words", dtype, ceil_div(words.size, THREADS), THREADS, words, out, words.size)
    return out

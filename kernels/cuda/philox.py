"""Random bits, uniforms, normals and integers on a CUDA device, equal to the CPU's bit by bit: see philox.cu."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..capture import capturing, each_time
from .launch import THREADS, ceil_div, cupy, launch

Array = Any
Place = Callable[[], tuple[tuple[int, int], int]]
"""Says where a draw starts, (key, position in words of 64 bits), and moves the stream on."""

_HALF = 2**64 - 1


def philox_bits(key: tuple[int, int], counter: int, n: int) -> Array:
    """`n` random 32-bit words: words 4i to 4i+3 are the Philox4x32-10 block of `counter + i` (mod 2^128)."""
    return _launch("bits", lambda: (key, 2 * counter), n, np.uint32, 4)


def philox_uniform(key: tuple[int, int], counter: int, n: int, dtype: DTypeLike) -> Array:
    """`n` uniforms in [0, 1)."""
    return draw_uniform(lambda: (key, 2 * counter), n, dtype)


def philox_normal(key: tuple[int, int], counter: int, n: int, dtype: DTypeLike) -> Array:
    """`n` standard normals."""
    return draw_normal(lambda: (key, 2 * counter), n, dtype)


def draw_uniform(place: Place, n: int, dtype: DTypeLike) -> Array:
    """`n` uniforms in [0, 1) from `place` on; in a captured step from where each run finds the stream."""
    return _launch("uniform", place, n, dtype, 2)


def draw_normal(place: Place, n: int, dtype: DTypeLike) -> Array:
    """`n` standard normals, likewise."""
    return _launch("normal", place, n, dtype, 2)


def draw_integers(place: Place, n: int, first: int, count: int) -> Array:
    """`n` integers (int64) of the `count` from `first` on, likewise: two words for each."""
    return _launch("integers", place, n, np.int64, 1, np.int64(first), np.uint64(count))


def normal_of_words(words: Array, dtype: DTypeLike) -> Array:
    """The standard normal's quantiles of (word + 1/2) / 2^64, for 64-bit words (n,)."""
    out = cupy().empty(words.shape, dtype)
    launch("philox/normal_of_words", dtype, ceil_div(words.size, THREADS), THREADS, words, out, words.size)
    return out


def _launch(name: str, place: Place, n: int, dtype: DTypeLike, per_thread: int, *options: Any) -> Array:
    """`n` values from kernel `name`, whose threads make `per_thread` each."""
    out = cupy().empty(n, dtype)
    real = out.dtype if out.dtype.kind == "f" else np.float32
    blocks = ceil_div(n + 1, per_thread * THREADS) if n else 0  # a place inside a block may need one more
    if capturing():
        at = (each_time(lambda: _words(place()), (4,), np.uint64), *[np.uint64(0)] * 4)
    else:
        at = (None, *_words(place()))
    launch(f"philox/{name}", real, blocks, THREADS, *at, *options, out, n)
    return out


def _words(place: tuple[tuple[int, int], int]) -> np.ndarray:
    """`Place` of philox.cu."""
    (low, high), position = place
    block, skipped = divmod(position, 2)
    return np.array([low | high << 32, block & _HALF, block >> 64 & _HALF, skipped], np.uint64)

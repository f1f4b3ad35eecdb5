"""Explicit, counter-based randomness: a `Generator` is a key and a position in that key's stream.

The stream of a key is Philox4x32-10 (Salmon et al. 2011; kernels/definitions/philox.py) read as 64-bit words.
The law of position: word i is a function of (key, i) alone, and each draw takes the next words of the stream,

    normal, uniform, bernoulli, permutation   one word for each element, whatever the dtype
    integers                                  two words for each element
    split                                     one word for each child, which becomes the child's key

so ten draws and then five are the same numbers as fifteen, on every device and from every kernel version. What is asked
for on a device is drawn there; a captured step (`tg.capture`) draws from where its generator is at each replay.
Held by tests/test_random.py and tests/cuda/test_capture.py.
"""

import math
import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from tinygen.device import Device, device_of, transfer
from tinygen.device import device as find_device
from tinygen.kernels import choose, load
from tinygen.kernels.capture import CaptureError, capturing
from tinygen.kernels.cuda import philox as on_device
from tinygen.tensor import Tensor, float32, float64

ALGORITHM = "philox4x32-10"
Shape = int | tuple[int, ...]

_HOST = np.empty(0, np.float32)  # stands for "an array in NumPy" when a kernel version is chosen
_LOW32, _SHIFT32 = np.uint64(2**32 - 1), np.uint64(32)


class Generator:
    """A stream of random numbers; the same seed gives the same bits everywhere.

    Args:
        seed: an integer in [0, 2^64), the stream's key.

    Raises:
        ValueError: the seed is no such integer.
    """

    __slots__ = ("_counter", "_key")

    def __init__(self, seed: int):
        value = _integer(seed, "seed")
        if not 0 <= value < 2**64:
            raise ValueError(f"a seed is an integer from 0 to 2**64 - 1, not {value}")
        self._key = (value & 0xFFFFFFFF, value >> 32)
        self._counter = 0

    @property
    def key(self) -> tuple[int, int]:
        """The stream's key, two 32-bit words; of `Generator(seed)` the seed's, the less significant first."""
        return self._key

    @property
    def counter(self) -> int:
        """The position in the stream: how many 64-bit words have been drawn."""
        return self._counter

    @property
    def state(self) -> dict[str, Any]:
        """All there is to know, ready for JSON; assigning it replays exactly from there.

        Raises:
            ValueError: what is assigned is not such a dictionary.
        """
        return {"algorithm": ALGORITHM, "key": list(self._key), "counter": self._counter}

    @state.setter
    def state(self, state: dict[str, Any]) -> None:
        try:
            algorithm, counter = state["algorithm"], operator.index(state["counter"])
            key = tuple(operator.index(word) for word in state["key"])
        except (KeyError, TypeError):
            raise ValueError(f'a state is {{"algorithm", "key": [int, int], "counter": int}}, not {state!r}') from None
        if algorithm != ALGORITHM:
            raise ValueError(f"the state is of the algorithm {algorithm!r}; this generator is {ALGORITHM!r}")
        if len(key) != 2 or not all(0 <= word < 2**32 for word in key) or not 0 <= counter < 2**129:
            raise ValueError(f"a state has a key of two 32-bit words and a counter in [0, 2**129), not {state!r}")
        self._key, self._counter = (key[0], key[1]), counter

    def normal(self, shape: Shape, dtype: DTypeLike = np.float32, device: str | Device | None = None) -> Tensor:
        """Standard normals; float32 ones are the float64 ones rounded.

        Raises:
            ValueError: `shape` is negative or no shape; `dtype` is not float32 or float64.
        """
        size, count = _shape(shape)
        return self._draw("normal", size, count, _floating(dtype), device)

    def uniform(self, shape: Shape, dtype: DTypeLike = np.float32, device: str | Device | None = None) -> Tensor:
        """Uniforms in [0, 1): multiples of 2^-24 in float32, of 2^-53 in float64, never 1.

        Raises:
            ValueError: as `normal`.
        """
        size, count = _shape(shape)
        return self._draw("uniform", size, count, _floating(dtype), device)

    def integers(self, low: int, high: int, shape: Shape, device: str | Device | None = None) -> Tensor:
        """int64 from `low` to `high - 1`: 128 random bits times the number of values, over 2^128, as floor.

        Nothing is rejected, so the position stays known; each of m <= 2^63 values has a probability within
        2^-128 of 1/m, a relative bias below 2^-65 (Lemire, "Fast random integer generation in an interval",
        ACM TOMACS 29, 2019, without its rejection).

        Raises:
            ValueError: no integer is in the range, or it leaves int64 or holds more than 2^63.
        """
        first, stop = _integer(low, "low"), _integer(high, "high")
        if not (-(2**63) <= first < stop <= 2**63 and stop - first <= 2**63):
            raise ValueError(
                f"integers needs low < high, both of int64 and at most 2**63 apart, not {first} and {stop}"
            )
        size, count = _shape(shape)
        where = find_device(device)
        if where.kind == "cuda":
            place = lambda: self._next(2 * count)
            return Tensor(on_device.draw_integers(place, count, first, stop - first).reshape(size))
        words = self._words(2 * count)
        m = np.uint64(stop - first)
        fine, coarse = words[0::2], words[1::2]
        carried = coarse * m + _high_product(fine, m) < coarse * m
        value = _high_product(coarse, m) + carried
        return Tensor((value.astype(np.int64) + np.int64(first)).reshape(size))

    def bernoulli(self, p: ArrayLike, shape: Shape, device: str | Device | None = None) -> Tensor:
        """float32 ones with probability `p` (to within 2^-53), else zeros; `p` broadcasts to `shape`.

        Raises:
            ValueError: a probability outside [0, 1], or of a shape that does not broadcast.
        """
        size, count = _shape(shape)
        chance = np.asarray(p, np.float64)
        if not ((chance >= 0) & (chance <= 1)).all():
            bad = chance[~((chance >= 0) & (chance <= 1))].flat[0]
            raise ValueError(f"a probability is from 0 to 1, not {bad}")
        try:
            chance = np.broadcast_to(chance, size)
        except ValueError:
            raise ValueError(f"p of shape {chance.shape} does not broadcast to the shape {size}") from None
        uniform = self._draw("uniform", size, count, np.dtype(np.float64), device)._data
        return Tensor((uniform < transfer(chance, device_of(uniform))).astype(np.float32))

    def permutation(self, n: int, device: str | Device | None = None) -> Tensor:
        """The integers below `n` in random order, int64: the order that sorts n words.

        Equal words, of probability below n^2 / 2^65, would stay in order.

        Raises:
            ValueError: `n` is negative or no integer.
        """
        (count,), _ = _shape(_integer(n, "n"))
        order = np.argsort(self._words(count), kind="stable").astype(np.int64)
        return Tensor(transfer(order, find_device(device)))

    def split(self, n: int) -> "tuple[Generator, ...]":
        """`n` generators whose streams are independent of one another and of the rest of this one.

        Raises:
            ValueError: `n` is negative or no integer.
        """
        (count,), _ = _shape(_integer(n, "n"))
        return tuple(Generator(int(word)) for word in self._words(count))

    def __repr__(self) -> str:
        return f"Generator(key={self._key}, counter={self._counter})"

    def _draw(
        self, law: str, shape: tuple[int, ...], n: int, dtype: np.dtype[Any], device: str | Device | None
    ) -> Tensor:
        """The next `n` words as draws from `law`, made where they are wanted."""
        where = find_device(device)
        if where.kind == "cuda":
            return Tensor(getattr(on_device, f"draw_{law}")(lambda: self._next(n), n, dtype).reshape(shape))
        _, position = self._next(n)
        block, odd = divmod(position, 2)  # a block holds two words: an odd position starts inside one
        values = load(f"philox_{law}", choose(_HOST))(self._key, block, n + odd, dtype)
        return Tensor((values[odd:] if odd else values).reshape(shape))

    def _words(self, n: int) -> NDArray[np.uint64]:
        if capturing():
            raise CaptureError("a permutation, or children, of a random generator are drawn on the host")
        _, position = self._next(n)
        block, odd = divmod(position, 2)
        bits = load("philox_bits", choose(_HOST))(self._key, block, 2 * (n + odd))
        return (bits[0::2] | bits[1::2].astype(np.uint64) << _SHIFT32)[odd:]

    def _next(self, n: int) -> tuple[tuple[int, int], int]:
        """The key, and the position of the next `n` words, which are passed."""
        position = self._counter
        self._counter += n
        return self._key, position


def _high_product(x: NDArray[np.uint64], m: np.uint64) -> NDArray[np.uint64]:
    """The upper 64 bits of the 128-bit products x m, from 32-bit halves."""
    x0, x1, m0, m1 = x & _LOW32, x >> _SHIFT32, m & _LOW32, m >> _SHIFT32
    lower, upper = x0 * m1, x1 * m0
    middle = (x0 * m0 >> _SHIFT32) + (lower & _LOW32) + (upper & _LOW32)
    return x1 * m1 + (lower >> _SHIFT32) + (upper >> _SHIFT32) + (middle >> _SHIFT32)


def _integer(value: Any, name: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is an integer, not {value!r}") from None


def _shape(shape: Shape) -> tuple[tuple[int, ...], int]:
    """A shape as a tuple, and how many elements it has."""
    try:
        size = tuple(map(operator.index, shape if isinstance(shape, tuple | list) else (shape,)))
    except TypeError:
        raise ValueError(f"a shape is an integer or a tuple of integers, not {shape!r}") from None
    if size and min(size) < 0:
        raise ValueError(f"sizes are not negative, but the shape is {size}")
    return size, math.prod(size)


def _floating(dtype: DTypeLike) -> np.dtype[Any]:
    kind = np.dtype(dtype)
    if kind != float32 and kind != float64:
        raise ValueError(f"random numbers are float32 or float64, not {kind}")
    return kind

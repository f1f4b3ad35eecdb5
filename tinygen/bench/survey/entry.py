"""One operation of the survey: what is called with which arrays, and the rows that it gives, at two sizes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygen.bench.operations import Arrays, Operation

ORDINARY = {"r": 256, "c": 1024, "d": 256, "m": 64, "n": 64, "k": 32, "h": 28, "b": 64, "l": 49, "e": 32}
TINY = {"r": 8, "c": 8, "d": 8, "m": 8, "n": 1, "k": 4, "h": 6, "b": 1, "l": 4, "e": 8}
"""How long axes are: rows and columns of numbers, columns of a product; sides of a square matrix; images, channels,
sides of an image; examples, places and what is at each, for attention, which has four heads."""
SAID = "256 x 1024 numbers, 64 x 64 matrices, 64 images of 32 x 28 x 28 (tiny: 8 x 8, one image of 4 x 6 x 6)"
FORMS = ("forward alone", "with gradients", "tiny, forward alone", "tiny, with gradients")


@dataclass(frozen=True)
class Array:
    """An argument: its axes, letters of `ORDINARY` or digits; what is made of normal numbers, where not these;
    whether it has a gradient. Or integers, below the length of the axis `below`."""

    axes: str
    made: Callable[[np.ndarray], np.ndarray] = lambda normal: normal
    gradient: bool = True
    below: str = ""

    def shape(self, sizes: dict[str, int]) -> tuple[int, ...]:
        return tuple(sizes[axis] if axis in sizes else int(axis) for axis in self.axes)


@dataclass(frozen=True)
class Entry:
    """One operation: its name, the call as in `Operation`, its arguments by name, and whether its values are compared,
    which random ones cannot be."""

    name: str
    call: Callable[[Any, Arrays], Any]
    arguments: dict[str, Array]
    compared: bool = True

    def row(self, form: str) -> str:
        """The name of a row."""
        return f"{self.name}: {form}"

    def operations(self) -> dict[str, Operation]:
        """The rows by form; forward alone where nothing has a gradient."""
        drawn = {name: array for name, array in self.arguments.items() if not array.below}
        given = tuple(name for name, array in drawn.items() if not array.gradient)
        found = {}
        for form in FORMS:
            sizes = TINY if form.startswith("tiny") else ORDINARY
            backward = form.endswith("with gradients")
            if backward and len(given) == len(drawn):
                continue
            found[form] = Operation(
                self.row(form),
                {name: array.shape(sizes) for name, array in drawn.items()},
                self.call,
                labels={n: (a.shape(sizes), sizes[a.below]) for n, a in self.arguments.items() if a.below},
                made={name: array.made for name, array in drawn.items()},
                given=given,
                images=IMAGE in drawn.values(),
                backward=backward,
                compared=self.compared,
            )
        return found


def of(name: str, call: Callable[[Any, Arrays], Any], **arguments: Array) -> Entry:
    """An entry, of one array `x` of numbers where nothing else is said."""
    return Entry(name, call, arguments or {"x": X})


def named(names: str, *arguments: Array) -> list[Entry]:
    """Functions of x, or of x and y, that are called by their names alone."""
    one = lambda name: lambda F, a: getattr(F, name)(a["x"])
    two = lambda name: lambda F, a: getattr(F, name)(a["x"], a["y"])
    call = one if len(arguments) == 1 else two
    return [of(name, call(name), **dict(zip("xy", arguments))) for name in names.split()]


# -- arrays that operations share ------------------------------------------------------------------------------


def weights(side: int) -> Array:
    """Those of a convolution with filters of `side` x `side`."""
    return Array(f"kk{side}{side}", lambda w: w / (w.shape[1] * side**2) ** 0.5)


def _near_identity(x: np.ndarray) -> np.ndarray:
    return np.eye(len(x)) + 0.3 * x / len(x) ** 0.5


def _definite(x: np.ndarray) -> np.ndarray:
    return np.eye(len(x)) + x @ x.T / len(x)


def _distinct(x: np.ndarray) -> np.ndarray:
    """In the same order, from -3 to 3, no two equal: sorting has one answer."""
    return np.linspace(-3, 3, x.size)[x.ravel().argsort().argsort()].reshape(x.shape)


def _probability(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


X, ROW, COLUMN = Array("rc"), Array("c"), Array("r1")
FIXED, FIXED_ROW = Array("rc", gradient=False), Array("c", gradient=False)
POSITIVE, FIXED_POSITIVE = (Array("rc", lambda x: abs(x) + 0.1, gradient) for gradient in (True, False))
INSIDE, ABOVE_1 = Array("rc", lambda x: 0.8 * np.tanh(x)), Array("rc", lambda x: abs(x) + 1.1)
SIGN, NEAR_1 = Array("rc", np.sign), Array("rc", lambda x: 1 + 0.001 * x)
DISTINCT, FIXED_DISTINCT = Array("rc", _distinct), Array("rc", _distinct, gradient=False)
TRUTH, PROBABILITY = Array("rc", lambda x: x > 0, gradient=False), Array("rc", _probability, gradient=False)
INDEX, COLUMNS = Array("r", below="r"), Array("dc", lambda w: w / w.shape[1] ** 0.5)
SQUARE, REGULAR, DEFINITE = Array("mm"), Array("mm", _near_identity), Array("mm", _definite)
IMAGE, CHANNEL, STATISTIC = Array("nkhh"), Array("k"), Array("k", lambda x: abs(x) + 0.1, gradient=False)
HEADS = Array("b4le")

"""The plainest example that still fails, found by simplifying one entry at a time, and how it is written."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.tensor import Tensor, asarray

TRIALS = 200  # plainer examples tried in all


def plainest(x: np.ndarray, message: Callable[[np.ndarray], str | None]) -> str | None:
    """The message of the plainest failing example found from x, None when x passes.

    Args:
        x: one example.
        message: what is wrong with an example; None when nothing is, or when it is outside the domain.
    """
    said = message(x)
    if said is None:
        return None
    plain, tried = np.array(x), 0
    for i in range(plain.size):
        for value in (0.0, np.rint(plain.flat[i]), np.round(plain.flat[i], 1)):
            if tried == TRIALS or value == plain.flat[i]:
                break
            plainer, tried = plain.copy(), tried + 1
            plainer.flat[i] = value
            with np.errstate(all="ignore"):
                now = message(plainer)
            if now is not None:
                plain, said = plainer, now
                break
    return said


def written(x: np.ndarray) -> str:
    """An array on one line."""
    return np.array2string(x, precision=6, separator=", ", threshold=40, max_line_width=10_000).replace("\n", "")


def as_array(value: Any) -> np.ndarray:
    """The array in a tensor, or what is given as one."""
    return np.asarray(value if isinstance(value, Tensor) else asarray(value))

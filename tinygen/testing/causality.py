"""`check_causal`: p(x) = prod_i p(x_i | x_<i) needs output i to see every earlier input, and no other.

Inputs are changed one position at a time, so `fn` may be anything: tokens need no gradient.
Held by tests/testing/test_check_causal.py, with the masks that PixelCNNs get wrong.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygen.autodiff.tape import no_grad
from tinygen.tensor import Tensor
from tinygen.testing.counterexample import as_array

TRIALS = 4
"""How often an input is changed, from different starts, before it counts as unseen."""

LEAK = 1e-12
"""A change of an output below this, relative to the largest output, is rounding; a change of 0 is none at all."""


def check_causal(
    fn: Callable[[Tensor], Any],
    x: Any,
    axes: Sequence[int] | None = None,
    strict: bool = True,
    complete: bool = True,
    seed: int = 0,
) -> bool:
    """Output i of `fn` depends on the inputs before i, on all of them, and on nothing else.

    Args:
        fn: a function of x to an array with the same positions along the same axes; in evaluation mode, without
            dropout or statistics of the batch.
        x: an input (N, ...). Integers, booleans and floats that are all 0 or 1 are changed to other such values,
            other floats by normal noise.
        axes: the axes of the positions, the last one running fastest; when None (2, 3) for images (N, C, H, W), else
            (1,), a sequence. Entries along all other axes belong to the same position.
        strict: whether output i must not see input i; otherwise it must, as that of a network that predicts i + 1.
        complete: whether a blind spot fails.
        seed: of the changes.

    Returns:
        True.

    Raises:
        AssertionError: it is not so: names the first output that sees too much or too little, and the input.
        ValueError: the axes are none of x, or x holds one value only.
    """
    start = as_array(x)
    axes = ((2, 3) if start.ndim == 4 else (1,)) if axes is None else tuple(axes)
    if not axes or any(not 0 < a < start.ndim for a in axes) or len(set(axes)) < len(axes):
        raise ValueError(f"axes of the positions are different ones from 1 to {start.ndim - 1}, found {axes}")
    sides = tuple(start.shape[a] for a in axes)
    rng = np.random.default_rng(seed)
    other = _changes(start, rng)

    def outputs(z: np.ndarray) -> np.ndarray:
        """(positions, entries)."""
        with no_grad():
            y = as_array(fn(Tensor(z)))
        if y.ndim <= max(axes) or tuple(y.shape[a] for a in axes) != sides:
            raise AssertionError(f"the output of shape {y.shape} does not have the positions {sides} along axes {axes}")
        if not np.isfinite(y).all():
            raise AssertionError("the output is not finite")
        return np.moveaxis(y, axes, range(len(axes))).reshape(int(np.prod(sides)), -1).astype(np.float64)

    count = int(np.prod(sides))
    change = np.zeros((count, count))  # of output i by input j
    for trial in range(TRIALS):
        base = start if trial == 0 else np.where(rng.random(start.shape) < 0.5, start, other(start))
        before = outputs(base)
        if not np.array_equal(before, outputs(base)):
            raise AssertionError("the function gives other values when it is called again")
        scale = max(1.0, float(np.abs(before).max()))
        for j in range(count):
            place = _position(base.shape, axes, j)
            moved = outputs(np.where(place, other(base), base))
            change[:, j] = np.maximum(change[:, j], np.abs(moved - before).max(1) / scale)
    _judge(change, sides, strict, complete)
    return True


def _judge(change: np.ndarray, sides: tuple[int, ...], strict: bool, complete: bool) -> None:
    allowed = np.tri(len(change), k=-1 if strict else 0, dtype=bool)
    leaks = np.argwhere((change > LEAK) & ~allowed)
    seen = "x_<i" if strict else "x_<=i"
    if len(leaks):
        i, j = leaks[0]
        what = "itself" if i == j else "the later"
        raise AssertionError(
            f"output i depends on {seen} only, broken: output {_name(i, sides)} sees {what} input {_name(j, sides)}, "
            f"which changes it by {change[i, j]:.3g} of its scale ({len(leaks)} such pairs): {_leak(i == j, strict)}"
        )
    blind = np.argwhere((change == 0) & allowed)
    if complete and len(blind):
        i, j = blind[0]
        raise AssertionError(
            f"output i depends on all of {seen}, broken: output {_name(i, sides)} does not see input "
            f"{_name(j, sides)} ({len(blind)} such pairs): a blind spot of the mask, or too few layers to reach so far"
        )


def _leak(itself: bool, strict: bool) -> str:
    if not itself:
        return "a mask is missing, transposed or shifted"
    return "the first layer's mask must close the centre (mask A), or the input be shifted by one" if strict else ""


def _changes(x: np.ndarray, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """A function to another array that differs in every entry."""
    kind, values = x.dtype.kind, np.unique(x)
    if kind == "b":
        return lambda z: ~z
    if kind == "f" and not np.isin(values, (0, 1)).all():
        return lambda z: (z + rng.choice([-1.0, 1.0], z.shape) * rng.uniform(0.5, 1.5, z.shape)).astype(z.dtype)
    if len(values) < 2 and kind != "f":
        raise ValueError(f"x holds the value {values} only: give an input with all the values there are")
    top = 2 if kind == "f" else int(values.max()) + 1
    return lambda z: ((z + rng.integers(1, top, z.shape)) % top).astype(z.dtype)


def _position(shape: tuple[int, ...], axes: tuple[int, ...], j: int) -> np.ndarray:
    """True at the entries of position j."""
    place = np.zeros(shape, bool)
    index: list[Any] = [slice(None)] * len(shape)
    for axis, i in zip(axes, np.unravel_index(j, [shape[a] for a in axes])):
        index[axis] = int(i)
    place[tuple(index)] = True
    return place


def _name(i: int, sides: tuple[int, ...]) -> str:
    place = tuple(int(k) for k in np.unravel_index(i, sides))
    return str(place[0] if len(place) == 1 else place)

"""Hypothesis strategies: shapes, shapes that broadcast, arrays in any memory layout, convolutions that fit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

DrawFn = st.DrawFn


def shapes(
    min_dims: int = 0, max_dims: int = 4, min_side: int = 1, max_side: int = 5
) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of arrays, with all sizes between `min_side` and `max_side`."""
    sides = st.integers(min_side, max_side)
    return st.lists(sides, min_size=min_dims, max_size=max_dims).map(tuple)


@st.composite
def broadcastable(draw: DrawFn, number: int = 2, max_dims: int = 3, max_side: int = 4) -> tuple[tuple[int, ...], ...]:
    """`number` shapes that broadcast together: leading axes dropped and sizes set to 1 at random."""
    whole = draw(shapes(0, max_dims, 1, max_side))
    drawn = []
    for _ in range(number):
        start = draw(st.integers(0, len(whole)))
        drawn.append(tuple(n if draw(st.booleans()) else 1 for n in whole[start:]))
    return tuple(drawn)


@st.composite
def arrays(
    draw: DrawFn,
    shape: Any = None,
    dtype: Any = np.float64,
    low: float = -2.0,
    high: float = 2.0,
    layouts: bool = True,
) -> np.ndarray:
    """Arrays with entries uniform in [low, high) (integers: both ends included), of a shape or a strategy for one.

    With `layouts` the memory may have its axes in another order, steps between entries, or run backwards.
    """
    if shape is None:
        shape = shapes()
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else tuple(shape)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = np.dtype(dtype).kind
    if kind == "b":
        values = rng.random(shape) < 0.5
    elif kind in "iu":
        values = rng.integers(int(low), int(high), shape, endpoint=True)
    else:
        values = rng.uniform(low, high, shape)
    values = np.asarray(values).astype(dtype)
    return draw(laid_out(values)) if layouts and values.ndim else values


@st.composite
def laid_out(draw: DrawFn, values: np.ndarray) -> np.ndarray:
    """The same array with its memory in another order, strided or reversed."""
    order: Sequence[int] = draw(st.permutations(range(values.ndim)))
    step = draw(st.sampled_from([1, 1, 2, -1]))
    held = np.zeros([values.shape[a] * abs(step) for a in order], values.dtype)
    view = held[(slice(None, None, step),) * values.ndim].transpose(np.argsort(order))
    view[...] = values
    return view


@st.composite
def conv_cases(draw: DrawFn, max_batch: int = 2, max_channels: int = 3, max_side: int = 7) -> dict[str, Any]:
    """Two-dimensional convolutions that fit: the shapes of `x`, `w` and `bias`, and stride, padding, dilation, groups.

    Returns:
        A dict with x (N, C, H, W), w (K, C / groups, KH, KW), bias (K,) or None as shapes, stride, padding and dilation
        as (vertical, horizontal), groups, and out, the shape (N, K, OH, OW) of the result.
    """
    pairs = lambda low, high: st.tuples(st.integers(low, high), st.integers(low, high))
    kernel, stride, padding, dilation = draw(pairs(1, 4)), draw(pairs(1, 3)), draw(pairs(0, 2)), draw(pairs(1, 2))
    groups = draw(st.integers(1, 3))
    channels, filters = groups * draw(st.integers(1, max_channels)), groups * draw(st.integers(1, max_channels))
    batch = draw(st.integers(1, max_batch))
    span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    least = [max(1, s - 2 * p) for s, p in zip(span, padding)]
    size = [draw(st.integers(n, max(n, max_side))) for n in least]
    out = [(n + 2 * p - s) // t + 1 for n, p, s, t in zip(size, padding, span, stride)]
    return {
        "x": (batch, channels, *size),
        "w": (filters, channels // groups, *kernel),
        "bias": (filters,) if draw(st.booleans()) else None,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "out": (batch, filters, *out),
    }

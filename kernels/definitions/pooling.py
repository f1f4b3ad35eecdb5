"""Sums and maxima over the windows of images, and their adjoints: the NumPy definition. Windows are walked by offset.

A pass costs one strided copy per entry of the window, in any memory layout; results are laid out in memory as the
images, border apart. Padding counts as 0 in sums, as -inf in maxima; the first of equal maxima is chosen, and nothing
in the border; NaN wins.
Held by tests/ops/test_registry.py and tests/kernels/test_pooling.py.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..array_module import rounded_once, xp
from .select import select

Array = Any
Pair = tuple[int, int]


def allocate(like: Array, size: Pair, value: float) -> Array:
    """(N, C, *size) in the memory order of the images `like`."""
    n, c = like.shape[:2]
    if like.strides[1] <= like.strides[3]:
        return xp(like).full((n, *size, c), value, dtype=like.dtype).transpose(0, 3, 1, 2)
    return xp(like).full((n, c, *size), value, dtype=like.dtype)


def bordered(x: Array, padding: Pair, value: float) -> Array:
    """Images with a border of `value`."""
    if padding == (0, 0):
        return x
    (h, w), (p, q) = x.shape[2:], padding
    out = allocate(x, (h + 2 * p, w + 2 * q), value)
    out[:, :, p : p + h, q : q + w] = x
    return out


def cropped(x: Array, padding: Pair) -> Array:
    """Images without their border."""
    (h, w), (p, q) = x.shape[2:], padding
    return x[:, :, p : h - p, q : w - q]


def places(size: Pair, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Iterator[tuple[slice, ...]]:
    """For each offset within the window, the places it has over all windows of a bordered image."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            starts = (i * dilation[0], j * dilation[1])
            both = (slice(s, s + (n - 1) * d + 1, d) for s, n, d in zip(starts, size, stride))
            yield (slice(None), slice(None), *both)


def windows(size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = (1, 1)) -> Pair:
    """How many windows images of `size` have, down and across."""
    h, w = ((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(size, padding, dilation, kernel, stride))
    return h, w


@rounded_once
def sum_windows(x: Array, kernel: Pair, stride: Pair, padding: Pair, scale: float = 1.0) -> Array:
    """The sum of every window of images (N, C, H, W), times `scale`."""
    size = windows(x.shape[2:], kernel, stride, padding)
    x = bordered(x, padding, 0.0)
    first, *others = places(size, kernel, stride)
    out = x[first].copy(order="K")
    for place in others:
        out += x[place]
    return out if scale == 1 else out * scale


@rounded_once
def spread_windows(g: Array, size: Pair, kernel: Pair, stride: Pair, padding: Pair, scale: float = 1.0) -> Array:
    """Each entry of g (N, C, OH, OW), times `scale`, added at every place of its window, in images of `size`:
    sum_windows' adjoint."""
    g = g if scale == 1 else g * scale
    out = allocate(g, (size[0] + 2 * padding[0], size[1] + 2 * padding[1]), 0.0)
    apart = kernel[0] <= stride[0] and kernel[1] <= stride[1]
    for place in places(g.shape[2:], kernel, stride):
        if apart:
            out[place] = g
        else:
            out[place] += g
    return cropped(out, padding)


def max_windows(x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> tuple[Array, Array]:
    """The largest entry of every window of images (N, C, H, W), and which of the window's offsets it stands at."""
    size = windows(x.shape[2:], kernel, stride, padding, dilation)
    real = xp(x).ones((1, 1, *x.shape[2:]), dtype=bool)
    lowest = padding != (0, 0) and bool((x == -np.inf).any())
    x, real = bordered(x, padding, -np.inf), bordered(real, padding, False)
    undefined = bool(xp(x).isnan(x.max())) if x.size else False
    out = which = met = None
    for k, place in enumerate(places(size, kernel, stride, dilation)):
        candidate = x[place]
        if out is None or which is None or met is None:
            out, met = candidate.copy(order="K"), real[place].copy()
            which = xp(x).zeros_like(out, dtype=np.uint8 if kernel[0] * kernel[1] <= 256 else np.int32)
            continue
        larger = candidate > out
        if undefined:
            larger |= xp(x).isnan(candidate) & ~xp(x).isnan(out)
        if lowest:  # a window's first pixel is not less than the border before it, nor greater if it is -inf
            larger |= real[place] & ~met
            met |= real[place]
        xp(x).maximum(out, candidate, out=out)
        which += larger * (which.dtype.type(k) - which)  # k where larger; modular arithmetic, no branch
    return out, which


def place_chosen(
    g: Array, which: Array, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """Each entry of g added at the offset `which` of its window, in images of `size`."""
    out = allocate(g, (size[0] + 2 * padding[0], size[1] + 2 * padding[1]), 0.0)
    apart = kernel[0] <= stride[0] and kernel[1] <= stride[1] and dilation == (1, 1)
    for k, place in enumerate(places(g.shape[2:], kernel, stride, dilation)):
        chosen = select(g, which == k, 0)
        if apart:
            out[place] = chosen
        else:
            out[place] += chosen
    return cropped(out, padding)

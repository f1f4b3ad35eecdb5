"""The taps of a convolution of images doubled by nearest neighbour, as taps on the images themselves, and the adjoint.

Of k taps w along an axis k + 1 become: v[i] = w[k - 1 - i] + w[k - i], absent ones being 0. tinygen/ops/doubling.py
says why. Held by tests/kernels/test_doubling.py.
"""

from typing import Any

from ..array_module import xp

Array = Any


def double_taps(w: Array) -> Array:
    """v (C, K, KH + 1, KW + 1) for w (K, C, KH, KW)."""
    out, channels, high, wide = w.shape
    turned = xp(w).ascontiguousarray(w.transpose(2, 3, 1, 0)[::-1, ::-1])  # taps first: long rows to add
    v = xp(w).zeros((high + 1, wide + 1, channels, out), w.dtype)
    for a in (0, 1):
        for b in (0, 1):
            v[a : a + high, b : b + wide] += turned
    return xp(w).ascontiguousarray(v.transpose(2, 3, 0, 1))


def undouble_taps(v: Array) -> Array:
    """The adjoint: (K, C, KH, KW) for v (C, K, KH + 1, KW + 1)."""
    v = xp(v).ascontiguousarray(v.transpose(2, 3, 1, 0))
    w = v[:-1, :-1] + v[:-1, 1:] + v[1:, :-1] + v[1:, 1:]
    return xp(v).ascontiguousarray(w[::-1, ::-1].transpose(2, 3, 0, 1))

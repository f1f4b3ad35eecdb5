"""Rows added up by index, the adjoint of a table look-up: the NumPy definition. Held by tests/kernels/test_rows.py."""

from typing import Any

from ..array_module import rounded_once, xp
from ..capture import capturing

Array = Any


@rounded_once
def add_rows(g: Array, rows: Array, count: int) -> Array:
    """out (count, ...) with out[r] the sum of g[i] over all i with rows[i] = r, in the order of i; else 0.

    Args:
        g: (N, ...).
        rows: (N,) integers in [0, count).

    Raises:
        ValueError: sizes that differ, or an index out of range.
    """
    check_rows(g, rows, count)
    out = xp(g).zeros((count, *g.shape[1:]), dtype=g.dtype)
    xp(g).add.at(out, rows, g)
    return out


def check_rows(g: Array, rows: Array, count: int) -> None:
    if rows.shape != g.shape[:1]:
        raise ValueError(f"add_rows: g {g.shape} needs as many indices, found {rows.shape}")
    if rows.size and not capturing() and (int(rows.min()) < 0 or int(rows.max()) >= count):
        raise ValueError(f"add_rows: indices from {rows.min()} to {rows.max()} are not all in 0 to {count - 1}")

"""Optimal transport between small discrete laws, exactly: the linear program and its dual.

    primal  min <C, P> over plans P >= 0 with row sums a and column sums b
    dual    max <f, a> + <g, b> over f_i + g_j <= C_ij

by successive shortest paths with potentials (Ahuja, Magnanti and Orlin 1993, section 9.7): the plan only ever uses
cells where f_i + g_j = C_ij, so when all mass has moved, plan and potentials prove each other optimal. A few hundred
points on each side at most; `sinkhorn` is for more.
Held by tinygen/checks/divergence/transport.py and tests/divergence/test_transport.py.
"""

from typing import NamedTuple

import numpy as np

from tinygen import ops
from tinygen.autodiff.transforms import stop_gradient
from tinygen.distributions.parameters import of_one_dtype, require
from tinygen.tensor import ArrayLike, Tensor

_ROUNDING = 1e-12  # of the total mass: what is left over when sums of a and b agree to rounding


class Transport(NamedTuple):
    """The solution: its cost (a scalar that carries gradients), the plan (n, m) and the potentials (n,), (m,)."""

    cost: Tensor
    plan: Tensor
    f: Tensor
    g: Tensor


def transport(cost: ArrayLike, a: ArrayLike | None = None, b: ArrayLike | None = None) -> Transport:
    """The cheapest way to move the mass a to b.

    The cost's gradient is that of the envelope theorem: the plan in `cost`, f in a and g in b (f and g are known up to
    a constant, so gradients in a and b are those along changes that keep the sums equal).

    Args:
        cost: C of shape (n, m), any finite numbers.
        a, b: masses (n,) and (m,), 0 or above, of equal sums; 1/n and 1/m by default.

    Raises:
        ValueError: shapes that do not fit, a negative mass, unequal sums, costs that are not finite.
    """
    (costs,) = of_one_dtype(cost)
    if costs.ndim != 2 or not costs.size:
        raise ValueError(f"transport: cost must have the shape (n, m), found {costs.shape}")
    a, b = masses("transport", costs, a, b)
    require("transport", "cost", costs, np.isfinite(np.asarray(costs)), "finite")
    plan, f, g = _solve(*(np.asarray(v, np.float64) for v in (costs, a, b)))
    dtype = costs.dtype
    parts = [Tensor(v.astype(dtype)).to(costs.device) for v in (plan, f, g)]
    value = ops.sum(parts[0] * costs)
    value = value + ops.sum(parts[1] * (a - stop_gradient(a))) + ops.sum(parts[2] * (b - stop_gradient(b)))
    return Transport(value, *parts)


def masses(who: str, cost: Tensor, a: ArrayLike | None, b: ArrayLike | None) -> tuple[Tensor, Tensor]:
    """a and b as tensors of the cost's dtype, uniform by default.

    Raises:
        ValueError: as `transport`.
    """
    made = []
    for name, given, count in (("a", a, cost.shape[0]), ("b", b, cost.shape[1])):
        value = np.full(count, 1 / count, cost.dtype) if given is None else given
        mass = of_one_dtype(cost, value)[1]
        if mass.shape != (count,):
            raise ValueError(
                f"{who}: {name} must have shape ({count},) beside a cost of {cost.shape}, found {mass.shape}"
            )
        require(who, name, mass, mass._data >= 0, "0 or above")
        made.append(mass)
    total_a, total_b = (float(ops.sum(m.detach()).item()) for m in made)
    tolerance = 1e-5 if cost.dtype == np.float32 else 1e-9
    if not total_a > 0 or abs(total_a - total_b) > tolerance * total_a:
        raise ValueError(f"{who}: a and b must have equal sums above 0, found {total_a:g} and {total_b:g}")
    return made[0], made[1]


def _solve(cost: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    plan = np.zeros_like(cost)
    f, g = cost.min(1), np.zeros(len(b))
    supply, demand = a.copy(), b * (a.sum() / b.sum())
    least = _ROUNDING * a.sum()
    while supply.max() > least and demand.max() > least:
        distance_row, distance_column, from_row, from_column, end = _shortest_path(
            cost - f[:, None] - g, plan > 0, supply > least, demand > least
        )
        length = distance_column[end]
        f -= np.minimum(distance_row, length)
        g += np.minimum(distance_column, length)
        _augment(plan, supply, demand, from_row, from_column, end)
    shift = f.max()  # of all pairs (f + c, g - c) one with f at most 0
    return plan, f - shift, g + shift


def _shortest_path(
    reduced: np.ndarray, used: np.ndarray, sources: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Dijkstra over rows and columns: any row to any column at its reduced cost, back along used cells for nothing."""
    reduced = np.maximum(reduced, 0.0)
    n, m = reduced.shape
    row, column = np.where(sources, 0.0, np.inf), np.full(m, np.inf)
    from_row, from_column = np.full(m, -1), np.full(n, -1)  # the row before a column, the column before a row
    open_row, open_column = np.ones(n, bool), np.ones(m, bool)
    while True:
        i = int(np.argmin(np.where(open_row, row, np.inf)))
        j = int(np.argmin(np.where(open_column, column, np.inf)))
        at_row = row[i] if open_row[i] else np.inf
        at_column = column[j] if open_column[j] else np.inf
        if at_column <= at_row:
            if targets[j]:
                return row, column, from_row, from_column, j
            open_column[j] = False
            better = used[:, j] & (at_column < row)
            row[better], from_column[better] = at_column, j
        else:
            open_row[i] = False
            better = at_row + reduced[i] < column
            column[better], from_row[better] = (at_row + reduced[i])[better], i


def _augment(
    plan: np.ndarray, supply: np.ndarray, demand: np.ndarray, from_row: np.ndarray, from_column: np.ndarray, end: int
) -> None:
    """Moves as much as the path into column `end` allows, in place."""
    forward, backward = [], []
    j = end
    while True:
        i = int(from_row[j])
        forward.append((i, j))
        if from_column[i] < 0:
            break
        j = int(from_column[i])
        backward.append((i, j))
    amount = min(supply[i], demand[end], *(plan[cell] for cell in backward))
    for cell in forward:
        plan[cell] += amount
    for cell in backward:
        plan[cell] -= amount
    supply[i] -= amount
    demand[end] -= amount

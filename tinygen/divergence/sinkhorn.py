"""Entropic transport in the log domain, and the debiased Sinkhorn divergence.

    OT_e(a, b) = min over plans P of <C, P> + e KL(P || a b^T)
               = max over f, g of <f, a> + <g, b> - e sum a_i b_j (exp((f_i + g_j - C_ij)/e) - 1)
    S_e(x, y)  = OT_e(x, y) - OT_e(x, x)/2 - OT_e(y, y)/2              (Feydy et al. 2019, equation 3)

by alternating maximisation over f and g (Cuturi 2013), with e lowered in steps on the way. The plan is
P = a b^T exp((f + g - C)/e). Gradients: that of the value is the envelope formula (P in C, f in a, g in b); that of the
plan solves the linearised marginal conditions, so every order exists. Held by tests/divergence/test_sinkhorn.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen import ops
from tinygen.autodiff.primitive import Kept, joint, primitive
from tinygen.distributions.parameters import of_one_dtype
from tinygen.divergence.distances import point_sets, squared_distances
from tinygen.divergence.transport import masses
from tinygen.kernels.array_module import quiet, xp
from tinygen.ops import linalg
from tinygen.tensor import ArrayLike, Tensor

Cost = Callable[[Tensor, Tensor], Tensor]

_NEWTON_SIZE = 512  # rows up to which a linear system of that size is solved now and then


def sinkhorn_divergence(
    x: ArrayLike,
    y: ArrayLike,
    epsilon: float,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    cost: Cost = squared_distances,
    tolerance: float = 1e-6,
    max_steps: int = 10_000,
) -> Tensor:
    """S_e between points x with masses a and points y with masses b: 0 for equal laws, above 0 for others.

    Args:
        x, y: (n, d) and (m, d).
        epsilon: the strength e of the entropy, in units of the cost; exact transport as it falls to 0.
        a, b: masses of sum 1, all above 0; 1/n and 1/m by default.
        cost: of all pairs of points, `squared_distances` or `distances`.
        tolerance, max_steps: as `entropic_cost`.

    Raises:
        ValueError: as `entropic_cost`, or points that do not fit together.
    """
    x, y = point_sets("sinkhorn_divergence", x, y)
    settings = (epsilon, tolerance, max_steps)
    between = entropic_cost(cost(x, y), a, b, *settings)
    return between - 0.5 * (entropic_cost(cost(x, x), a, a, *settings) + entropic_cost(cost(y, y), b, b, *settings))


def entropic_cost(
    cost: ArrayLike,
    a: ArrayLike | None,
    b: ArrayLike | None,
    epsilon: float,
    tolerance: float = 1e-6,
    max_steps: int = 10_000,
) -> Tensor:
    """OT_e, a scalar. In a and b the gradient is that along changes that keep the sums.

    Args:
        cost: C, (n, m).
        a, b: masses of equal sums, all above 0; uniform when None.
        epsilon: e, above 0.
        tolerance: on the sum of the errors of the plan's row sums.
        max_steps: how many updates of (f, g) may be spent on it.

    Raises:
        ValueError: an argument outside its domain, or row sums still off by more than `tolerance` at the end.
    """
    return _cost(*_checked(cost, a, b, epsilon), epsilon, tolerance, max_steps)


def entropic_plan(
    cost: ArrayLike,
    a: ArrayLike | None,
    b: ArrayLike | None,
    epsilon: float,
    tolerance: float = 1e-6,
    max_steps: int = 10_000,
) -> Tensor:
    """The best plan P, (n, m). Arguments and errors as `entropic_cost`."""
    return ops.exp(_log_plan(*_checked(cost, a, b, epsilon), epsilon, tolerance, max_steps))


def _checked(cost: ArrayLike, a: Any, b: Any, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    (costs,) = of_one_dtype(cost)
    if not 0 < epsilon < float("inf"):
        raise ValueError(f"entropic transport: epsilon must be finite and above 0, found {epsilon}")
    if costs.ndim != 2 or not costs.size:
        raise ValueError(f"entropic transport: cost must have the shape (n, m), found {costs.shape}")
    first, second = masses("entropic transport", costs, a, b)
    if not ((first._data > 0).all() and (second._data > 0).all()):
        raise ValueError("entropic transport: every mass must be above 0; leave out the points that have none")
    return costs, first, second


def _cost_vjp(g: Tensor, cost: Tensor, a: Tensor, b: Tensor, epsilon: float, log_plan: Any) -> Any:
    log_plan = _log_plan(cost, a, b, epsilon, known=log_plan)
    # The potentials, up to a constant: f_i + g_j = C_ij + e log(P_ij / a_i b_j).
    both = cost + epsilon * (log_plan - ops.log(ops.expand_dims(a, 1)) - ops.log(b))
    return g * ops.exp(log_plan), g * ops.mean(both, 1), g * ops.mean(both, 0)


@primitive(joint(_cost_vjp, "cost", "a", "b"), name="entropic_cost")
def _cost(cost: Any, a: Any, b: Any, epsilon: float, tolerance: float, max_steps: int) -> Any:
    f, g, log_plan = _potentials(cost, a, b, epsilon, tolerance, max_steps)
    value = f @ a + g @ b  # with exact column sums the third term is 0
    return Kept(xp(cost).asarray(value, dtype=cost.dtype), log_plan=log_plan.astype(cost.dtype))


def _log_plan_vjp(g: Tensor, y: Tensor, a: Tensor, b: Tensor, epsilon: float) -> Any:
    """d log P = u_i + v_j - dC_ij/e, u and v such that the plan's sums change by da and db; here the transpose."""
    plan = ops.exp(y)
    n, m = plan.shape
    # [diag(P 1)  P; P^T  diag(P^T 1)] (u, v) = (g 1, g^T 1), v's last entry fixed at 0.
    eye_n, eye_m = (Tensor(xp(y._data).eye(k, dtype=y.dtype)) for k in (n, m))
    top = ops.concat([ops.expand_dims(ops.sum(plan, 1), 1) * eye_n, plan[:, :-1]], axis=1)
    bottom = ops.concat([plan.mT, ops.expand_dims(ops.sum(plan, 0), 1) * eye_m], axis=1)[:-1, :-1]
    sums = ops.concat([ops.sum(g, 1), ops.sum(g, 0)[:-1]])
    solved = linalg.solve(ops.concat([top, bottom]), sums)
    u, v = solved[:n], ops.concat([solved[n:], ops.zeros_like(solved[:1])])
    return ((ops.expand_dims(u, 1) + v) * plan - g) / epsilon, u, v


@primitive(joint(_log_plan_vjp, "cost", "a", "b"), name="entropic_plan")
def _log_plan(
    cost: Any, a: Any, b: Any, epsilon: float, tolerance: float = 0.0, max_steps: int = 0, known: Any = None
) -> Any:
    if known is not None:
        return known
    return _potentials(cost, a, b, epsilon, tolerance, max_steps)[2].astype(cost.dtype)


@quiet
def _potentials(cost: Any, a: Any, b: Any, epsilon: float, tolerance: float, max_steps: int) -> tuple[Any, Any, Any]:
    """f, g and log P, in float64; the columns' sums are exact, the rows' to the tolerance.

    Alternating updates, and Newton's method on the dual as a function of f alone (its Hessian is
    -(diag(r) - P diag(1/b) P^T)/e, r the row sums) where that is small enough to factorise: updates alone need a number
    of steps that grows with 1/e.
    """
    module = xp(cost)
    cost, a, b = (v.astype(np.float64) for v in (cost, a, b))
    log_a, log_b = module.log(a), module.log(b)

    def best_f(g: Any, e: float) -> Any:
        return -e * _log_sum_exp((g - cost) / e + log_b, 1)

    def best_g(f: Any, e: float) -> Any:
        return -e * _log_sum_exp((f[:, None] - cost) / e + log_a[:, None], 0)

    g = module.zeros_like(b)
    e = max(float(module.abs(cost).max()), epsilon)
    while e > epsilon:
        g = best_g(best_f(g, e), e)
        e *= 0.7
    error = float("inf")
    for step in range(max_steps):
        f = best_f(g, epsilon)
        g = best_g(f, epsilon)
        log_plan = (f[:, None] + g - cost) / epsilon + log_a[:, None] + log_b
        plan = module.exp(log_plan)
        missing = a - plan.sum(1)
        error = float(module.abs(missing).sum())
        if error <= tolerance:
            return f, g, log_plan
        if step % 10 == 9 and len(a) <= _NEWTON_SIZE:
            hessian = module.diag(plan.sum(1)) - (plan / b) @ plan.T + a.sum() / len(a) ** 2
            ridge = 1e-13 * module.diag(a)  # parts that exchange no mass to rounding leave it singular
            direction = epsilon * module.linalg.solve(hessian + ridge, missing)
            value, length = f @ a + g @ b, 1.0
            while length > 1e-3:
                there = f + length * direction
                back = best_g(there, epsilon)
                if there @ a + back @ b >= value + 1e-4 * length * (missing @ direction):
                    g = back
                    break
                length *= 0.5
    raise ValueError(
        f"entropic transport: row sums are off by {error:.2g} after {max_steps} steps, more than {tolerance:g}: "
        f"raise epsilon ({epsilon:g}), tolerance or max_steps"
    )


def _log_sum_exp(x: Any, axis: int) -> Any:
    top = x.max(axis=axis, keepdims=True)
    return (top + xp(x).log(xp(x).exp(x - top).sum(axis=axis, keepdims=True))).squeeze(axis)

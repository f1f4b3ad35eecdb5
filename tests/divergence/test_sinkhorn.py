"""Entropic transport: its limits, its envelope gradient, and the debiased divergence."""

import numpy as np
import pytest
import scipy.optimize
import scipy.special

import tinygen as tg
from tinygen.divergence import (
    distances,
    entropic_cost,
    entropic_plan,
    sinkhorn_divergence,
    squared_distances,
    transport,
)
from tinygen.testing import gradcheck

_rng = np.random.default_rng(0)
X, Y = _rng.normal(size=(6, 2)), _rng.normal(size=(5, 2)) + 0.5
A, B = _rng.dirichlet(np.full(6, 3.0)), _rng.dirichlet(np.full(5, 3.0))
COST = squared_distances(X, Y).numpy()
TIGHT = {"tolerance": 1e-13, "max_steps": 20_000}


def kl(plan):
    product = A[:, None] * B
    return (plan * np.log(plan / product)).sum()


def test_the_plan_has_its_marginals_and_the_value_is_the_primals():
    plan = entropic_plan(COST, A, B, 0.5, **TIGHT).numpy()
    np.testing.assert_allclose(plan.sum(1), A, rtol=1e-12)
    np.testing.assert_allclose(plan.sum(0), B, rtol=1e-12)
    primal = (plan * COST).sum() + 0.5 * kl(plan)
    assert entropic_cost(COST, A, B, 0.5, **TIGHT).item() == pytest.approx(primal, rel=1e-12)


def test_the_value_is_the_best_dual_found_numerically():
    def negative_dual(v):
        f, g = v[:6], v[6:]
        return -(f @ A + g @ B - 0.5 * (A[:, None] * B * np.expm1((f[:, None] + g - COST) / 0.5)).sum())

    found = scipy.optimize.minimize(negative_dual, np.zeros(11), method="BFGS", options={"gtol": 1e-9})
    assert entropic_cost(COST, A, B, 0.5, **TIGHT).item() == pytest.approx(-found.fun, rel=1e-9)


def test_towards_no_entropy_it_is_exact_transport():
    """The excess lies between 0 and e H(plan), H the entropy of the exact plan, at most log(n m)."""
    exact = transport(COST, A, B).cost.item()
    excess = [entropic_cost(COST, A, B, e, 1e-10).item() - exact for e in (1.0, 0.1, 0.01)]
    assert excess[0] > excess[1] > excess[2] > 0
    for e, gap in zip((1.0, 0.1, 0.01), excess):
        assert gap <= e * np.log(30)
    points = _rng.permutation(np.linspace(-2, 2, 8))[:, None]
    others = np.linspace(-1, 3, 8)[:, None] ** 3 / 4
    cost = squared_distances(points, others).numpy()
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    plan = entropic_plan(cost, None, None, 5e-4, 1e-11).numpy()
    np.testing.assert_array_equal(plan.argmax(1), columns)
    near = (plan * cost).sum()
    assert near == pytest.approx(cost[rows, columns].mean(), rel=1e-9)


def test_towards_all_entropy_it_is_the_product_plan():
    plan = entropic_plan(COST, A, B, 1e7, **TIGHT).numpy()
    np.testing.assert_allclose(plan, A[:, None] * B, rtol=1e-5)
    assert entropic_cost(COST, A, B, 1e7, **TIGHT).item() == pytest.approx(A @ COST @ B, rel=1e-5)


def test_the_gradient_is_the_envelope_formula():
    cost = tg.tensor(COST, requires_grad=True)
    (in_cost,) = tg.grad(entropic_cost(cost, A, B, 0.5, **TIGHT), [cost])
    plan = entropic_plan(COST, A, B, 0.5, **TIGHT).numpy()
    np.testing.assert_array_equal(in_cost.numpy(), plan)
    x = tg.tensor(X, requires_grad=True)
    (in_x,) = tg.grad(entropic_cost(squared_distances(x, Y), A, B, 0.5, **TIGHT), [x])
    envelope = 2 * (plan.sum(1)[:, None] * X - plan @ Y)  # sum over j of P_ij grad |x_i - y_j|^2
    np.testing.assert_allclose(in_x.numpy(), envelope, rtol=1e-11, atol=1e-13)


def test_gradients_of_every_argument_and_of_the_plan():
    masses = lambda v: tg.softmax(v, -1)
    u, v = np.log(A), np.log(B)
    cost = lambda c, s, t: entropic_cost(c, masses(s), masses(t), 0.7, 1e-14, 20_000)
    plan = lambda c, s, t: entropic_plan(c, masses(s), masses(t), 0.7, 1e-14, 20_000)
    assert gradcheck(cost, COST[:3, :4], u[:3], v[:4], order=2)
    assert gradcheck(plan, COST[:3, :4], u[:3], v[:4], order=2)


def test_gradients_in_the_masses_where_the_plan_underflows():
    """At e = 1e-3 most cells hold exp(-1000): the potentials come from the logarithms, and are those of the program."""
    a = tg.tensor(A, requires_grad=True)
    (slope,) = tg.grad(entropic_cost(COST, a, B, 1e-3, 1e-11), [a])
    assert (entropic_plan(COST, A, B, 1e-3, 1e-11).numpy() == 0).any()
    direction = np.array([1.0, -1.0, 0.5, -0.5, 0.2, -0.2]) * 1e-5
    moved = lambda s: entropic_cost(COST, A + s * direction, B, 1e-3, 1e-12).item()
    assert slope.numpy() @ direction == pytest.approx((moved(1) - moved(-1)) / 2, rel=1e-5)


@pytest.mark.parametrize("cost", [squared_distances, distances], ids=["squared", "distance"])
def test_the_divergence_is_zero_for_equal_laws_and_only_for_them(cost):
    order = _rng.permutation(6)
    same = sinkhorn_divergence(X, X[order], 0.3, A, A[order], cost, 1e-12)
    assert same.item() == pytest.approx(0, abs=1e-10)
    for shift in (0.05, 0.5, 2.0):
        assert sinkhorn_divergence(X, X + shift, 0.3, A, A, cost, 1e-12).item() > 1e-4
    assert sinkhorn_divergence(X, X, 0.3, A, A[::-1].copy(), cost, 1e-12).item() > 1e-3


def test_a_shift_costs_its_square_whatever_the_entropy():
    """With the squared distance, S_e of a law and its translate is |shift|^2: the bias cancels exactly."""
    shift = np.array([0.7, -0.4])
    for e in (0.3, 3.0, 30.0):
        value = sinkhorn_divergence(X, X + shift, e, A, A, tolerance=1e-13).item()
        assert value == pytest.approx(shift @ shift, rel=1e-9)


def test_descent_on_the_divergence_moves_points_onto_the_target():
    """Its minimum is the target; the entropic cost's own minimum is not (it shrinks): the reason to debias."""
    x = tg.tensor(X, requires_grad=True)
    (still,) = tg.grad(sinkhorn_divergence(x, X, 0.5, A, A, tolerance=1e-12), [x])
    np.testing.assert_allclose(still.numpy(), 0, atol=1e-9)
    (biased,) = tg.grad(entropic_cost(squared_distances(x, X), A, A, 0.5, 1e-12), [x])
    assert np.abs(biased.numpy()).max() > 1e-2
    assert gradcheck(lambda u: sinkhorn_divergence(u, Y, 0.7, tolerance=1e-14), X[:4])


def test_large_costs_do_not_overflow_and_single_precision_works():
    value = entropic_cost(COST * 1e4 + 1e5, A, B, 1e3, 1e-9).item()
    assert value == pytest.approx(1e4 * entropic_cost(COST, A, B, 0.1, 1e-9).item() + 1e5, rel=1e-9)
    single = sinkhorn_divergence(X.astype(np.float32), Y.astype(np.float32), 0.5)
    assert single.dtype == np.float32
    assert single.item() == pytest.approx(sinkhorn_divergence(X, Y, 0.5).item(), rel=1e-4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: entropic_cost(COST, A, B, 0.0), "epsilon must be finite and above 0, found 0.0"),
        (lambda: entropic_cost(COST[0], A, B, 1.0), r"cost must have the shape \(n, m\), found \(5,\)"),
        (lambda: entropic_cost(COST, np.eye(6)[0], B, 1.0), "every mass must be above 0; leave out the points"),
        (lambda: entropic_cost(COST, A, B, 1e-4, 1e-12, 5), r"row sums are off by .* after 5 steps, more than 1e-12"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message):
        call()

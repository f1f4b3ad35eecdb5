"""Exact transport: the plan and the potentials prove each other optimal; SciPy's linear program agrees (CHECKS 26)."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.divergence import transport
from tinygen.testing import gradcheck


def problem(seed, n, m, ties=False):
    rng = np.random.default_rng(seed)
    cost = rng.integers(0, 4, (n, m)).astype(float) if ties else rng.normal(size=(n, m))
    a = rng.dirichlet(np.full(n, 0.7))
    b = rng.dirichlet(np.full(m, 0.7))
    if ties and n == m:
        a = b = np.full(n, 1 / n)
    return cost, a, b


def by_linear_program(cost, a, b):
    n, m = cost.shape
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    equal = np.concatenate([rows, columns])
    return scipy.optimize.linprog(cost.ravel(), A_eq=equal, b_eq=np.concatenate([a, b])).fun


@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 7), st.booleans())
def test_primal_equals_dual_equals_the_linear_program(seed, n, m, ties):
    cost, a, b = problem(seed, n, m, ties)
    found = transport(cost, a, b)
    plan, f, g = (v.numpy() for v in found[1:])
    assert (plan >= 0).all()
    np.testing.assert_allclose(plan.sum(1), a, atol=1e-11)
    np.testing.assert_allclose(plan.sum(0), b, atol=1e-11)
    assert (f[:, None] + g <= cost + 1e-12).all()  # a feasible dual
    assert f @ a + g @ b == pytest.approx(found.cost.item(), abs=1e-11)  # of the same value
    assert found.cost.item() == pytest.approx(by_linear_program(cost, a, b), abs=1e-9)


def test_equal_masses_are_the_assignment_problem():
    cost = np.random.default_rng(1).uniform(size=(30, 30))
    rows, columns = scipy.optimize.linear_sum_assignment(cost)
    found = transport(cost)
    assert found.cost.item() == pytest.approx(cost[rows, columns].mean(), rel=1e-12)
    np.testing.assert_array_equal(found.plan.numpy().argmax(1), columns)


def test_the_potential_of_a_metric_cost_is_a_lipschitz_critic():
    """W1 = max of E_p D - E_q D over 1-Lipschitz D (Kantorovich and Rubinstein): f on the common support is one."""
    points = np.random.default_rng(3).normal(size=(7, 2))
    metric = np.linalg.norm(points[:, None] - points, axis=-1)
    a, b = np.random.default_rng(4).dirichlet(np.ones(7), 2)
    found = transport(metric, a, b)
    critic = (metric - found.g.numpy()).min(1)  # the c-transform: equal to f where mass is, 1-Lipschitz everywhere
    assert (np.abs(critic[:, None] - critic) <= metric + 1e-12).all()
    assert critic @ a - critic @ b == pytest.approx(found.cost.item(), rel=1e-11)


def test_gradients_are_those_of_the_envelope():
    cost, a, b = problem(5, 4, 5)
    assert gradcheck(lambda c: transport(c, a, b).cost, cost)
    c = tg.tensor(cost, requires_grad=True)
    (gradient,) = tg.grad(transport(c, a, b).cost, [c])
    np.testing.assert_array_equal(gradient.numpy(), transport(cost, a, b).plan.numpy())
    direction = np.array([1.0, -1.0, 0.5, -0.5]) * 1e-5
    moved = lambda s: transport(cost, a + s * direction, b).cost.item()
    mass = tg.tensor(a, requires_grad=True)
    (slope,) = tg.grad(transport(cost, mass, b).cost, [mass])
    assert slope.numpy() @ direction == pytest.approx((moved(1) - moved(-1)) / 2, rel=1e-8)


def test_masses_of_zero_and_single_precision():
    cost, a, b = problem(6, 3, 4)
    a[0], b[2] = 0, 0
    a, b = a / a.sum(), b / b.sum()
    assert transport(cost, a, b).cost.item() == pytest.approx(by_linear_program(cost, a, b), abs=1e-9)
    single = transport(cost.astype(np.float32), a.astype(np.float32), b.astype(np.float32))
    assert single.cost.dtype == single.plan.dtype == np.float32
    assert single.cost.item() == pytest.approx(by_linear_program(cost, a, b), abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(3),), r"transport: cost must have the shape \(n, m\), found \(3,\)"),
        ((np.zeros((2, 2)), np.ones(3)), r"a must have shape \(2,\) beside a cost of \(2, 2\), found \(3,\)"),
        ((np.zeros((2, 2)), np.ones(2), np.ones(2) * 0.5), "equal sums above 0, found 2 and 1"),
        ((np.zeros((2, 2)), np.array([1.5, -0.5])), "a must be 0 or above, found -0.5"),
        ((np.full((2, 2), np.nan),), "cost must be finite, found nan"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        transport(*arguments)

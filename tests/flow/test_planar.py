"""The planar flow is invertible whatever its parameters: w.u_hat = m(w.u) > -1 (Rezende and Mohamed 2015, A.1)."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.checks.flow.cases import shaken
from tinygen.flow.planar import Planar
from tinygen.random import Generator
from tinygen.testing import check_inverse, gradcheck

anything = {"size": st.integers(1, 4), "seed": st.integers(0, 99), "by": st.sampled_from([0.1, 1.0, 3.0])}


def wild(size, seed, by):
    return shaken(Planar(size, rng=Generator(seed)).to("float64"), Generator(seed + 1), by)


@given(**anything)
def test_the_constraint_of_the_appendix(size, seed, by):
    flow = wild(size, seed, by)
    w, u, u_hat = (np.asarray(v) for v in (flow.w, flow.u, flow.u_hat))
    np.testing.assert_allclose(w @ u_hat, -1 + np.logaddexp(0, w @ u), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose((u_hat - u) * (w @ w), (w @ (u_hat - u)) * w, atol=1e-9)  # moved along w alone


@given(**anything)
def test_it_is_inverted_even_where_it_is_steep(size, seed, by):
    x = 3 * np.random.default_rng(seed).normal(size=(20, size))
    assert check_inverse(wild(size, seed, by), x, atol=1e-6 if by == 3.0 else 1e-9)


def test_gradients_go_through_the_root_that_the_inverse_finds():
    flow = wild(3, 0, 0.5)
    names = [name for name, _ in flow.named_parameters()]

    def of_parameters(y, *values):
        twin = wild(3, 0, 0.5)
        for name, value in zip(names, values):
            setattr(twin, name, value)
        return twin.inverse(y)

    y = np.random.default_rng(1).normal(size=(4, 3))
    assert gradcheck(of_parameters, y, *(np.array(p) for p in flow.parameters()))


def test_a_planar_flow_moves_points_along_one_direction_only():
    flow = wild(3, 5, 0.5)
    x = tg.tensor(np.random.default_rng(0).normal(size=(10, 3)))
    moved = np.asarray(flow(x)[0]) - np.asarray(x)
    assert np.linalg.matrix_rank(moved, tol=1e-9) == 1

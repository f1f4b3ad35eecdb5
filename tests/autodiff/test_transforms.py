"""vjp, jvp, jacobian, hessian, hvp: closed forms, and each inside another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.autodiff.transforms import value_and_divergence

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 4))
S = RNG.normal(size=(4, 4))
X = RNG.normal(size=4)
V = RNG.normal(size=4)


def quadratic(x):
    return 0.5 * (x * (tg.matmul(S, x))).sum()


def cubic(x):
    """f(x) = sum_ij A_ij x_j^3 / 6 + (sum x)^3 / 6."""
    return tg.matmul(A, x**3).sum() / 6.0 + x.sum() ** 3 / 6.0


def test_vjp_and_jvp_of_a_linear_map_are_its_transpose_and_itself():
    y, pullback = tg.vjp(lambda x: tg.matmul(A, x), X)
    g = RNG.normal(size=3)
    np.testing.assert_allclose(y, A @ X)
    np.testing.assert_allclose(pullback(g)[0], A.T @ g)
    y, tangent = tg.jvp(lambda x: tg.matmul(A, x), [X], [V])
    np.testing.assert_allclose(tangent, A @ V)


def test_a_pullback_can_be_called_again():
    _, pullback = tg.vjp(tg.sin, X)
    np.testing.assert_allclose(pullback(np.ones(4))[0], np.cos(X))
    np.testing.assert_allclose(pullback(2 * np.ones(4))[0], 2 * np.cos(X))


@given(st.integers(0, 1000))
def test_jvp_and_vjp_are_adjoint(seed):
    rng = np.random.default_rng(seed)
    x, z, v, w, g = (rng.normal(size=4) for _ in range(5))
    fn = lambda x, z: tg.tanh(tg.matmul(S, x)) * z + tg.exp(-z * z)
    _, tangent = tg.jvp(fn, [x, z], [v, w])
    _, pullback = tg.vjp(fn, x, z)
    gx, gz = pullback(g)
    np.testing.assert_allclose((np.asarray(tangent) * g).sum(), (gx * v).sum().item() + (gz * w).sum().item())


def test_jacobian_shapes_and_values():
    jacobian = tg.jacobian(lambda x: tg.matmul(A, x) ** 2, X)
    assert jacobian.shape == (3, 4)
    np.testing.assert_allclose(jacobian, 2 * (A @ X)[:, None] * A)
    assert tg.jacobian(lambda x: x.reshape(2, 2) @ x.reshape(2, 2), X).shape == (2, 2, 4)
    assert tg.jacobian(lambda x: x.sum(), X).shape == (4,)


def test_jacobian_of_a_constant_function_is_0():
    assert np.asarray(tg.jacobian(lambda x: tg.tensor(np.ones(2)), X)).tolist() == np.zeros((2, 4)).tolist()


def test_hessian_of_a_quadratic_is_its_symmetric_part():
    np.testing.assert_allclose(tg.hessian(quadratic, X), 0.5 * (S + S.T))
    np.testing.assert_allclose(tg.hvp(quadratic, X, V), 0.5 * (S + S.T) @ V)


def test_hessian_of_a_cubic():
    expected = np.diag(A.sum(0) * X) + X.sum()
    np.testing.assert_allclose(tg.hessian(cubic, X), expected)
    np.testing.assert_allclose(tg.hvp(cubic, X, V), expected @ V)


def test_jacobian_of_jacobian_of_jacobian():
    third = tg.jacobian(lambda x: tg.jacobian(lambda x: tg.jacobian(cubic, x), x), X)
    expected = np.ones((4, 4, 4))
    expected[range(4), range(4), range(4)] += A.sum(0)
    np.testing.assert_allclose(third, expected)


def test_gradient_through_hvp_jvp_vjp_and_jacobian():
    """d/dx of each, by the third derivative of the cubic contracted with V."""
    x = tg.tensor(X, requires_grad=True)
    contracted = A.sum(0) * V + V.sum()
    (g,) = tg.grad(tg.hvp(cubic, x, V).sum(), x)
    np.testing.assert_allclose(g, A.sum(0) * V + 4 * V.sum())
    (g,) = tg.grad(tg.jvp(lambda x: tg.jacobian(cubic, x), [x], [V])[1][0], x)
    expected = np.full(4, V.sum())
    expected[0] = contracted[0]
    np.testing.assert_allclose(g, expected)
    (g,) = tg.grad(tg.vjp(lambda x: x**3, x)[1](V)[0].sum(), x)
    np.testing.assert_allclose(g, 6 * X * V)
    (g,) = tg.grad((tg.jacobian(lambda x: x**2, x) ** 2).sum(), x)
    np.testing.assert_allclose(g, 8 * X)


def test_gradients_reach_what_the_function_closes_over():
    w = tg.tensor(2.0, dtype="float64", requires_grad=True)
    for value in (
        tg.jvp(lambda x: w * x**2, [X], [V])[1],
        tg.vjp(lambda x: w * x**2, X)[1](V)[0],
        tg.hvp(lambda x: (w * x**3 / 3).sum(), X, V),
    ):
        (g,) = tg.grad(value.sum(), w)
        assert g.item() == pytest.approx(2 * (X * V).sum())
    y, _ = tg.jvp(lambda x: w * x, [X], [V])
    assert tg.grad(y.sum(), w)[0].item() == pytest.approx(X.sum())


def test_gradients_reach_tangents_and_cotangents():
    v = tg.tensor(V, requires_grad=True)
    np.testing.assert_allclose(tg.grad(tg.jvp(tg.sin, [X], [v])[1].sum(), v)[0], np.cos(X))
    np.testing.assert_allclose(tg.grad(tg.vjp(tg.sin, X)[1](v)[0].sum(), v)[0], np.cos(X))
    np.testing.assert_allclose(tg.grad(tg.hvp(cubic, X, v).sum(), v)[0], A.sum(0) * X + 4 * X.sum())


def test_a_derivative_is_in_the_argument_alone():
    """What the function closes over is held fixed, even where it was made from the same tensor."""
    x = tg.tensor(X, requires_grad=True)
    h = 2.0 * x
    np.testing.assert_allclose(tg.jacobian(lambda z: z * h, x), np.diag(2 * X))
    np.testing.assert_allclose(tg.jvp(lambda z: z * h * x, [x], [V])[1], 2 * X * X * V)
    np.testing.assert_allclose(tg.vjp(lambda z: z * h, x)[1](V)[0], 2 * X * V)
    np.testing.assert_allclose(tg.hvp(lambda z: (z * z * h).sum(), x, V), 4 * X * V)
    (g,) = tg.grad(tg.jvp(lambda z: z * h, [x], [V])[1].sum(), x)  # the gradient outside sees both
    np.testing.assert_allclose(g, 2 * V)


def test_what_depends_on_nothing_recorded_is_handed_out_bare():
    y, pullback = tg.vjp(tg.sin, X)
    assert not y.requires_grad
    assert not pullback(V)[0].requires_grad
    assert not tg.hessian(cubic, X).requires_grad
    with tg.no_grad():
        assert not tg.jacobian(tg.sin, tg.tensor(X, requires_grad=True)).requires_grad
        np.testing.assert_allclose(tg.jacobian(tg.sin, X), np.diag(np.cos(X)))


def test_the_arguments_keep_their_own_gradients():
    x = tg.tensor(X, requires_grad=True)
    tg.jacobian(tg.sin, x)
    tg.hvp(cubic, x, V)
    assert x.grad is None


def test_stop_gradient_is_a_constant_of_the_same_value():
    x = tg.tensor(X, requires_grad=True)
    (g,) = tg.grad((x * tg.stop_gradient(x)).sum(), x)
    np.testing.assert_allclose(g, X)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tg.jvp(tg.sin, [X], []), "sequence"),
        (lambda: tg.jvp(tg.sin, [X], [V[:3]]), r"tangent 0 has shape \(3,\), its argument has \(4,\)"),
        (lambda: tg.hvp(cubic, X, V[:3]), r"v has shape \(3,\), x has \(4,\)"),
        (lambda: tg.hvp(tg.sin, X, V), "one value"),
        (lambda: tg.hessian(tg.sin, X), "one value"),
    ],
)
def test_shapes_that_do_not_fit(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_argument_of_a_pullback_that_changed_in_between():
    x = X.copy()
    _, pullback = tg.vjp(lambda x: x * x, x)
    x[0] = 100.0
    with pytest.raises(tg.MutationError):
        pullback(np.ones(4))


def test_the_divergence_of_a_field_is_the_trace_of_its_jacobian():
    """x_i^3 + x_i w_i sum(x): its divergence is 3 |x|^2 + sum_i w_i (sum(x) + x_i), for examples of any shape."""
    x, w = RNG.normal(size=(3, 2, 2)), tg.tensor(RNG.normal(size=(2, 2)), requires_grad=True)
    field = lambda z: z**3 + z * w * z.sum(axis=(1, 2), keepdims=True)
    y, divergence = value_and_divergence(field, x)
    total = x.sum((1, 2))
    weights = np.asarray(w)
    np.testing.assert_allclose(y.detach(), x**3 + x * weights * total[:, None, None])
    exact = (3 * x**2 + weights * (total[:, None, None] + x)).sum((1, 2))
    np.testing.assert_allclose(divergence.detach(), exact)
    (g,) = tg.grad(divergence.sum(), w)
    np.testing.assert_allclose(g, (total[:, None, None] + x).sum(0))
    with tg.no_grad():
        assert not any(t.requires_grad for t in value_and_divergence(field, x))
    with pytest.raises(ValueError, match=r"field of x's shape \(3, 2, 2\)"):
        value_and_divergence(lambda z: z.sum(axis=2), x)

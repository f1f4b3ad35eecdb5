"""The complex step in `gradcheck`: exact where it applies, and never trusted where the function is not analytic."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.nn import functional as F
from tinygen.testing import gradcheck

X = np.random.default_rng(0).normal(size=(3, 3))
TO_ROUNDING = {"rtol": 1e-13, "atol": 1e-13}

ANALYTIC = {
    "a composition": lambda x: tg.exp(tg.sin(x)) / (2 + tg.cos(x)),
    "products": lambda x: (x @ x).sum(0) * x[0],
    "logarithms": lambda x: tg.log(1 + x**2) + tg.sqrt(3 + x),
    "branches": lambda x: tg.where(x > 0, tg.tanh(x), x**3),
    "a rectifier": tg.relu,
    "the greatest": lambda x: tg.maximum(x, 0.1).max(),
    "logsumexp": lambda x: tg.logsumexp(x, 0),
}
NOT_ANALYTIC = {"abs": tg.abs, "a sign": lambda x: tg.sign(x) * x**2, "a modulus inside": lambda x: tg.exp(-tg.abs(x))}
NOT_ON_COMPLEX_NUMBERS = {
    "fused": F.silu,
    "rounding": lambda x: tg.floor(x) + x**2,
    "arctan2": lambda x: tg.atan2(x, 1 + x**2),
}


@pytest.mark.parametrize("name", ANALYTIC)
def test_it_is_exact_to_rounding(name):
    assert gradcheck(ANALYTIC[name], X, method="complex", **TO_ROUNDING)


def test_differences_are_not():
    """They lose the digits that the values at x + h and x - h share."""
    raised = lambda x: 1e4 + tg.exp(tg.sin(x))
    assert gradcheck(raised, X, method="complex", **TO_ROUNDING)
    with pytest.raises(AssertionError, match="by central differences"):
        gradcheck(raised, X, method="central", rtol=1e-10, atol=1e-10)


def test_a_derivative_wrong_in_the_ninth_digit_is_found():
    """Differences cannot tell it from their own error."""
    sine = tg.primitive(x=lambda g, x: (1 + 1e-9) * g * tg.cos(x))(lambda x: np.sin(x))
    assert gradcheck(sine, X, method="central")
    with pytest.raises(AssertionError, match="by the complex step"):
        gradcheck(sine, X)


@pytest.mark.parametrize("fn", [*NOT_ANALYTIC.values(), *NOT_ON_COMPLEX_NUMBERS.values()])
def test_where_it_does_not_apply_differences_take_its_place(fn):
    assert gradcheck(fn, X)
    with pytest.raises(AssertionError, match="by central differences"):
        gradcheck(fn, X, rtol=0.0, atol=1e-300)


@pytest.mark.parametrize("fn", NOT_ANALYTIC.values())
def test_insisting_on_it_says_that_the_function_is_not_analytic(fn):
    with pytest.raises(
        ValueError, match=r"order 1 in input 0: the function is not analytic: .* by central differences"
    ):
        gradcheck(fn, X, method="complex")


@pytest.mark.parametrize("fn", NOT_ON_COMPLEX_NUMBERS.values())
def test_insisting_on_it_says_what_the_function_says(fn):
    with pytest.raises(ValueError, match=r"complex step does not apply to .*: (TypeError|ComplexWarning): "):
        gradcheck(fn, X, method="complex")


def test_a_gradient_that_agrees_with_a_false_step_is_wrong():
    """The complex step of |x| is 0; so would be a vjp that forgets the sign altogether."""
    forgets = tg.primitive(x=lambda g, x: 0.0 * g)(lambda x: np.abs(x))
    with pytest.raises(AssertionError, match="by central differences"):
        gradcheck(forgets, X)


@pytest.mark.parametrize("fn", [tg.relu, lambda x: tg.maximum(x, x[::-1])])
def test_a_kink_is_one_by_either_method(fn):
    for method in ("auto", "complex", "central"):
        with pytest.raises(AssertionError, match="not differentiable at the point"):
            gradcheck(fn, np.zeros(3), method=method)


def test_higher_orders_are_by_differences():
    assert gradcheck(ANALYTIC["a composition"], X, order=2)
    with pytest.raises(ValueError, match='method="complex" is for order 1, not 2'):
        gradcheck(ANALYTIC["a composition"], X, order=2, method="complex")
    with pytest.raises(ValueError, match="method='both': it is one of auto, complex, central"):
        gradcheck(ANALYTIC["a composition"], X, method="both")

"""lgamma, digamma and polygamma against SciPy, and the identities that define them."""

import numpy as np
import pytest
import scipy.special

import tinygen as tg
from tinygen.ops.special import digamma, lgamma, polygamma

POINTS = np.concatenate([np.logspace(-8, 8, 400), np.linspace(0.5, 12, 400)])


def test_lgamma_is_scipys():
    np.testing.assert_allclose(lgamma(POINTS).numpy(), scipy.special.gammaln(POINTS), rtol=4e-15, atol=8e-15)


def test_digamma_is_scipys():
    np.testing.assert_allclose(digamma(POINTS).numpy(), scipy.special.digamma(POINTS), rtol=4e-15, atol=4e-15)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
def test_polygamma_is_scipys(n):
    points = POINTS[POINTS > 1e-4]
    np.testing.assert_allclose(polygamma(n, points).numpy(), scipy.special.polygamma(n, points), rtol=2e-14)


def test_recurrences():
    x = np.linspace(0.1, 20, 50)
    np.testing.assert_allclose((lgamma(x + 1) - lgamma(x)).numpy(), np.log(x), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose((digamma(x + 1) - digamma(x)).numpy(), 1 / x, rtol=1e-12)


def test_each_is_the_derivative_of_the_one_before():
    x = tg.tensor(np.linspace(0.2, 15, 30), requires_grad=True)
    values = [lgamma(x)]
    for _ in range(3):
        values += tg.grad(values[-1].sum(), x, create_graph=True)
    for order in range(3):
        np.testing.assert_allclose(
            values[order + 1].numpy(), scipy.special.polygamma(order, np.asarray(x)), rtol=1e-13, atol=1e-14
        )


def test_ends_of_the_domain():
    ends = np.array([0.0, np.inf, -0.5, np.nan])
    np.testing.assert_array_equal(lgamma(ends).numpy(), [np.inf, np.inf, np.nan, np.nan])
    np.testing.assert_array_equal(digamma(ends).numpy(), [-np.inf, np.inf, np.nan, np.nan])
    np.testing.assert_array_equal(polygamma(1, ends).numpy(), [np.inf, 0, np.nan, np.nan])


def test_single_precision_is_the_double_result_rounded():
    x = POINTS.astype(np.float32)
    for function in (lgamma, digamma, lambda v: polygamma(2, v)):
        np.testing.assert_array_equal(function(x).numpy(), function(x.astype(np.float64)).numpy().astype(np.float32))


def test_an_order_that_is_no_derivative_is_refused():
    with pytest.raises(ValueError, match="integer above 0, found 0; digamma is order 0"):
        polygamma(0, 1.0)

"""log|det| of a 1 x 1 convolution is H W log|det W|, at any size; the factors multiply to the matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.checks.flow.cases import shaken
from tinygen.flow.invertible_convolution import InvertibleConvolution, _plu
from tinygen.random import Generator


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_its_log_determinant_is_that_of_the_matrix_at_every_place(channels, height, width, seed):
    flow = shaken(InvertibleConvolution(channels, rng=Generator(seed)).to("float64"), Generator(seed + 1))
    x = tg.tensor(np.random.default_rng(seed).normal(size=(2, channels, height, width)))
    y, log_det = flow(x)
    weight = np.asarray(flow.weight)
    np.testing.assert_allclose(np.asarray(log_det), height * width * np.linalg.slogdet(weight)[1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.asarray(y), np.einsum("ij,njhw->nihw", weight, np.asarray(x)), atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_the_factors_multiply_to_the_matrix(n):
    a = np.random.default_rng(n).normal(size=(n, n))
    p, lower, upper = _plu(a)
    np.testing.assert_allclose(p @ lower @ upper, a, atol=1e-12)
    np.testing.assert_array_equal(np.triu(lower), np.eye(n))
    np.testing.assert_array_equal(np.tril(upper, -1), 0.0)

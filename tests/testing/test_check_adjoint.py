"""`check_adjoint` on transposes that are, and on the ways in which users get them wrong (CHECKS 38)."""

import re

import numpy as np
import pytest

import tinygen as tg
from tinygen.nn import functional as F
from tinygen.testing import check_adjoint

_rng = np.random.default_rng(0)
A = _rng.normal(size=(4, 3))
SQUARE = _rng.normal(size=(3, 3))
X = _rng.normal(size=3)
IMAGE = _rng.normal(size=(2, 3, 6, 6))
W = _rng.normal(size=(4, 3, 3, 3))


def convolution(x):
    return F.conv2d(x, tg.tensor(W), stride=2, padding=1)


def back(y, kernel=W, stride=2, padding=1, output_padding=1):
    """The transposed convolution as a user would write it."""
    return F.conv_transpose2d(y, tg.tensor(kernel), stride=stride, padding=padding, output_padding=output_padding)


def test_transposes_pass():
    assert check_adjoint(lambda x: A @ x, lambda y: A.T @ y, X)
    assert check_adjoint(convolution, back, IMAGE)
    assert check_adjoint(lambda x: tg.cumsum(x, 0), lambda y: tg.flip(tg.cumsum(tg.flip(y, 0), 0), 0), X)


def message(forward, adjoint, x):
    with pytest.raises(AssertionError) as found:
        check_adjoint(forward, adjoint, x)
    assert "\n" not in str(found.value)
    return str(found.value)


@pytest.mark.parametrize(
    ("adjoint", "said"),
    [
        (lambda y: -(A.T @ y), "; the sign is wrong"),
        (lambda y: 0.5 * (A.T @ y), "; it is 0.5 times the transpose"),
        (lambda y: np.linalg.pinv(A) @ y, "; adjoint(forward(x)) = x: this is the inverse, not the transpose"),
        (lambda y: 0.0 * (A.T @ y), "; adjoint gives 0 everywhere"),
        (lambda y: A.T @ y + 1.0, "adjoint(0) = 0 broken: it is 1 in one entry; a bias?"),
        (lambda y: (A.T @ y) ** 3, "adjoint(2 x) = 2 adjoint(x) broken: only linear maps have a transpose"),
        (lambda y: y, "adjoint gives shape (4,), x has (3,): they must be equal"),
    ],
)
def test_a_wrong_adjoint_is_named(adjoint, said):
    assert said in message(lambda x: A @ x, adjoint, X)


def test_a_matrix_that_was_not_transposed():
    said = message(lambda x: SQUARE @ x, lambda y: SQUARE @ y, X)
    assert said.startswith("<forward(x), y> = <x, adjoint(y)> broken: with 1 in entry")
    assert said.endswith("adjoint(y) = forward(y): the map itself, not transposed")


def test_a_convolution_with_a_bias_is_not_linear():
    biased = lambda x: F.conv2d(x, tg.tensor(W), tg.ones(4, dtype="float64"), stride=2, padding=1)
    assert message(biased, back, IMAGE).startswith("forward(0) = 0 broken: it is 1 in one entry; a bias?")


def test_the_counterexample_is_one_entry_of_each():
    """One weight of a convolution's adjoint is off: that weight's input and output are named."""
    wrong = W.copy()
    wrong[1, 2, 0, 0] += 1e-3
    said = message(convolution, lambda y: back(y, wrong), IMAGE)
    x, y = ([int(i) for i in place.split(", ")] for place in re.findall(r"\((\d+, \d+, \d+, \d+)\)", said))
    assert (x[0], x[1], y[1]) == (y[0], 2, 1)
    assert [2 * i - 1 for i in y[2:]] == x[2:]
    assert f"it is {W[1, 2, 0, 0]:.10g} and {wrong[1, 2, 0, 0]:.10g}" in said


@pytest.mark.parametrize("kernel", [W[:, :, ::-1, ::-1], W.swapaxes(2, 3)], ids=["flipped", "transposed"])
def test_a_kernel_the_wrong_way_round_is_found(kernel):
    assert "broken: with 1 in entry (" in message(convolution, lambda y: back(y, kernel.copy()), IMAGE)

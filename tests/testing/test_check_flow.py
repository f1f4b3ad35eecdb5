"""The public checks catch flows that are wrong in the ways that users write them, and say which way it was."""

import re

import numpy as np
import pytest

import tinygen as tg
from tinygen.testing import check_inverse, check_log_det

POINTS = np.random.default_rng(0).normal(size=(20, 3))
IMAGES = np.random.default_rng(0).normal(size=(3, 2, 2, 3))
W = np.array([[2.0, 0.5], [-0.3, 1.5]])


class Stretch:
    """y = sinh x: right, and its mistakes."""

    def __init__(self, log_det=lambda right: right.sum(axis=1), inverse_sign=-1.0, undo=1.0):
        self.log_det, self.inverse_sign, self.undo = log_det, inverse_sign, undo

    def forward(self, x):
        return tg.sinh(x), self.log_det(tg.log(tg.cosh(x)))

    def inverse(self, y):
        x = tg.asinh(y)
        return self.undo * x, self.inverse_sign * tg.log(tg.cosh(x)).sum(axis=1)


class Convolution:
    """A 1 x 1 convolution, which may forget how many places there are."""

    def __init__(self, places):
        self.places = places

    def forward(self, x):
        y = tg.einsum("ij,njhw->nihw", tg.tensor(W), x)
        return y, tg.zeros(x.shape[0], dtype="float64") + self.places * float(np.linalg.slogdet(W)[1])


class Planar:
    """A planar flow as users write it: w.u = -4, which u_hat must mend with the square of |w|."""

    w = np.array([0.5, -0.4, 0.2])

    def __init__(self, power, same_in_log_det=True):
        u = -4.0 * self.w / (self.w @ self.w)
        m = -1 + np.logaddexp(0, self.w @ u)
        self.u_hat = u + (m - self.w @ u) * self.w / np.linalg.norm(self.w) ** power
        self.slope = self.w @ self.u_hat if same_in_log_det else m

    def forward(self, x):
        ridge = tg.tanh(tg.matmul(x, self.w))
        return x + ridge.reshape(-1, 1) * self.u_hat, tg.log(tg.abs(1 + (1 - ridge**2) * float(self.slope)))


def message(check, flow, x, **options):
    with pytest.raises(AssertionError) as found:
        check(flow, x, **options)
    assert "\n" not in str(found.value)
    return str(found.value)


def test_right_flows_pass():
    assert check_log_det(Stretch(), POINTS)
    assert check_inverse(Stretch(), POINTS)
    assert check_log_det(Convolution(6), IMAGES)
    assert check_log_det(Planar(2), POINTS)


@pytest.mark.parametrize(
    ("log_det", "said"),
    [
        (lambda right: -right.sum(axis=1), "the sign is wrong"),
        (lambda right: right.mean(axis=1), "the mean over the entries of an example, not the sum"),
        (lambda right: tg.exp(right.sum(axis=1)), "it is |det dy/dx|, not its logarithm"),
        (lambda right: 0 * right.sum(axis=1), "left out, as if the map kept volume"),
        (lambda right: right, "log_det has shape (20, 3), should be (20,)"),
        (lambda right: right.sum(), "log_det has shape (), should be (20,)"),
        (lambda right: 0 * right.sum(axis=1) + right.sum(), "no example may see another"),
        (lambda right: right.sum(axis=1).astype("float32"), 'use flow.to("float64")'),
        (lambda right: right.sum(axis=1) + np.nan, "log_det = log|det dy/dx| broken"),
    ],
)
def test_a_wrong_log_determinant_is_named(log_det, said):
    assert said in message(check_log_det, Stretch(log_det), POINTS)


def test_the_missing_number_of_places_is_named():
    said = message(check_log_det, Convolution(1), IMAGES)
    assert "log_det = log|det dy/dx| broken" in said
    assert "the factor H W = 6 is missing: a 1x1 convolution has log_det = H W log|det W|" in said


@pytest.mark.parametrize("same_in_log_det", [True, False])
def test_the_missing_square_of_the_planar_flow_is_named(same_in_log_det):
    """|w| for |w|^2: consistent, the map folds and det changes sign; else the two determinants differ."""
    said = message(check_log_det, Planar(1, same_in_log_det), POINTS)
    assert "broken" in said
    assert "u_hat = u + (m(w.u) - w.u) w / |w|^2, with the square" in said


def test_a_map_that_folds_has_no_inverse():
    class Fold:
        def forward(self, x):
            return x * x, tg.log(tg.abs(2 * x)).sum(axis=1)

    assert "det dy/dx != 0 broken" in message(check_log_det, Fold(), POINTS)


def test_what_is_outside_the_domain_is_not_passed_over():
    class Log:
        def forward(self, x):
            return tg.log(x), -tg.log(x).sum(axis=1)

    assert check_log_det(Log(), np.abs(POINTS))
    with np.errstate(all="ignore"):
        assert "its Jacobian nan" in message(check_log_det, Log(), POINTS)


def test_the_counterexample_is_the_plainest_found():
    """The log-determinant is wrong wherever the first entry is not 0: the others are of no account."""
    flow = Stretch(lambda right: right.sum(axis=1) + right[:, 0])
    said = message(check_log_det, flow, POINTS)
    entries = re.search(r"at x = \[(.*?)\]", said)[1].split(", ")
    assert [float(e) for e in entries[1:]] == [0.0, 0.0]
    assert float(entries[0]) != 0.0
    assert len(entries[0]) <= 4


def test_an_inverse_that_does_not_come_back_is_shown():
    said = message(check_inverse, Stretch(undo=1.01), POINTS)
    assert said.startswith("inverse(forward(x)) = x broken: x = [")
    assert "comes back as" in said


def test_an_inverse_with_the_log_determinant_of_forward_is_named():
    said = message(check_inverse, Stretch(inverse_sign=1.0), POINTS)
    assert said.startswith("log|det dx/dy| = -log|det dy/dx| broken")
    assert "of the same sign" in said


def test_examples_are_needed():
    with pytest.raises(ValueError, match=r"examples \(N, ...\) are needed"):
        check_log_det(Stretch(), np.zeros(3))

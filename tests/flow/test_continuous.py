"""The continuous flow on examples of any shape, and its gradients; its closed forms are in tinygen.checks.flow."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.flow.continuous import ContinuousFlow


def test_every_entry_of_an_image_counts():
    """x' = a x multiplies C H W entries by e^(a T), so the log-determinant is C H W a T."""
    x = np.random.default_rng(0).normal(size=(3, 2, 2, 2))
    y, log_det = ContinuousFlow(lambda x, t: 0.5 * x, time=2.0, steps=40)(tg.tensor(x))
    np.testing.assert_allclose(y, np.e * x, rtol=1e-7)
    np.testing.assert_allclose(log_det, np.full(3, 8.0))


def test_gradients_in_the_field_are_those_of_the_exponential():
    """d/da of a path x e^(a T), plus the log-determinant D a T, is T x e^(a T) + D T."""
    a = tg.tensor(0.3, dtype="float64", requires_grad=True)
    y, log_det = ContinuousFlow(lambda x, t: a * x, time=1.0, steps=40)(tg.tensor([[1.0, -2.0]], dtype="float64"))
    (g,) = tg.grad(y.sum() + log_det.sum(), a)
    assert g.item() == pytest.approx(-np.exp(0.3) + 2, rel=1e-7)


def test_no_steps_are_refused():
    with pytest.raises(ValueError, match="steps is at least 1, not 0"):
        ContinuousFlow(lambda x, t: x, steps=0)

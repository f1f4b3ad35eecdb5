"""Kernel densities: they integrate to 1, stay finite in high dimension, and blur what they are made of."""

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from tinygen.density import KernelDensity
from tinygen.testing import check_normalised, check_score

_rng = np.random.default_rng(0)


def test_it_integrates_to_1_and_its_score_is_its_gradient():
    law = KernelDensity(_rng.normal(size=(20, 2)), 0.3)
    assert check_normalised(law.log_prob, [(-6, 6), (-6, 6)], tolerance=1e-9, per_axis=160)
    assert check_score(law.log_prob, law.score, _rng.normal(size=(4, 2)))


def test_in_high_dimension_nothing_underflows():
    """784 dimensions: log p is that of the nearest point's kernel, far below what exp can hold."""
    points = _rng.normal(size=(50, 784)) * 10
    law = KernelDensity(points, 0.1)
    x = points[:3] + 0.5
    expected = multivariate_normal(np.zeros(784), 0.01).logpdf(x - points[:3]) - math.log(50)
    np.testing.assert_allclose(law.log_prob(x).numpy(), expected, rtol=1e-12)
    assert (expected < -8000).all()


def test_rows_by_parts_are_rows_at_once(monkeypatch):
    points, x = _rng.normal(size=(7, 2)), _rng.normal(size=(3, 5, 2))
    whole = KernelDensity(points, 0.5).log_prob(x).numpy()
    monkeypatch.setattr("tinygen.density.kernel_density._HELD", 30)
    np.testing.assert_allclose(KernelDensity(points, 0.5).log_prob(x).numpy(), whole, rtol=1e-14)
    assert whole.shape == (3, 5)


@pytest.mark.parametrize("h", [1e-3, 0.05, 0.5, 3.0])
def test_leaving_one_out_is_the_density_of_all_others(h):
    x = _rng.normal(size=(12, 2))
    others = [KernelDensity(np.delete(x, n, 0), h).log_prob(x[n]).item() for n in range(12)]
    assert KernelDensity(x, h).leave_one_out() == pytest.approx(np.mean(others), rel=1e-9)


def test_leaving_one_out_chooses_neither_the_narrowest_nor_the_widest():
    x = _rng.normal(size=(100, 1))
    narrow, fit, wide = (KernelDensity(x, h).leave_one_out() for h in (0.02, 0.4, 3.0))
    assert fit > narrow
    assert fit > wide


def test_what_cannot_be_a_kernel_is_refused():
    with pytest.raises(ValueError, match="bandwidth must be above 0"):
        KernelDensity([[0.0]], 0.0)
    with pytest.raises(ValueError, match="two points at least"):
        KernelDensity([[0.0]], 1.0).leave_one_out()

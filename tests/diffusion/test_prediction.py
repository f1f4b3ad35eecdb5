"""Conversions of predictions invert, at any time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.diffusion.prediction import noise_from, noise_to
from tinygen.diffusion.schedule import linear
from tinygen.tensor import Tensor

KINDS = ("noise", "x0", "velocity", "score")
SCHEDULE = linear(1000)


@pytest.mark.parametrize("kind", KINDS)
@given(t=st.integers(1, 1000), seed=st.integers(0, 100))
def test_conversions_invert(kind, t, seed):
    rng = np.random.default_rng(seed)
    x_t, noise = Tensor(rng.normal(size=(4, 3))), Tensor(rng.normal(size=(4, 3)))
    time = Tensor(np.full(4, t))
    value = noise_to(kind, noise, SCHEDULE, x_t, time)
    np.testing.assert_allclose(
        np.asarray(noise_from(kind, value, SCHEDULE, x_t, time)), np.asarray(noise), rtol=1e-9, atol=1e-9
    )


def test_an_unknown_kind_is_named():
    x = Tensor(np.ones((1, 1)))
    with pytest.raises(ValueError, match="'eps'"):
        noise_from("eps", x, SCHEDULE, x, Tensor(np.array([1])))

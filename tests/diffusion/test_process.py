"""The forward process on batches; its formulas are held by tinygen.checks.diffusion."""

import numpy as np
import pytest

from tinygen.diffusion.process import q_sample
from tinygen.diffusion.schedule import SCHEDULES
from tinygen.tensor import Tensor


def test_each_example_has_its_own_time_whatever_the_shape():
    schedule = SCHEDULES["linear"](10)
    rng = np.random.default_rng(0)
    x, noise = Tensor(rng.normal(size=(3, 2, 4, 4))), Tensor(rng.normal(size=(3, 2, 4, 4)))
    t = Tensor(np.array([1, 5, 10]))
    together = np.asarray(q_sample(schedule, x, t, noise))
    for i in range(3):
        alone = q_sample(schedule, x[i : i + 1], t[i : i + 1], noise[i : i + 1])
        np.testing.assert_array_equal(together[i], np.asarray(alone)[0])


@pytest.mark.parametrize("time", [-1, 11])
def test_a_time_outside_the_schedule_is_named(time):
    x = Tensor(np.zeros((1, 2)))
    with pytest.raises(IndexError, match=f"time {time} is outside 0 to 10"):
        q_sample(SCHEDULES["linear"](10), x, Tensor(np.array([time])), x)

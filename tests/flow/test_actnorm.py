"""The first batch sets the scales; later batches change nothing by themselves."""

import numpy as np

import tinygen as tg
from tinygen.flow.actnorm import ActNorm


def batch(shape, seed=0):
    rng = np.random.default_rng(seed)
    channels = shape[1]
    stretch = rng.uniform(0.1, 9.0, (channels, *(1,) * (len(shape) - 2)))
    return tg.tensor(rng.normal(size=shape) * stretch + 10 * rng.normal(size=stretch.shape))


def test_only_the_first_batch_counts():
    flow = ActNorm(3).to("float64")
    flow(batch((50, 3)))
    before = {name: np.array(value) for name, value in flow.state_dict().items()}
    flow(batch((50, 3), seed=1))
    for name, value in flow.state_dict().items():
        np.testing.assert_array_equal(np.asarray(value), before[name])


def test_evaluation_starts_nothing():
    flow = ActNorm(3).to("float64").eval()
    x = batch((50, 3))
    np.testing.assert_array_equal(np.asarray(flow(x)[0]), np.asarray(x))


def test_a_flow_that_takes_over_a_state_does_not_start_again():
    first, second = ActNorm(3).to("float64"), ActNorm(3).to("float64")
    first(batch((50, 3)))
    second.load_state_dict(first.state_dict())
    x = batch((50, 3), seed=2)
    np.testing.assert_array_equal(np.asarray(second(x)[0]), np.asarray(first(x)[0]))


def test_a_constant_channel_stays_finite():
    y, log_det = ActNorm(2).to("float64")(tg.tensor(np.ones((4, 2))))
    assert np.isfinite(np.asarray(y)).all()
    assert np.isfinite(np.asarray(log_det)).all()

"""Running sums and products, and the states of linear steps: what the definitions say, along any axis of any layout."""

import numpy as np
import pytest

from tinygen.kernels.cpu import running as cpu
from tinygen.kernels.definitions import running as definition
from tinygen.kernels.definitions.arithmetic import LARGE

BACK = pytest.mark.parametrize("back", [False, True])
LARGE_ONES = pytest.mark.parametrize(
    ("shape", "order"),
    [
        ((131_073,), (0,)),
        ((300, 441), (0, 1)),
        ((300, 441), (1, 0)),
        ((9000, 15), (0, 1)),
        ((131_072, 1), (0, 1)),
        ((12, 33, 17, 21), (0, 2, 3, 1)),
        ((12, 33, 17, 21), (0, 1, 2, 3)),
    ],
)


def laid_out(rng, shape, order):
    x = rng.standard_normal([shape[i] for i in order]).astype(np.float32)
    return x.transpose(np.argsort(order))


def wide(*arrays):
    return [a.astype(np.float64) for a in arrays]


@BACK
def test_what_each_is(back):
    x = np.array([2.0, 3.0, 0.0, 5.0])
    assert definition.running_sum(x, 0, back).tolist() == ([10, 8, 5, 5] if back else [2, 5, 5, 10])
    assert definition.products_before(x, 0, back).tolist() == ([0, 0, 5, 1] if back else [1, 2, 6, 0])
    steps = np.array([1.0, 1.0, 2.0, 0.0])
    states = definition.states_before(x, steps, 0, back).tolist()
    assert states == ([7, 2, 0, 0] if back else [0, 1, 4, 2])


def test_integers_are_added_up_as_int64_and_nothing_is_nothing():
    x = np.arange(6, dtype=np.int32).reshape(2, 3)
    for name in ("running_sum", "running_product", "products_before"):
        assert getattr(cpu, name)(x, 1).dtype == np.int64
        assert getattr(cpu, name)(np.zeros((3, 0), np.float32), 1).shape == (3, 0)
    assert cpu.states_before(np.ones((0, 3)), np.ones((0, 3)), 0).shape == (0, 3)


@LARGE_ONES
@BACK
def test_large_arrays_on_every_thread(shape, order, back):
    rng = np.random.default_rng(0)
    x = laid_out(rng, shape, order)
    near_1 = np.exp2(x / 1000).astype(np.float32)
    assert x.size >= LARGE
    for axis in range(x.ndim):
        for name, of in (("running_sum", x), ("products_before", near_1)):
            found, exact = (
                getattr(cpu, name)(of, axis, back),
                getattr(definition, name)(of.astype(np.float64), axis, back),
            )
            assert (found.shape, found.dtype, found.strides) == (x.shape, np.float32, of.strides)
            magnitude = definition.running_sum(np.abs(of.astype(np.float64)), axis, back) if of is x else np.abs(exact)
            assert (np.abs(found - exact) <= 2**-23 * np.maximum(magnitude, 1)).all()
        if not back:
            found = cpu.running_product(near_1, axis)
            np.testing.assert_allclose(found, near_1.astype(np.float64).cumprod(axis), rtol=2**-23)
        if shape[axis] < 1000:  # one step at a time, in Python
            found, exact = (
                cpu.states_before(x / 4, x, axis, back),
                definition.states_before(*wide(x / 4, x), axis, back),
            )
            np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-5)


@BACK
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0])
def test_what_is_not_like_the_others_changes_what_comes_behind_it(value, back):
    x = np.exp2(np.random.default_rng(0).standard_normal((200, 700)) / 1000).astype(np.float32)
    x[3, 37] = x[5, 0] = x[7, -1] = value
    with np.errstate(all="ignore"):
        for axis in (0, 1):
            for name in ("running_sum", "products_before"):
                found, exact = (getattr(m, name)(of, axis, back) for m, of in ((cpu, x), (definition, *wide(x))))
                np.testing.assert_allclose(found, exact, rtol=1e-5)


@BACK
def test_small_arrays_and_gaps_are_the_definitions(back):
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    with_gaps = np.repeat(np.tile(x, (100, 100)), 2, axis=1)[:, ::2]
    for a in (x, x.T, x[:, ::2], with_gaps, x.astype(np.float64)):
        for axis in (0, 1):
            np.testing.assert_array_equal(cpu.running_sum(a, axis, back), definition.running_sum(a, axis, back))
            np.testing.assert_array_equal(cpu.products_before(a, axis, back), definition.products_before(a, axis, back))
            np.testing.assert_array_equal(
                cpu.states_before(a, a, axis, back), definition.states_before(a, a, axis, back)
            )

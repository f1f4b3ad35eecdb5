"""A gradient is written over where nobody else has it, and nowhere else: values, what callers hold, memory."""

import tracemalloc

import numpy as np
import pytest

import tinygen as tg
from tinygen.autodiff.room import alone
from tinygen.kernels.definitions.arithmetic import LARGE
from tinygen.nn import functional as F

SHAPE = (8, 16, 32, 33)


def images(seed, shape=SHAPE, dtype="float32"):
    """Images with their channels last in memory."""
    n, c, h, w = shape
    return np.random.default_rng(seed).normal(size=(n, h, w, c)).astype(dtype).transpose(0, 3, 1, 2)


def test_an_array_is_alone_if_no_other_name_leads_to_its_memory():
    array = np.zeros(4)
    assert alone(array, 1)
    another = array
    assert not alone(array, 1)
    assert alone(array, 2)
    del another
    view = array[:]
    assert not alone(array, 1)
    assert not alone(view, 1)  # `array` is its memory
    del array
    assert alone(view, 1)
    part = view[:2]
    assert not alone(view, 1)
    del view
    assert not alone(part, 1)  # more lies there than it shows
    turned = np.zeros((2, 3, 4)).transpose(2, 0, 1)
    assert alone(turned, 1)
    repeated = np.broadcast_to(np.zeros(3), (3,))
    assert not alone(repeated, 1)  # not to be written to


STEPS = {
    "relu": F.relu,
    "leaky relu": lambda x: F.leaky_relu(x, 0.2),
    "group norm": lambda x: F.group_norm(x, 4),
    "group norm and SiLU": lambda x: F.silu(F.group_norm(x, 4)),
    "batch norm": lambda x: F.batch_norm(x, None, None, training=True),
    "convolution and relu": lambda x: F.conv2d(x, tg.ones((16, 16, 1, 1), dtype=x.dtype) / 16.0, negative_slope=0.0),
}


@pytest.mark.parametrize("name", STEPS)
def test_gradients_that_are_asked_for_or_go_several_ways_are_left_as_they_are(name):
    """As in float64, where nothing is written over: with a residual connection, an inner gradient, a caller's seed."""
    step = STEPS[name]

    def gradients(dtype):
        x = tg.tensor(images(0).astype(dtype), requires_grad=True)
        with tg.kernels.implementation("cpu" if dtype == "float32" else "definition"):
            inner = step(x * 1.5)
            y = step(inner) + inner * x
            seed = images(1).astype(dtype)
            found = tg.grad(y, [inner, x], tg.tensor(seed))
            again = tg.grad(step(step(x)), [x], tg.tensor(seed))
            assert np.array_equal(seed, images(1).astype(dtype))
        return [g.numpy() for g in (*found, *again)]

    assert np.prod(SHAPE) >= LARGE
    for found, exact in zip(gradients("float32"), gradients("float64")):
        np.testing.assert_allclose(found, exact, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("name", ["relu", "leaky relu", "group norm", "batch norm"])
def test_a_chain_s_gradient_stays_in_one_array(name):
    """Each step's gradient is written over the one before: there is one, beside the caller's seed."""
    x, seed = tg.Tensor(images(0), requires_grad=True), tg.Tensor(images(1))
    y = x
    for _ in range(4):
        y = STEPS[name](y)
    tg.grad(y, [x], seed)
    tracemalloc.start()
    try:
        tg.grad(y, [x], seed)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * x._data.nbytes

"""A gradient is written over where nobody else has it, and nowhere else: values, what callers hold, memory."""

import functools
import operator
import tracemalloc

import numpy as np
import pytest

import tinygen as tg
from tinygen.autodiff.room import alone
from tinygen.autodiff.tape import mode
from tinygen.kernels.definitions.arithmetic import LARGE
from tinygen.nn import functional as F
from tinygen.ops.indexing import scatter_add

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


def test_parts_add_to_one_gradient_of_the_whole(monkeypatch):
    """Only the first of them brings zeros for all of it."""
    whole, brought = scatter_add.__wrapped__, []
    monkeypatch.setattr(scatter_add, "__wrapped__", lambda *args: brought.append(args) or whole(*args))
    values, weights = np.random.default_rng(0).normal(size=(2, 6, 5)).astype(np.float32)
    x = tg.tensor(values, requires_grad=True)
    pieces = [piece * tg.tensor(w) for piece, w in zip(tg.unstack(x), weights)]
    (found,) = tg.grad(functools.reduce(operator.add, pieces), [x], np.ones(5, np.float32))
    np.testing.assert_array_equal(found.numpy(), weights)
    assert len(brought) == 1


def test_parts_are_not_added_to_what_somebody_else_holds():
    values = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    x, seed = tg.tensor(values, requires_grad=True), np.ones((4, 5), np.float32)
    given = tg.tensor(seed)
    a, b = x * 2.0, x * 3.0
    parts = tg.concat([a[:2], b[1:3]], 0)
    y = parts + (a + b)  # the seed is the gradient of a and of b before that of a part arrives
    of_x, of_a, of_b = tg.grad(y, [x, a, b], given)
    expected_a, expected_b = seed.copy(), seed.copy()
    expected_a[:2] += 1
    expected_b[1:3] += 1
    for found, expected in ((of_a, expected_a), (of_b, expected_b), (of_x, 2 * expected_a + 3 * expected_b)):
        np.testing.assert_array_equal(found.numpy(), expected)
    np.testing.assert_array_equal(given.numpy(), seed)
    z = x * 2.0
    overlapping = z[1:] * z[:3] + z[None, 1:, ::-1].reshape(3, 5) + z[np.array([0, 0, 2])]
    (first,) = tg.grad(overlapping, [x], np.ones((3, 5), np.float32))
    (second,) = tg.grad(overlapping, [x], np.ones((3, 5), np.float32), create_graph=True)
    np.testing.assert_allclose(first.numpy(), second.numpy(), rtol=1e-6)
    assert mode.sum == (None, None)  # no gradient is kept when all is done

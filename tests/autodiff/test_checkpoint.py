"""`checkpoint`: the same values and gradients, without what lies between."""

import tracemalloc

import numpy as np
import pytest

import tinygen as tg
from tinygen.testing import gradcheck

X = np.random.default_rng(0).normal(size=(3, 4))
W = np.random.default_rng(1).normal(size=(4, 4))


def block(x, w):
    return tg.tanh(x @ w) * tg.exp(-x * x) + x


def leaves():
    return tg.tensor(X, requires_grad=True), tg.tensor(W, requires_grad=True)


def test_values_and_gradients_are_those_of_the_function():
    x, w = leaves()
    plain, held = block(x, w), tg.checkpoint(block, x, w)
    np.testing.assert_array_equal(plain, held)
    for a, b in zip(tg.grad(plain.sum(), [x, w]), tg.grad(held.sum(), [x, w]), strict=True):
        np.testing.assert_allclose(a, b)


def test_gradients_of_orders_1_to_3():
    assert gradcheck(lambda x, w: tg.checkpoint(block, x, w), X, W, order=3)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, w: tg.checkpoint(lambda x: block(x, w), x),
        lambda x, w: tg.checkpoint(lambda: block(x, w)),
        lambda x, w: tg.checkpoint(lambda x: block(x, w) + block(x * 2.0, w), x),
        lambda x, w: tg.checkpoint(lambda a, b: a * tg.sin(b @ w), x, x),  # one argument twice
        lambda x, w: tg.checkpoint(lambda a: a * tg.sin(x @ w), x),  # and closed over as well
        lambda x, w: tg.checkpoint(lambda a, b: a * tg.sin(b), x, tg.tanh(x @ w)),  # one made from the other
        lambda x, w: (lambda h: tg.checkpoint(lambda: x * h * h))(tg.tanh(x @ w)),  # both closed over
        lambda x, w: (lambda h: tg.checkpoint(lambda a: a * h + w.sum(), x))(tg.tanh(x @ w)),
        lambda x, w: (lambda h: tg.checkpoint(lambda a: (a @ h) * w.sum() + a @ w, x))(tg.tanh(w)),  # parent and child
        lambda x, w: tg.checkpoint(lambda x: tg.checkpoint(block, tg.checkpoint(block, x, w), w), x),
        lambda x, w: tg.checkpoint(lambda x: x, x) * w.sum(),
    ],
)
def test_closures_repeated_arguments_and_nesting_at_orders_1_to_3(fn):
    assert gradcheck(fn, X, W, order=3)


def test_what_lies_between_is_freed():
    x = tg.tensor(np.ones((200, 500)), requires_grad=True)

    def deep(x):
        for _ in range(20):
            x = tg.tanh(x)
        return x

    def held(fn):
        tracemalloc.start()
        y = fn(x)
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        del y
        return size

    assert held(deep) > 18 * x._data.nbytes
    assert held(lambda x: tg.checkpoint(deep, x)) < 2 * x._data.nbytes


def test_the_function_runs_once_more_and_only_in_backward():
    runs = []

    def fn(x):
        runs.append(1)
        return tg.sin(x)

    x, _ = leaves()
    y = tg.checkpoint(fn, x)
    assert len(runs) == 1
    tg.grad(y.sum(), x)
    assert len(runs) == 2
    with tg.no_grad():
        tg.checkpoint(fn, x)
    assert len(runs) == 3


def test_a_function_that_gives_other_values_again_raises():
    rng = np.random.default_rng(0)
    x, _ = leaves()
    y = tg.checkpoint(lambda x: x * rng.normal(size=x.shape), x)
    with pytest.raises(RuntimeError, match="deterministic"):
        tg.grad(y.sum(), x)


def test_an_argument_that_changed_raises():
    x, w = leaves()
    y = tg.checkpoint(block, x, w)
    w.data[0, 0] = 5.0
    with pytest.raises(tg.MutationError):
        tg.grad(y.sum(), x)


def test_a_function_must_return_one_tensor():
    with pytest.raises(TypeError, match="one tensor, not tuple"):
        tg.checkpoint(lambda x: (x, x), leaves()[0])


def test_without_gradient_nothing_is_kept():
    assert not tg.checkpoint(tg.sin, tg.tensor(X)).requires_grad

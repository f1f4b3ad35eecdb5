"""Deep graphs, what a graph keeps alive, and when it lets go."""

import gc
import time
import tracemalloc
import weakref

import numpy as np
import pytest

import tinygen as tg
from tinygen.autodiff.tape import reachable


def leaf(*shape, dtype=np.float64):
    return tg.tensor(np.random.default_rng(0).uniform(0.5, 1.5, shape).astype(dtype), requires_grad=True)


@pytest.fixture
def _no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# -- depth ---------------------------------------------------------------------------------------------------


def test_a_hundred_thousand_operations_deep():
    x = leaf()
    y = x
    for _ in range(100_000):
        y = y + x
    (g,) = tg.grad(y, x)
    assert g.item() == 100_001
    del y  # letting go of it must not recurse either


def test_deep_graphs_differentiate_twice_and_draw():
    x = leaf()
    y = x
    for _ in range(5_000):
        y = y * 1.0001
    (g,) = tg.grad(y * y, x, create_graph=True)
    (h,) = tg.grad(g, x)
    assert h.item() == pytest.approx(2 * 1.0001**10_000)
    assert len(tg.draw_graph(y).nodes) == 5_001


def test_a_diamond_chain_visits_every_node_once():
    """y = y + y doubles the paths at every step: 2^60 of them, 60 nodes."""
    calls = []

    @tg.primitive(x=lambda g: calls.append(1) or g)
    def same(x):
        return x + 0.0

    x = leaf()
    y = x
    for _ in range(60):
        y = same(y)
        y = y + y
    assert tg.grad(y, x)[0].item() == 2.0**60
    assert len(calls) == 60
    assert len(reachable(y._node)) == 121


def test_time_grows_linearly_with_depth():
    """Of this thread alone, the two depths in turn: what else the machine does takes no part."""

    def seconds(depth):
        x = leaf()
        start = time.thread_time()
        y = x
        for _ in range(depth):
            y = y * x
        tg.grad(y, x)
        return time.thread_time() - start

    shallow, deep = zip(*((seconds(2_000), seconds(16_000)) for _ in range(5)), strict=True)
    assert min(deep) < 3 * 8 * min(shallow)  # 8 if linear, 64 if quadratic


# -- letting go ----------------------------------------------------------------------------------------------

GRAPHS = {
    "y = x + x": lambda x: x + x,
    "saves its argument": lambda x: x * x,
    "saves its output": lambda x: tg.exp(tg.tanh(x)),
    "saves an index": lambda x: x[np.array([0, 1, 1])],
    "list of arguments": lambda x: tg.concat([x, x * 2]),
    "einsum": lambda x: tg.einsum("ij,ij->i", x, x),
    "keeps residuals": lambda x: tg.softmax(x) + tg.logsumexp(x, axis=1, keepdims=True),
    "joint vjp with residuals": lambda x: tg.nn.functional.layer_norm(x, (3,)),
    "checkpoint": lambda x: tg.checkpoint(lambda z: tg.exp(z) * z, x),
    "a gradient": lambda x: tg.grad((x**3).sum(), x, create_graph=True)[0],
    "a jvp": lambda x: tg.jvp(tg.sin, [x], [x])[1],
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.usefixtures("_no_collector")
def test_a_dropped_graph_is_freed_at_once(name):
    x = leaf(2, 3)
    middle = x * 1.5
    y = GRAPHS[name](middle)
    nodes = [weakref.ref(node) for node in reachable(y._node) if node is not x._node]
    arrays = [weakref.ref(middle._data), weakref.ref(y._data)]
    tg.grad(y.sum(), x)
    del y, middle
    assert [ref() for ref in nodes + arrays] == [None] * (len(nodes) + 2)


@pytest.mark.usefixtures("_no_collector")
def test_backward_keeps_nothing_but_the_leaves_gradient():
    x = leaf(2, 3)
    y = (tg.exp(x) * x).sum()
    node = weakref.ref(y._node)
    y.backward()
    del y
    assert node() is None
    assert x.grad is not None
    assert not x.grad.requires_grad


# -- what is retained ----------------------------------------------------------------------------------------


def retained(y):
    return set(y._node.retained)


def test_only_what_a_gradient_names_is_retained():
    x, z = leaf(2, 3), leaf(2, 3)
    assert retained(x + z) == set()
    assert retained(x - 1.0) == set()
    assert retained(-x) == set()
    assert retained(x * z) == {"a", "b"}
    assert retained(tg.exp(x)) == {"y"}
    assert retained(tg.log(x)) == {"x"}
    assert retained(x.sum(axis=0)) == {"x_shape", "axis"}
    assert retained(x.reshape(3, 2)) == {"x_shape"}


def test_what_only_a_constants_gradient_would_need_is_not_retained():
    x, c = leaf(2, 3), tg.tensor(np.ones((2, 3)))
    assert retained(x * c) == {"b"}
    assert retained(c * x) == {"a"}
    assert retained(x / c) == {"b"}
    assert retained(x @ c.T) == {"b"}


def test_a_long_sum_holds_no_more_than_its_ends():
    x = leaf(1000, 10)
    tracemalloc.start()
    y = x
    for _ in range(50):
        y = y + 1.0
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 5 * x._data.nbytes


def test_without_recording_nothing_is_retained():
    x = leaf(2, 3)
    with tg.no_grad():
        y = tg.exp(x) * x
    assert y._node is None
    assert not y.requires_grad

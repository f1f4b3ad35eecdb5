"""`a * b` is `multiply(a, b)`: the same values, the same nodes, the same errors; and leaves others their side."""

import itertools
import operator
import warnings

import numpy as np
import pytest

import tinygen as tg
from tinygen.kernels.definitions.arithmetic import LARGE

PAIRS = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "power": operator.pow,
    "remainder": operator.mod,
    "floor_divide": operator.floordiv,
}


def tensors():
    rng = np.random.default_rng(0)
    for shape, dtype, tracked in itertools.product([(), (3,), (2, 3)], [np.float32, np.float64], [True, False]):
        yield tg.tensor(rng.uniform(1, 2, shape).astype(dtype), requires_grad=tracked)
    yield tg.tensor([1, 2, 3])
    yield tg.tensor(rng.uniform(1, 2, 3), dtype="bfloat16", requires_grad=True)
    yield tg.tensor(rng.uniform(1, 2, LARGE).astype(np.float32), requires_grad=True)


def others():
    yield from tensors()
    yield from (2, 2.5, True, np.float32(1.5), np.ones(3), np.ones(3, np.float32))


def outcome(function, a, b):
    try:
        return function(a, b)
    except (ValueError, TypeError) as error:
        return type(error), str(error)


def place(tensor):
    """What a node says of how its tensor was made."""
    node = tensor._node
    if node is None:
        return None
    parents = [p and (p if p.op is None else p.name) for p in node.parents]  # a conversion is made anew each time
    kept = {name: np.asarray(value, np.float64).tolist() for name, value in node.retained.items()}
    return node.op, parents, kept, node.shape, node.dtype, node.line is None


@pytest.mark.parametrize("name", PAIRS)
def test_an_operator_gives_the_value_the_node_and_the_error_of_the_operation(name):
    seen = 0
    pairs = list(itertools.product(list(tensors()), list(others())))
    for a, b in [*pairs, *((b, a) for a, b in pairs if isinstance(b, int | float))]:
        by_operator, by_name = outcome(PAIRS[name], a, b), outcome(getattr(tg, name), a, b)
        if not isinstance(by_name, tg.Tensor):
            assert by_operator == by_name
            continue
        assert type(by_operator._data) is np.ndarray
        assert by_operator.dtype == by_name.dtype
        np.testing.assert_array_equal(by_operator, by_name)
        if isinstance(b, tg.Tensor | int | float) and isinstance(
            a, tg.Tensor | int | float
        ):  # an array is wrapped anew each time
            assert place(by_operator) == place(by_name)
            seen += by_name.requires_grad
    assert seen > 50


def test_an_operator_records_nothing_where_nothing_is_recorded():
    x = tg.ones(3, requires_grad=True)
    with tg.no_grad():
        assert not (x * x).requires_grad
    assert not (x.detach() * 2.0).requires_grad


def test_an_operator_leaves_what_is_no_number_to_the_other_side():
    class Other:
        def __rmul__(self, x):
            return "mine"

    assert tg.ones(3) * Other() == "mine"
    with pytest.raises(TypeError, match="unsupported operand"):
        tg.ones(3) * object()


def test_an_operator_is_silent_at_poles_and_looked_at_for_anomalies():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (tg.tensor(1.0) / tg.tensor(0.0)).item() == np.inf
    with tg.detect_anomaly(), pytest.raises(tg.AnomalyError, match="divide made an infinity"):
        tg.tensor(1.0) / tg.tensor(0.0)
    x = tg.tensor(0.0, requires_grad=True)
    with tg.detect_anomaly():
        assert "test_operators.py" in (x * 2.0)._node.line


def test_an_operator_watches_an_array_that_others_hold():
    x = tg.ones(3, requires_grad=True)
    held = x.data
    y = x * x
    held[0] = 7.0
    with pytest.raises(tg.MutationError, match="multiply"):
        y.sum().backward()

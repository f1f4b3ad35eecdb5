"""What is written out for an operation gives what the general way gives: values, nodes, errors and gradients."""

import importlib
import traceback
import warnings

import numpy as np
import pytest
from operation_cases import BINARY, CASES, UNARY, operation_named, real

import tinygen as tg
from tinygen.autodiff import anomaly
from tinygen.autodiff.call import text, written
from tinygen.autodiff.primitive import REGISTRY, primitive
from tinygen.tensor import Tensor

backward = importlib.import_module("tinygen.autodiff.backward")

OF_ARRAYS = [case for case in CASES if case.fn is REGISTRY.get(case.name)]


def tracked(arguments, which=True):
    """The floating arrays among the arguments as tensors, of which those at `which` carry a gradient."""
    return [
        tg.tensor(a, requires_grad=which is True or i in which)
        if isinstance(a, np.ndarray) and a.dtype.kind == "f"
        else a
        for i, a in enumerate(arguments)
    ]


def found(op, arguments):
    """The value, and what the node holds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = op(*arguments)
    node = y._node
    if node is None:
        return y, None
    return y, (node.op, node.parents, node.shape, node.dtype, list(node.retained))


def in_general(op, arguments):
    """The same by the way that nothing usual takes."""
    anomaly.watched.append(True)
    try:
        return found(op, arguments)
    finally:
        anomaly.watched.pop()


def alike(op, arguments):
    (y, node), (general, general_node) = found(op, arguments), in_general(op, arguments)
    assert type(y._data) is type(general._data) is np.ndarray
    assert y.dtype == general.dtype
    np.testing.assert_array_equal(y, general)
    assert node == general_node
    if node is not None:
        used = [rule for rule, parent in zip(op.rules, y._node.parents) if parent is not None]
        asked = {op.slots[slot] for rule in used for slot in rule.reads}
        assert op.retains or set(y._node.retained) <= asked, "what only the other vjps ask for is retained"
        same = zip(y._node.retained.values(), general._node.retained.values())
        assert all(
            a is b or np.array_equal(a, b, equal_nan=True) for a, b in same if isinstance(a, Tensor | np.ndarray)
        )
    return node is not None


@pytest.mark.parametrize("case", OF_ARRAYS, ids=lambda case: case.name)
def test_operations(case):
    assert alike(case.fn, tracked(case.arguments))
    assert not alike(case.fn, tracked(case.arguments, ()))
    for i in case.fn.tensor_positions:
        alike(case.fn, tracked(case.arguments, (i,)))
    with tg.no_grad():
        assert not alike(case.fn, tracked(case.arguments))


def gradients_alike(op, arguments, monkeypatch):
    """Those by the function that is written out, and those by the loop that goes from rule to rule."""
    tensors = [a for a in arguments if isinstance(a, Tensor)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = op(*arguments)
        g = np.random.default_rng(0).uniform(0.5, 1.5, y.shape).astype(y.dtype)
        short = tg.grad(y, tensors, g, allow_unused=True)
        with monkeypatch.context() as patch:
            patch.setattr(backward, "WRITTEN_BELOW", 0)
            general = tg.grad(y, tensors, g, allow_unused=True)
        recorded = tg.grad(y, tensors, g, create_graph=True, allow_unused=True)
    for a, b, c, x in zip(short, general, recorded, tensors):
        assert (a is None) == (b is None) == (c is None)
        if a is not None:
            assert type(a._data) is np.ndarray
            assert (a.shape, a.dtype) == (b.shape, b.dtype) == (x.shape, x.dtype)
            np.testing.assert_array_equal(a, b)
            np.testing.assert_allclose(a, c, rtol=1e-4, atol=1e-5)  # the two forms of a vjp, see `either`


def test_what_is_said_to_be_numbers_is_taken_as_it_is():
    @primitive(x=lambda g, times, pair, other: g * times * pair[0] + 0 * other)
    def scaled(x, times: int, pair: tuple[int, ...], other, offset: float = 0.0):
        return x * times * pair[0] + offset

    assert scaled.plain_positions == {1, 2, 4}
    assert "type(x3)" in text(scaled)
    assert not any(f"type(x{i})" in text(scaled) for i in scaled.plain_positions)
    x = tg.tensor(real(3), requires_grad=True)
    pair = (5, 7)
    y = scaled(x, 3, pair, 2)
    assert y._node.retained["pair"] is pair
    np.testing.assert_array_equal(tg.grad(y.sum(), x)[0], [15] * 3)
    assert alike(scaled, [x, 3, pair, 2])


@pytest.mark.parametrize("case", OF_ARRAYS, ids=lambda case: case.name)
def test_gradients_of_operations(case, monkeypatch):
    gradients_alike(case.fn, tracked(case.arguments), monkeypatch)


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_gradients_of_functions_of_numbers(name, monkeypatch):
    op = operation_named(name)
    intervals = [UNARY[name]] if name in UNARY else BINARY[name]
    for shape in ((), (2, 3)):
        arrays = [real(*shape, low=low, high=high).astype(np.float32) for low, high in intervals]
        gradients_alike(op, tracked(arrays), monkeypatch)
        if len(arrays) > 1:
            x = tg.tensor(arrays[0], requires_grad=True)
            gradients_alike(lambda x: op(x, x), [x], monkeypatch)
            gradients_alike(lambda x: op(x, 0.75), [x], monkeypatch)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_functions_of_numbers(name, dtype):
    op = operation_named(name)
    intervals = [UNARY[name]] if name in UNARY else BINARY[name]
    for shape in ((), (2, 3)):
        arrays = [real(*shape, low=low, high=high).astype(dtype) for low, high in intervals]
        assert alike(op, tracked(arrays))
        for i in range(len(arrays) * (len(arrays) > 1)):
            assert alike(op, tracked([*arrays[:i], 0.75, *arrays[i + 1 :]]))
            assert alike(op, tracked(arrays, (i,)))
    assert not alike(op, [0.75] * len(intervals))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("tanh", [real(2, 3)]),
        ("multiply", [real(2, 3), real(3)]),
        ("multiply", [real(2, 3), 2.0]),
        ("power", [2, real(2, 3)]),
        ("clip", [real(2, 3), None, 1.0]),
        ("matmul", [real(2, 3), real(3, 4)]),
        ("linear", [real(2, 3), real(4, 3), real(4)]),
        ("linear", [real(2, 3), real(4, 3), None]),
        ("sum", [real(2, 3), (0, 1), True]),
        ("reshape", [real(2, 3), (3, 2)]),
        ("_getitem", [real(2, 3), slice(1)]),
    ],
)
def test_what_is_usual_is_asked_nothing_more(name, arguments):
    """Or all the rest would be in vain, and nothing would show it but the time."""

    def settled(op, args):
        raise AssertionError(f"{op.name} of {args} is unusual")

    call = written(REGISTRY[name])
    call.__globals__["settled"] = settled
    assert call(*tracked(arguments))._node is not None
    with pytest.raises(AssertionError, match="is unusual"):
        call(*([[1.0, 2.0]] * len(arguments)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_one_tensor_and_each_of_many_others_are_as_many_calls(dtype):
    op, indices = REGISTRY["_getitem"], [(slice(None), slice(1, 3)), 2, (1, 3), None, (..., slice(None, None, -1))]
    x = tg.tensor(np.arange(12, dtype=dtype).reshape(3, 4), requires_grad=dtype is not np.int64)
    called = [found(op, (x, index)) for index in indices]
    for way in (found, in_general):
        each = [way(lambda _, k=k: op.each(x, indices)[k], (x,)) for k in range(len(indices))]
        for (y, node), (one, of_one) in zip(each, called, strict=True):
            np.testing.assert_array_equal(y, one)
            assert type(y._data) is np.ndarray
            assert node == of_one
            assert node is None or y._node.saved == one._node.saved
    with tg.no_grad():
        assert all(y._node is None for y in op.each(x, indices))


def test_arguments_keep_their_names_and_defaults():
    op = tg.primitive(result=lambda g, mode: g * mode)(lambda result, mode=2.0: result * mode)  # as in the text itself
    x = tg.tensor([1.0], requires_grad=True)
    assert op(result=x).tolist() == [2]
    assert op(x, mode=3.0).tolist() == [3]
    assert tg.grad(op(x, 5.0).sum(), x)[0].tolist() == [5]


def test_a_traceback_shows_the_text():
    @tg.primitive
    def broken(x):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken") as caught:
        broken(tg.ones(2))
    shown = "".join(traceback.format_exception(caught.value))
    assert "out = forward(array0)" in shown
    assert "out = forward(array0)" in text(broken)
    assert "in broken" in shown


def test_a_call_is_written_for_its_operation_alone():
    double, triple = (primitive(lambda x, n=n: x * n) for n in (2, 3))
    assert double(tg.ones(1)).item() == 2
    assert triple(tg.ones(1)).item() == 3
    assert double(tg.ones(1)).item() == 2


def test_a_list_of_tensors_is_the_callers_to_change_afterwards():
    @tg.primitive(arrays=lambda g, arrays: [g * arrays[1], g * arrays[0]])
    def product(arrays):
        return arrays[0] * arrays[1]

    x, y = (tg.tensor(real(2, 3), requires_grad=True) for _ in range(2))
    arrays = [x, y]
    made = product(arrays)
    arrays[:] = [y, y]
    g = real(2, 3)
    for found, other in zip(tg.grad(made, [x, y], g), (y, x)):
        np.testing.assert_allclose(found, g * other.numpy(), rtol=1e-6)


@pytest.mark.parametrize("second", [np.ones((2, 3)), [[1.0, 1.0, 1.0]] * 2, tg.ones((2, 3), dtype="int64")])
def test_a_list_may_hold_other_things_than_tensors(second):
    x = tg.tensor(real(2, 3), requires_grad=True)
    joined = tg.concat([x, second])
    np.testing.assert_array_equal(joined, np.concatenate([x.numpy(), np.ones((2, 3))]))
    np.testing.assert_array_equal(*tg.grad(joined.sum(), x), np.ones((2, 3)))

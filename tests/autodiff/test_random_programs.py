"""Random programs: trees of operations and random indices, against differences, complex steps and NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygen as tg
from tinygen.ops.indexing import scatter_add
from tinygen.testing import arrays, broadcastable, check_adjoint, gradcheck, shapes

# Smooth on the whole line and of moderate size, so that a tree of them stays away from poles and from overflow.
UNARY = {
    "sin": tg.sin,
    "tanh": tg.tanh,
    "sigmoid": tg.sigmoid,
    "softplus": tg.softplus,
    "asinh": tg.asinh,
    "gelu": tg.gelu,
    "silu": tg.silu,
    "gauss": lambda x: tg.exp(-0.1 * x * x),
    "root": lambda x: tg.sqrt(1.0 + x * x),
    "log": lambda x: tg.log(2.0 + x * x),
    "softmax": lambda x: tg.softmax(x.reshape(-1)).reshape(x.shape),
    "centred": lambda x: x - tg.mean(x),
    "sum": lambda x: tg.sin(x.sum(axis=-1, keepdims=True)) if x.ndim else x,
    "logsumexp": lambda x: tg.logsumexp(x, axis=0, keepdims=True) if x.ndim else x,
    "flip": tg.flip,
    "transpose": lambda x: x.T,
    "roll": lambda x: tg.roll(x, 1),
    "there and back": lambda x: tg.concat([x.reshape(-1), x.reshape(-1)])[: x.size].reshape(x.shape),
    "cumsum": lambda x: tg.tanh(tg.cumsum(x, axis=0)) if x.ndim else x,
    "gather": lambda x: x[np.arange(len(x))[::-1]] if x.ndim else x,
    "checkpoint": lambda x: tg.checkpoint(lambda z: tg.sin(z) * z, x),
}
BINARY = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: tg.tanh(a) * b,
    "divide": lambda a, b: a / (1.5 + b * b),
    "hypot": lambda a, b: tg.hypot(a, 1.0 + b * b),
    "logaddexp": tg.logaddexp,
    "atan2": lambda a, b: tg.atan2(a, 1.0 + b * b),
    "power": lambda a, b: (1.0 + a * a) ** tg.tanh(b),
    "matmul": lambda a, b: tg.tanh(a.reshape(-1) @ tg.broadcast_to(tg.mean(b), (a.size,))),
}


@st.composite
def trees(draw, leaves=3, depth=4):
    """A function of `leaves` tensors that broadcast together, as a nest of the operations above, with its text."""
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        i = draw(st.integers(0, leaves - 1))
        return f"x{i}", lambda *xs: xs[i]
    if draw(st.booleans()):
        name = draw(st.sampled_from(sorted(UNARY)))
        text, inner = draw(trees(leaves, depth - 1))
        return f"{name}({text})", lambda *xs: UNARY[name](inner(*xs))
    name = draw(st.sampled_from(sorted(BINARY)))
    (left, f), (right, g) = draw(trees(leaves, depth - 1)), draw(trees(leaves, depth - 1))
    return f"{name}({left}, {right})", lambda *xs: fits(BINARY[name], f(*xs), g(*xs))


def fits(operation, a, b):
    """Shapes that a transposition has made unfit meet through their sums."""
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        b = b.sum()
    return operation(a, b)


@settings(max_examples=120)
@given(tree=trees(), shapes=broadcastable(3), data=st.data())
def test_random_trees_against_differences(tree, shapes, data):
    xs = [data.draw(arrays(shape)) for shape in shapes]
    assert gradcheck(tree[1], *xs, rtol=1e-5)


@settings(max_examples=40)
@given(tree=trees(depth=3), shapes=broadcastable(3), data=st.data())
def test_second_and_third_derivatives_of_random_trees(tree, shapes, data):
    xs = [data.draw(arrays(shape, layouts=False)) for shape in shapes]
    assert gradcheck(tree[1], *xs, order=3, rtol=1e-4, atol=1e-6)


@settings(max_examples=40)
@given(tree=trees(), shapes=broadcastable(3), data=st.data())
def test_jvp_is_the_transpose_of_vjp_on_random_trees(tree, shapes, data):
    xs, vs = ([data.draw(arrays(shape)) for shape in shapes] for _ in range(2))
    y, tangent = tg.jvp(tree[1], xs, vs)
    g = np.random.default_rng(0).normal(size=y.shape)
    _, pullback = tg.vjp(tree[1], *xs)
    right = sum(float((np.asarray(d) * v).sum()) for d, v in zip(pullback(g), vs))
    left = float((np.asarray(tangent) * g).sum())
    assert left == pytest.approx(right, rel=1e-8, abs=1e-10)


def analytic(xs):
    """A program of functions that continue to complex numbers, in NumPy."""
    a, b = xs
    h = np.sin(a * b) + np.exp(0.3 * a) / (2.0 + b * b)
    return (np.sqrt(4.0 + h * h) * np.cosh(0.2 * a - b)).sum()


@given(data=st.data(), shapes=broadcastable(2))
def test_gradient_equals_the_complex_step_to_rounding(data, shapes):
    """Im f(x + i h v) / h is the derivative along v without cancellation (Squire and Trapp 1998)."""
    xs = [data.draw(arrays(shape, layouts=False)) for shape in shapes]
    a, b = tensors = [tg.tensor(x, requires_grad=True) for x in xs]
    h = tg.sin(a * b) + tg.exp(0.3 * a) / (2.0 + b * b)
    y = (tg.sqrt(4.0 + h * h) * tg.cosh(0.2 * a - b)).sum()
    for i, g in enumerate(tg.grad(y, tensors)):
        v = np.random.default_rng(i).normal(size=xs[i].shape)
        moved = [x + 1e-30j * v if j == i else x + 0j for j, x in enumerate(xs)]
        assert float((np.asarray(g) * v).sum()) == pytest.approx(analytic(moved).imag / 1e-30, rel=1e-11, abs=1e-13)


# -- indices -------------------------------------------------------------------------------------------------


@st.composite
def indices(draw, shape):
    """Any index NumPy takes: slices, integers, None, ellipsis, integer arrays, boolean masks."""
    if draw(st.integers(0, 4)) == 0:
        return draw(arrays(shape, np.bool_, layouts=False))
    parts, advanced, ellipsis = [], draw(shapes(0, 2, 1, 3)), False
    axis = 0
    while axis < len(shape):
        n = shape[axis]
        kind = draw(st.sampled_from(["slice", "slice", "int", "array", "mask", "none", "ellipsis", "stop"]))
        if kind == "stop":
            break
        if kind == "none":
            parts.append(None)
            continue
        if kind == "ellipsis":
            if not ellipsis:
                skip = draw(st.integers(0, len(shape) - axis))
                parts.append(Ellipsis)
                axis, ellipsis = axis + skip, True
                if axis + 0 < len(shape):
                    tail = [draw(st.slices(m)) for m in shape[axis:]]
                    return tuple(parts + tail)
                break
            continue
        if kind == "slice":
            parts.append(draw(st.slices(n)))
        elif kind == "int":
            parts.append(draw(st.integers(-n, n - 1)))
        elif kind == "array":
            parts.append(draw(arrays(advanced, np.int64, low=-n, high=n - 1, layouts=False)))
        else:
            chosen = np.zeros(n, bool)
            chosen[draw(st.integers(0, n - 1))] = True
            parts.append(chosen)
        axis += 1
    return tuple(parts)


@settings(max_examples=200)
@given(data=st.data(), shape=shapes(1, 4, 1, 4))
def test_any_index_reads_what_numpy_reads_and_scatters_back(data, shape):
    index = data.draw(indices(shape))
    x = data.draw(arrays(shape))
    expected = x[index]
    t = tg.Tensor(x, requires_grad=True)
    y = t[index]
    np.testing.assert_array_equal(np.asarray(y), expected)
    assert y.shape == expected.shape
    g = np.random.default_rng(0).normal(size=y.shape)
    back = np.zeros(shape)
    np.add.at(back, index, g)
    np.testing.assert_allclose(np.asarray(tg.grad(y, t, g)[0]), back)
    check_adjoint(lambda t: t[index], lambda g: scatter_add(g, index, shape), x)


@given(data=st.data(), shape=shapes(1, 3, 1, 4))
def test_tensors_and_lists_index_as_arrays_do(data, shape):
    x = tg.tensor(data.draw(arrays(shape)))
    index = data.draw(arrays((3,), np.int64, low=0, high=shape[0] - 1, layouts=False))
    for same in (tg.tensor(index), index.tolist(), (tg.tensor(index),), tg.tensor(index.astype(np.int32))):
        np.testing.assert_array_equal(np.asarray(x[same]), np.asarray(x)[index])
    mask = data.draw(arrays(shape, np.bool_))
    np.testing.assert_array_equal(np.asarray(x[tg.tensor(mask)]), np.asarray(x)[mask])
    np.testing.assert_array_equal(np.asarray(x[x > 0]), np.asarray(x)[np.asarray(x) > 0])


@pytest.mark.parametrize("index", [5, (0, 9), ([0, 7],), (0, 0, 0), 1.5, "a", tg.tensor([1.0])])
def test_an_index_that_does_not_fit_is_an_index_error(index):
    with pytest.raises(IndexError):
        tg.tensor([[1.0, 2.0]])[index]

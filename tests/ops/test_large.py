"""A large array's entries are what a small array's are: on every thread, in any layout, beside numbers and others."""

import numpy as np
import pytest
from operation_cases import BINARY, UNARY, operation_named
from scipy import special

import tinygen as tg
from tinygen import kernels
from tinygen.autodiff import large
from tinygen.autodiff.primitive import REGISTRY
from tinygen.kernels.definitions.arithmetic import LARGE

SHAPE = (5, 3, 91, 97)  # of more than LARGE entries, no multiple of any vector's
ARITHMETIC = {"add", "subtract", "multiply", "divide", "negative", "square", "abs", "sqrt", "reciprocal", "maximum"}
NAMES = [name for name in (*UNARY, *BINARY) if large._operation(operation_named(name)) is not None]


def drawn(name, rng, shape=SHAPE):
    intervals = [UNARY[name]] if name in UNARY else BINARY[name]
    return [rng.uniform(low, high, shape).astype(np.float32) for low, high in intervals]


def values(op, arrays, cotangent):
    tensors = [tg.tensor(a, requires_grad=True) for a in arrays]
    y = op(*tensors)
    return [t.numpy() for t in (y, *tg.grad(y, tensors, cotangent))] if y.requires_grad else [y.numpy()]


def in_pieces(op, arrays, cotangent):
    """The same, one example at a time."""
    pieces = [values(op, [a[i] for a in arrays], cotangent[i]) for i in range(len(cotangent))]
    return [np.stack(parts) for parts in zip(*pieces)]


def test_arithmetic_is_among_what_runs_on_every_thread():
    assert set(NAMES) >= ARITHMETIC
    assert np.prod(SHAPE) >= LARGE > np.prod(SHAPE[1:])


@pytest.mark.parametrize("name", NAMES)
def test_a_large_array_s_entries_are_a_small_one_s(name):
    rng = np.random.default_rng(0)
    arrays, cotangent = drawn(name, rng), rng.normal(size=SHAPE).astype(np.float32)
    found, exact = values(REGISTRY[name], arrays, cotangent), in_pieces(REGISTRY[name], arrays, cotangent)
    assert len(found) == len(exact)
    apart = 3e-7 if name == "logaddexp" else 0  # of which terms cancel
    np.testing.assert_allclose(found[0], exact[0], rtol=0 if name in ARITHMETIC else 1e-6, atol=apart)
    for a, b in zip(found[1:], exact[1:]):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["add", "multiply", "divide"])
def test_layouts_and_smaller_shapes_beside_large_ones(name):
    rng = np.random.default_rng(1)
    op = REGISTRY[name]
    a = rng.uniform(1, 2, SHAPE).astype(np.float32)
    last = np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for b in (
        a.copy(),
        last,
        a[:, :, ::-1],
        a[:1],
        a[:, :, :1, :1],
        a[0, 0, 0],
        a[:, :, :, 0, None],
        3.0,
        np.float32(3),
    ):
        for x in (a, last):
            assert np.array_equal(op(tg.tensor(x), b).numpy(), op.forward(x, b))
            assert np.array_equal(op(b, tg.tensor(x)).numpy(), op.forward(b, x))
    small = tg.tensor(a[0, :, :1, :1].copy(), requires_grad=True)
    whole = tg.tensor(a, requires_grad=True)
    of_small, of_whole = tg.grad(op(whole, small).sum(), [small, whole])
    assert of_small.shape == small.shape
    assert of_whole.shape == whole.shape


def test_poles_and_signed_zeros_are_numpy_s():
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-42, 3e38], np.float32)
    a, b = (np.resize(x, LARGE + 3) for x in (np.repeat(special, 9), np.tile(special, 9)))
    for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
        with np.errstate(all="ignore"):
            exact = REGISTRY[name].forward(a, b)
        found = REGISTRY[name](tg.tensor(a), tg.tensor(b)).numpy()
        assert np.array_equal(found, exact, equal_nan=True), name
        numbers = ~np.isnan(exact)
        if name not in ("maximum", "minimum"):  # of 0 and -0 either is the larger
            assert np.array_equal(np.signbit(found[numbers]), np.signbit(exact[numbers])), name


SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-42, 3e38, 1.5, -2.5], np.float32)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@pytest.mark.parametrize("shape", [(300, 441), (12, 33, 350), (LARGE,)])
@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_places_of_extremes_are_numpys(name, shape, dtype):
    """The first one's where several are extreme, or one is NaN."""
    numbers = np.resize(SPECIAL, shape) if dtype == "float32" else np.indices(shape).sum(0).astype(dtype)
    for x in (numbers, numbers.T):
        for axis in (None, *range(-x.ndim, x.ndim)):
            for keepdims in (False, True):
                found = getattr(tg, name)(x, axis, keepdims).numpy()
                expected = getattr(np, name)(x, axis, keepdims=keepdims)
                assert found.dtype == expected.dtype
                assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", ["hypot", "logaddexp"])
def test_what_neither_overflows_nor_underflows(name):
    """Within two units in the last place of float64's, over all of float32; at infinities and NaN NumPy's values."""
    rng = np.random.default_rng(5)
    scale = 10.0 ** rng.uniform(-44, 38, (2, LARGE))
    a, b = (np.sign(rng.normal(size=scale.shape)) * scale * rng.uniform(0.1, 1, (1, LARGE))).astype(np.float32)
    b[::2] = (a * rng.uniform(0.5, 2, LARGE).astype(np.float32))[::2] / 2
    a[:121], b[:121] = np.resize(np.repeat(SPECIAL, 11), 121), np.resize(SPECIAL, 121)
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(a.astype(np.float64), b.astype(np.float64)).astype(np.float32)
    for slices in (slice(None), slice(1000)):  # as a chain, and by the operation itself
        found = REGISTRY[name](tg.tensor(a[slices]), tg.tensor(b[slices])).numpy()
        np.testing.assert_allclose(found, exact[slices], rtol=2.4e-7, atol=1e-44 if name == "hypot" else 1e-7)


@pytest.mark.parametrize("exponent", [3, 4.0, 8, -2, -3, 2.5, -0.5, 1.5, 9, 1.75])
def test_fixed_powers(monkeypatch, exponent):
    """By products where it is whole; at infinities and zeros of either sign, NumPy's values and the operation's
    gradient."""
    found = passes(monkeypatch)
    for a in (np.linspace(-3, 3, LARGE + 5).astype(np.float32), np.resize(SPECIAL, LARGE)):
        with np.errstate(all="ignore"):
            exact = np.power(a.astype(np.float64), np.full(a.size, exponent))  # of a number NumPy takes a root
            slope = exponent * np.power(a.astype(np.float64), np.full(a.size, exponent - 1.0))
        x = tg.tensor(a, requires_grad=True)
        y = x**exponent
        (g,) = tg.grad(y, x, np.ones_like(a))
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(y.numpy(), exact.astype(np.float32), rtol=1e-6, atol=1e-37)
            np.testing.assert_allclose(g.numpy(), slope.astype(np.float32), rtol=1e-6, atol=1e-37)
    if exponent in (3, 4.0, 8, -2):
        assert found == [1, 1] * 2  # one pass each


@pytest.mark.parametrize("bounds", [(-1.0, 1), (None, 0.5), (0, None), (1.0, -1.0), (np.nan, 1.0), (-1.0, np.nan)])
def test_clipping(monkeypatch, bounds):
    found = passes(monkeypatch)
    x = np.resize(SPECIAL, LARGE)
    np.testing.assert_array_equal(tg.clip(tg.tensor(x), *bounds).numpy(), np.clip(x, *bounds))
    assert found == [1]


@pytest.mark.parametrize("name", ["abs", "sqrt", "square", "exp", "log1p", "softplus", "maximum"])
def test_a_gradient_made_of_operations_is_one_pass(monkeypatch, name):
    rng = np.random.default_rng(4)
    op, arrays = REGISTRY[name], [tg.tensor(a, requires_grad=True) for a in drawn(name, rng)]
    y = op(*arrays)
    found = passes(monkeypatch)
    tg.grad(y, arrays, rng.standard_normal(SHAPE).astype(np.float32))
    assert found == [len(arrays)]


def test_what_does_not_fit_is_computed_by_the_operation_itself(monkeypatch):
    a = np.linspace(-1, 1, LARGE).astype(np.float32)
    monkeypatch.setattr(kernels, "load", lambda *args: pytest.fail("a kernel was asked for"))
    assert (tg.tensor(a.astype(np.float64)) * 2.0).dtype == np.float64
    assert (tg.tensor(np.arange(LARGE)) * 2).dtype.kind == "i"
    assert (tg.tensor(a[:-1]) * 2.0).shape == (LARGE - 1,)
    with kernels.implementation("definition"):
        assert np.array_equal((tg.tensor(a) * 2.0).numpy(), a * 2)


def test_comparisons_give_truth_values():
    x = tg.tensor(np.linspace(-1, 1, LARGE).astype(np.float32))
    assert {(x < 0).dtype, (x == x).dtype, tg.logical_and(x, x).dtype} == {np.dtype(bool)}


def test_shapes_that_do_not_fit_together_are_named():
    with pytest.raises(ValueError, match=r"multiply: shapes \(131072,\) and \(3,\) do not fit together"):
        tg.zeros(LARGE) * tg.zeros(3)


def passes(monkeypatch):
    """The outputs of every chain that runs from now on."""
    found = []
    load = kernels.load

    def counted(name, version):
        def fused(chain, *args):
            found.append(len(chain.outputs))
            return load(name, version)(chain, *args)

        return fused if name == "fused" else load(name, version)

    monkeypatch.setattr(kernels, "load", counted)
    return found


@pytest.mark.parametrize("name", ["multiply", "divide"])
def test_the_gradients_of_an_operation_are_made_in_one_pass(monkeypatch, name):
    rng = np.random.default_rng(2)
    a, b = (tg.tensor(rng.uniform(1, 2, SHAPE).astype(np.float32), requires_grad=True) for _ in range(2))
    g = rng.standard_normal(SHAPE).astype(np.float32)
    y = REGISTRY[name](a, b)
    found = passes(monkeypatch)
    both = tg.grad(y, [a, b], g)
    assert found == [2]
    for x, gradient in zip((a, b), both):
        (one,) = tg.grad(y, x, g)
        assert np.array_equal(one.numpy(), gradient.numpy())
    assert found == [2, 1, 1]


def test_a_gradient_that_is_the_cotangent_takes_no_pass_but_for_being_a_copy(monkeypatch):
    a, b = (tg.tensor(np.ones(SHAPE, np.float32), requires_grad=True) for _ in range(2))
    total, difference = a * 2 + b * 2, a - b
    found = passes(monkeypatch)
    g = tg.tensor(np.full(SHAPE, 2, np.float32))
    assert all(np.array_equal(d.numpy(), 2 * g.numpy()) for d in tg.grad(total, [a, b], g))
    assert found == [1, 1]  # those of the products
    found.clear()
    of_a, of_b = tg.grad(difference, [a, b], g)
    assert np.array_equal(of_a.numpy(), -of_b.numpy())
    assert found == [1]  # -g; the copy of g, which is the caller's, is NumPy's
    assert not np.shares_memory(of_a.numpy(), g.numpy())


def test_a_square_written_as_a_product_adds_both_gradients():
    x = tg.tensor(np.linspace(-1, 1, LARGE).astype(np.float32), requires_grad=True)
    (g,) = tg.grad((x * x).sum(), x)
    assert np.array_equal(g.numpy(), (x + x).numpy())


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 2, 1, 0)])
@pytest.mark.parametrize("shape", [(5, -1), (5, 3, -1), (15, 91, 97), (-1,), (5, 91, 291)])
def test_a_large_array_reshaped_is_numpy_s(shape, order):
    """In any layout, and its gradient; a view where NumPy gives one."""
    rng = np.random.default_rng(2)
    for dtype in (np.float32, np.float64):
        memory = rng.normal(size=[SHAPE[i] for i in order]).astype(dtype)
        x = tg.permute_dims(tg.tensor(memory, requires_grad=True), tuple(np.argsort(order).tolist()))
        y, expected = tg.reshape(x, shape), x._data.reshape(shape)
        assert np.array_equal(y.numpy(), expected)
        assert np.shares_memory(y._data, x._data) == np.shares_memory(expected, x._data)
        cotangent = rng.normal(size=expected.shape).astype(dtype)
        assert np.array_equal(tg.grad(y, [x], cotangent)[0].numpy(), cotangent.reshape(SHAPE))


@pytest.mark.parametrize("axis", [None, 0, (1, 2, 3)])
def test_logsumexp_of_a_large_array_is_that_of_its_entries_one_by_one(axis):
    x = np.random.default_rng(7).normal(size=SHAPE).astype(np.float32) * 30
    x[1] = -np.inf
    if axis is not None:  # else this alone would be left of all
        x[2, 0, 0, 0] = np.inf
    found = tg.logsumexp(tg.tensor(x), axis).numpy()
    np.testing.assert_allclose(found, special.logsumexp(x.astype(np.float64), axis), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, (0, 1)])
def test_the_gradient_of_a_large_sum_lies_in_memory_as_its_argument(axis):
    x = tg.tensor(np.ones((512, 600), np.float32), requires_grad=True)
    (found,) = tg.grad((x.sum(axis) * 2).sum(), [x])
    assert found.numpy().strides == x.numpy().strides
    assert (found.numpy() == 2).all()

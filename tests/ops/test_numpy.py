"""Every exported function against NumPy's of the same name: values, shapes, dtypes, over drawn inputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

import tinygen as tg
from tinygen import ops
from tinygen.testing import arrays, broadcastable, shapes

FLOATS = st.sampled_from([np.float32, np.float64])

UNARY = {
    **dict.fromkeys(
        [
            "abs",
            "ceil",
            "floor",
            "trunc",
            "round",
            "sign",
            "square",
            "negative",
            "positive",
            "sin",
            "cos",
            "atan",
            "sinh",
            "asinh",
            "tanh",
        ]
    ),
    **dict.fromkeys(
        ["exp", "exp2", "expm1", "cosh", "tan", "isnan", "isinf", "isfinite", "signbit", "logical_not", "reciprocal"]
    ),
    **dict.fromkeys(["log", "log1p", "log2", "log10", "sqrt"], (0.1, 3)),
    **dict.fromkeys(["asin", "acos", "atanh"], (-0.9, 0.9)),
    "acosh": (1.1, 3),
}
BINARY = [
    "add",
    "subtract",
    "multiply",
    "divide",
    "floor_divide",
    "remainder",
    "pow",
    "power",
    "atan2",
    "hypot",
    "logaddexp",
    "maximum",
    "minimum",
    "copysign",
    "equal",
    "not_equal",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "logical_and",
    "logical_or",
    "logical_xor",
]
INTEGER = ["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift"]
REDUCTIONS = ["sum", "mean", "max", "min", "prod", "any", "all", "var", "std", "count_nonzero"]
OTHER_NAMES = {"acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan"}
OTHER_NAMES |= {"atan2": "arctan2", "atanh": "arctanh", "round": "rint"}

SPECIAL = {
    "digamma": special.digamma,
    "erf": special.erf,
    "lgamma": special.gammaln,
    "sigmoid": special.expit,
    "softplus": lambda x: np.logaddexp(0, x),
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "silu": lambda x: x * special.expit(x),
    "gelu": lambda x: x * special.ndtr(x),
    "softmax": lambda x: special.softmax(x, -1),
    "log_softmax": lambda x: special.log_softmax(x, -1),
    "logsumexp": lambda x: special.logsumexp(x),
}
ABOUT_DTYPES = ["can_cast", "finfo", "iinfo", "isdtype", "result_type"]
CREATION = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
    "asarray",
]
HERE = [
    "astype",
    "broadcast_arrays",
    "broadcast_to",
    "bitwise_invert",
    "clip",
    "concat",
    "cumsum",
    "cumulative_prod",
    "cumulative_sum",
    "diagonal",
    "diff",
    "einsum",
    "expand_dims",
    "flatten",
    "flip",
    "matmul",
    "matrix_transpose",
    "moveaxis",
    "nonzero",
    "outer",
    "pad",
    "permute_dims",
    "repeat",
    "reshape",
    "roll",
    "searchsorted",
    "sort",
    "argsort",
    "argmax",
    "argmin",
    "split",
    "squeeze",
    "stack",
    "swapaxes",
    "take",
    "take_along_axis",
    "tensordot",
    "tile",
    "tril",
    "triu",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
    "unstack",
    "vecdot",
    "where",
]


def test_every_exported_function_is_held_to_numpy_somewhere():
    held = {*UNARY, *BINARY, *INTEGER, *REDUCTIONS, *SPECIAL, *CREATION, *HERE, *ABOUT_DTYPES, "polygamma"}
    constants = {name for name in ops.__all__ if not callable(getattr(ops, name))}
    assert set(ops.__all__) - constants - held == set()


def test_constants_and_dtypes_are_numpys():
    assert (tg.pi, tg.e, tg.inf, tg.newaxis) == (np.pi, np.e, np.inf, None)
    assert np.isnan(tg.nan)
    for name in (
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float32",
        "float64",
        "bool",
    ):
        assert getattr(tg, name) == np.dtype(name)
        assert tg.zeros(2, dtype=getattr(tg, name)).dtype == name


def test_what_is_known_of_dtypes_is_what_numpy_knows():
    x, i = tg.ones(2, dtype=tg.float64), tg.arange(3)
    assert tg.finfo(x).eps == tg.finfo("float64").eps == np.finfo(np.float64).eps
    assert tg.iinfo(i).max == tg.iinfo(tg.int64).max == np.iinfo(np.int64).max
    assert tg.isdtype(tg.float32, "real floating")
    assert not tg.isdtype(i.dtype, ("real floating", "bool"))
    assert tg.result_type(tg.ones(2), x, 3.0) == np.float64
    assert tg.can_cast(tg.float32, tg.float64)
    assert not tg.can_cast(x, tg.float32)


def numpys(name):
    return getattr(np, OTHER_NAMES.get(name, name))


def same(ours, theirs, rtol=None):
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    bound = rtol or (1e-5 if theirs.dtype == np.float32 else 1e-12)
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=bound, atol=1e-6 if theirs.dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("name", UNARY)
@given(data=st.data(), dtype=FLOATS)
def test_unary(name, data, dtype):
    low, high = UNARY[name] or (-2, 2)
    x = data.draw(arrays(dtype=dtype, low=low, high=high))
    same(getattr(tg, name)(x), numpys(name)(x))


@pytest.mark.parametrize("name", BINARY)
@given(data=st.data(), dtype=FLOATS, shapes=broadcastable(2))
def test_binary_over_broadcast_shapes(name, data, dtype, shapes):
    low = 0.5 if name in ("pow", "power", "floor_divide", "remainder", "divide") else -2
    a, b = (data.draw(arrays(shape, dtype, low=low)) for shape in shapes)
    if data.draw(st.booleans()):
        a, b = a.round(), b.round() + (low > 0)  # ties and zeros
    same(getattr(tg, name)(a, b), numpys(name)(a, b))


@pytest.mark.parametrize("name", INTEGER)
@given(data=st.data(), shapes=broadcastable(2))
def test_bits(name, data, shapes):
    a, b = (data.draw(arrays(shape, np.int64, low=0, high=9)) for shape in shapes)
    same(
        getattr(tg, name)(a, b),
        getattr(np, name.replace("bitwise_left", "left").replace("bitwise_right", "right"))(a, b),
    )
    same(tg.bitwise_invert(a), ~a)


@pytest.mark.parametrize("name", SPECIAL)
@given(data=st.data(), dtype=FLOATS)
def test_special_functions_are_scipys(name, data, dtype):
    low = 0.3 if name in ("lgamma", "digamma") else -4  # defined above 0
    x = data.draw(arrays(shapes(1, 3), dtype, low=low, high=4))
    same(getattr(tg, name)(x), np.asarray(SPECIAL[name](x)).astype(dtype), 2e-5 if dtype == np.float32 else 1e-11)


def test_polygamma():
    x = np.linspace(0.5, 4, 9)
    same(tg.polygamma(2, x), special.polygamma(2, x), 1e-11)


def axes(data, ndim):
    """None, one axis, or several."""
    if not ndim or data.draw(st.booleans()):
        return None
    chosen = data.draw(st.lists(st.integers(0, ndim - 1), min_size=1, max_size=ndim, unique=True))
    return chosen[0] - ndim if len(chosen) == 1 else tuple(chosen)


@pytest.mark.parametrize("name", REDUCTIONS)
@given(data=st.data(), dtype=FLOATS)
def test_reductions(name, data, dtype):
    x = data.draw(arrays(dtype=dtype))
    if name in ("any", "all", "count_nonzero"):
        x = x.round()
    axis, keepdims = axes(data, x.ndim), data.draw(st.booleans())
    same(getattr(tg, name)(x, axis=axis, keepdims=keepdims), getattr(np, name)(x, axis=axis, keepdims=keepdims))


@given(data=st.data(), correction=st.integers(0, 1))
def test_spread_with_correction(data, correction):
    x = data.draw(arrays(shapes(1, 3, 2, 4)))
    same(tg.var(x, axis=0, correction=correction), np.var(x, axis=0, ddof=correction))
    same(tg.std(x, correction=correction), np.std(x, ddof=correction))


@given(data=st.data())
def test_order_and_places(data):
    x = data.draw(arrays(shapes(1, 3))).round(1)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    same(tg.sort(x, axis=axis), np.sort(x, axis=axis))
    same(tg.sort(x, axis=axis, descending=True), np.flip(np.sort(x, axis=axis), axis))
    same(tg.argsort(x, axis=axis), np.argsort(x, axis=axis, kind="stable"))
    down = np.argsort(-x, axis=axis, kind="stable")
    same(tg.argsort(x, axis=axis, descending=True), down)
    same(tg.take_along_axis(x, down, axis), np.take_along_axis(x, down, axis))
    for name in ("argmax", "argmin"):
        same(getattr(tg, name)(x, axis=axis), getattr(np, name)(x, axis=axis))
        same(getattr(tg, name)(x), getattr(np, name)(x))
        same(getattr(tg, name)(x, axis=axis, keepdims=True), getattr(np, name)(x, axis=axis, keepdims=True))
    for ours, theirs in zip(tg.nonzero(x), np.nonzero(x), strict=True):
        same(ours, theirs)
    same(tg.unique_values(x), np.unique(x))
    for ours, theirs in zip(tg.unique_all(x), np.unique_all(x), strict=True):
        same(ours, theirs)
    same(tg.unique_counts(x).counts, np.unique_counts(x).counts)
    same(tg.unique_inverse(x).inverse_indices, np.unique_inverse(x).inverse_indices)
    flat = np.sort(x, axis=None)
    same(tg.searchsorted(flat, x), np.searchsorted(flat, x))
    same(tg.searchsorted(flat, x, side="right"), np.searchsorted(flat, x, side="right"))


@given(data=st.data())
def test_running_sums_and_differences(data):
    x = data.draw(arrays(shapes(1, 3)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    same(tg.cumsum(x, axis), np.cumsum(x, axis))
    same(tg.cumulative_sum(x, axis), np.cumsum(x, axis))
    same(tg.cumulative_prod(x, axis), np.cumprod(x, axis))
    same(tg.cumulative_sum(x, axis=axis, include_initial=True), np.cumulative_sum(x, axis=axis, include_initial=True))
    same(tg.cumulative_prod(x, axis=axis, include_initial=True), np.cumulative_prod(x, axis=axis, include_initial=True))
    same(tg.cumulative_sum(x.reshape(-1)), np.cumsum(x))
    same(tg.diff(x, axis=axis), np.diff(x, axis=axis))
    same(tg.diff(x, axis=axis, n=2), np.diff(x, axis=axis, n=2))
    same(tg.roll(x, 2, axis), np.roll(x, 2, axis))
    same(tg.roll(x, -3), np.roll(x, -3))
    same(tg.flip(x, axis), np.flip(x, axis))
    same(tg.flip(x), np.flip(x))


@given(data=st.data(), dtype=st.sampled_from([np.float32, np.float64, np.int64, np.bool_]))
def test_shapes_and_places(data, dtype):
    x = data.draw(arrays(shapes(1, 4, 1, 3), dtype))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    order = tuple(data.draw(st.permutations(range(x.ndim))))
    same(tg.permute_dims(x, order), x.transpose(order))
    same(tg.moveaxis(x, axis, 0), np.moveaxis(x, axis, 0))
    same(tg.swapaxes(x, axis, 0), np.swapaxes(x, axis, 0))
    same(tg.reshape(x, (-1,)), x.reshape(-1))
    same(tg.flatten(x), x.reshape(-1))
    same(tg.expand_dims(x, axis), np.expand_dims(x, axis))
    same(tg.squeeze(x), np.squeeze(x))
    same(tg.concat([x, x], axis=axis), np.concatenate([x, x], axis=axis))
    same(tg.concat([x, x[0]], axis=None), np.concatenate([x, x[0]], axis=None))
    same(tg.tensor(x)[[]], x[[]])
    same(tg.stack([x, x, x], axis=axis), np.stack([x, x, x], axis=axis))
    same(tg.tile(x, (2, 3)), np.tile(x, (2, 3)))
    same(tg.repeat(x, 2, axis=axis), np.repeat(x, 2, axis=axis))
    same(tg.repeat(x, 3), np.repeat(x, 3))
    same(tg.broadcast_to(x, (2, *x.shape)), np.broadcast_to(x, (2, *x.shape)))
    same(tg.take(x, np.array([0, 0]), axis=axis), np.take(x, [0, 0], axis=axis))
    same(tg.astype(x, np.float32), x.astype(np.float32))
    for ours, theirs in zip(tg.unstack(x, axis=axis), np.moveaxis(x, axis, 0), strict=True):
        same(ours, theirs)
    n = x.shape[axis]
    for ours, theirs in zip(tg.split(x, [1, n - 1], axis=axis), np.split(x, [1], axis=axis), strict=True):
        same(ours, theirs)
    for ours, theirs in zip(tg.broadcast_arrays(x, x[:1]), np.broadcast_arrays(x, x[:1]), strict=True):
        same(ours, theirs)
    widths = [(i, 1) for i in range(x.ndim)]
    same(tg.pad(x, widths), np.pad(x, widths))
    same(tg.pad(x, 1, mode="edge"), np.pad(x, 1, mode="edge"))
    same(tg.pad(x, 1, mode="wrap"), np.pad(x, 1, mode="wrap"))
    if min(x.shape) > 1:
        same(tg.pad(x, 1, mode="reflect"), np.pad(x, 1, mode="reflect"))


@given(data=st.data(), k=st.integers(-2, 2), dtype=FLOATS)
def test_matrices(data, k, dtype):
    x = data.draw(arrays(shapes(2, 4, 1, 4), dtype))
    same(tg.tril(x, k), np.tril(x, k))
    same(tg.triu(x, k), np.triu(x, k))
    same(tg.matrix_transpose(x), np.matrix_transpose(x))
    if -x.shape[-2] < k < x.shape[-1]:
        same(tg.diagonal(x, k), np.diagonal(x, k, -2, -1))
        same(tg.linalg.trace(x, k), np.trace(x, k, -2, -1))
    y = np.swapaxes(x, -1, -2)
    same(tg.matmul(x, y), x @ y)
    same(tg.tensordot(x, y, 1) if x.ndim == 2 else tg.tensordot(x, y, ([-1], [-2])), np.tensordot(x, y, ([-1], [-2])))
    same(tg.vecdot(x, x, axis=-1), np.vecdot(x, x, axis=-1))
    same(tg.outer(x[..., 0], x[..., 0, :]), np.outer(x[..., 0], x[..., 0, :]))
    same(tg.einsum("...ij,...kj->...ik", x, x), x @ y)
    n = min(x.shape[-2:])
    square = x[..., :n, :n] + 9 * np.eye(n, dtype=dtype)
    same(tg.linalg.inv(square), np.linalg.inv(square))
    same(tg.linalg.det(square), np.linalg.det(square))
    for ours, theirs in zip(tg.linalg.slogdet(square), np.linalg.slogdet(square), strict=True):
        same(ours, theirs)
    right = square[..., :1]
    same(tg.linalg.solve(square, right), np.linalg.solve(square, right))
    gram = square @ np.swapaxes(square, -1, -2)
    same(tg.linalg.cholesky(gram), np.linalg.cholesky(gram))
    for p in (1, 2, 3.5, np.inf):
        same(tg.linalg.norm(x, p, axis=-1), np.linalg.norm(x, p, axis=-1))


@given(data=st.data(), shapes=broadcastable(3), dtype=FLOATS)
def test_choices(data, shapes, dtype):
    a, b, c = (data.draw(arrays(shape, dtype)) for shape in shapes)
    same(tg.where(c > 0, a, b), np.where(c > 0, a, b))
    same(tg.clip(a, np.minimum(b, c), np.maximum(b, c)), np.clip(a, np.minimum(b, c), np.maximum(b, c)))
    same(tg.clip(a, -1, 1), np.clip(a, -1, 1))


def test_creation():
    f32 = np.float32
    same(tg.zeros((2, 3)), np.zeros((2, 3), f32))
    same(tg.ones(2, 3, dtype="float64"), np.ones((2, 3)))
    same(tg.full((2,), 7), np.full(2, 7))
    same(tg.full(2, 0.5), np.full(2, 0.5, f32))
    same(tg.arange(5), np.arange(5))
    same(tg.arange(1, 2, 0.25), np.arange(1, 2, 0.25, dtype=f32))
    same(tg.linspace(0, 1, 5, dtype="float64"), np.linspace(0, 1, 5))
    same(tg.linspace(0, 1, 4, endpoint=False), np.linspace(0, 1, 4, endpoint=False, dtype=f32))
    same(tg.eye(2, 3, k=1), np.eye(2, 3, k=1, dtype=f32))
    x = np.arange(6.0).reshape(2, 3)
    same(tg.zeros_like(x), np.zeros_like(x))
    same(tg.ones_like(x, dtype=np.int64), np.ones_like(x, dtype=np.int64))
    same(tg.full_like(x, 4.0), np.full_like(x, 4.0))
    same(tg.asarray(x), x)
    assert tg.empty((2, 3)).shape == tg.empty_like(x).shape == (2, 3)
    for indexing in ("xy", "ij"):
        theirs = np.meshgrid(x[0], x[1], x[0], indexing=indexing)
        for ours, grid in zip(tg.meshgrid(x[0], x[1], x[0], indexing=indexing), theirs, strict=True):
            same(ours, grid)


@pytest.mark.parametrize("n", [3, -2, -3, 8, 9, 12, -9, 3.0, 2**40])
@pytest.mark.parametrize("shape", [(), (9,)])
def test_whole_powers_of_negative_numbers(n, shape):
    """Signs, zeros of either sign, infinities and NaN are those of C's pow; one array, and each number alone."""
    a = np.array([-0.0, 0.0, -1.5, 1.5, -1.0, 0.3, np.inf, -np.inf, np.nan], np.float32)
    with np.errstate(all="ignore"):
        exact = (a.astype(np.float64) ** float(n)).astype(np.float32)
    found = [np.asarray(tg.tensor(x) ** n) for x in (a if shape == () else [a])]
    np.testing.assert_allclose(np.reshape(found, 9), exact, rtol=8 * 2**-23)
    assert (np.signbit(np.reshape(found, 9)) == np.signbit(exact))[:-1].all()


@pytest.mark.parametrize(
    ("shape", "axis"), [((8, 8), 0), ((8, 8), 1), ((3, 64), 1), ((3, 65), 1), ((5, 4, 7), 2), ((9,), 0)]
)
@pytest.mark.parametrize("correction", [0.0, 1.0])
def test_variances_of_few_numbers_far_from_0(shape, axis, correction):
    """As float64's, rounded; of equal numbers exactly 0, and none is left where no number would be divided by."""
    x = 100 + np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x.ravel()[:: x.shape[axis]] = x.max()
    for ours, theirs in ((tg.var, np.var), (tg.std, np.std)):
        exact = theirs(x.astype(np.float64), axis=axis, ddof=correction)
        for keepdims in (False, True):
            found = ours(tg.tensor(x), axis, correction, keepdims)
            assert found.dtype == np.float32
            few = shape[axis] <= 64 and not keepdims
            np.testing.assert_allclose(found.numpy().reshape(exact.shape), exact, rtol=1e-7 if few else 2e-5)
        assert (ours(tg.full(shape, np.float32(0.1)), axis, correction).numpy() == 0).all() or shape[axis] > 64
        assert np.isnan(ours(tg.ones((2, 1)), 1, 1.0).numpy()).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [tg.var, tg.std])
def test_where_more_is_taken_from_their_number_than_there_is_the_variance_is_infinite(function, dtype):
    """As NumPy's, and for few numbers as for many."""
    for n in (4, 200):
        x = np.arange(3 * n, dtype=dtype).reshape(3, n)
        assert (function(tg.tensor(x), 1, n + 1.0).numpy() == np.inf).all()


@pytest.mark.parametrize("order", [None, "fro", 1, 2, 3, np.inf])
def test_norms_of_a_list_of_tensors_are_those_of_its_numbers(order):
    expected = np.linalg.norm([3.0, 4.0], 2 if order == "fro" else order)
    assert tg.linalg.norm([tg.tensor(3.0), tg.tensor(4.0)], order).item() == pytest.approx(expected)


@pytest.mark.parametrize("order", [0.5, 1.5, 3, 6, 7])
def test_norms_of_float32_at_its_limits(order):
    """The least and the greatest numbers there are: no power of them overflows or vanishes."""
    for x in ([[3e-45, 4e-45, 0.0]], [[1e38, -2e38, 1e37]], [[1.0, -2.0, 3.0]], [[np.inf, 1.0, -np.inf]]):
        a = np.array(x, np.float32)
        exact = (np.abs(a.astype(np.longdouble)) ** order).sum(1) ** (np.longdouble(1) / order)
        with np.errstate(over="ignore"):
            exact = exact.astype(np.float32)
        np.testing.assert_allclose(tg.linalg.norm(tg.tensor(a), order, 1).numpy(), exact, rtol=1e-6, atol=1.5e-45)

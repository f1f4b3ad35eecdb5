"""Every operation that PyTorch has too: the same values, gradients and gradients of gradients, in float64."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_comparison import compare, distinct, real  # noqa: E402

import tinygen as tg  # noqa: E402
import tinygen.nn.functional as F  # noqa: E402
from tinygen import ops  # noqa: E402

TF, T = torch.nn.functional, torch.tensor

UNARY = {  # the interval that arguments are drawn from
    "abs": (-2, 2),
    "acos": (-0.9, 0.9),
    "acosh": (1.1, 3),
    "asin": (-0.9, 0.9),
    "asinh": (-2, 2),
    "atan": (-2, 2),
    "atanh": (-0.9, 0.9),
    "ceil": (-2, 2),
    "cos": (-2, 2),
    "cosh": (-2, 2),
    "digamma": (0.3, 5),
    "erf": (-2, 2),
    "exp": (-2, 2),
    "exp2": (-2, 2),
    "expm1": (-2, 2),
    "floor": (-2, 2),
    "isfinite": (-2, 2),
    "isinf": (-2, 2),
    "isnan": (-2, 2),
    "lgamma": (0.3, 5),
    "log": (0.1, 3),
    "log10": (0.1, 3),
    "log1p": (-0.9, 3),
    "log2": (0.1, 3),
    "logical_not": (-2, 2),
    "negative": (-2, 2),
    "positive": (-2, 2),
    "reciprocal": (0.2, 3),
    "relu": (-2, 2),
    "round": (-2, 2),
    "sigmoid": (-5, 5),
    "sign": (-2, 2),
    "signbit": (-2, 2),
    "sin": (-2, 2),
    "sinh": (-2, 2),
    "sqrt": (0.1, 3),
    "square": (-2, 2),
    "tan": (-1, 1),
    "tanh": (-2, 2),
    "trunc": (-2, 2),
}
ACTIVATIONS = ["elu", "gelu", "leaky_relu", "silu", "softplus"]
BINARY = {  # ours -> PyTorch's name, and the two intervals
    "add": ("add", (-2, 2), (-2, 2)),
    "atan2": ("atan2", (0.3, 2), (-2, -0.3)),
    "copysign": ("copysign", (0.3, 2), (-2, -0.3)),
    "divide": ("divide", (-2, 2), (0.3, 2)),
    "equal": ("eq", (-2, 2), (-2, 2)),
    "greater": ("greater", (-2, 2), (-2, 2)),
    "greater_equal": ("greater_equal", (-2, 2), (-2, 2)),
    "hypot": ("hypot", (0.3, 2), (-2, 2)),
    "less": ("less", (-2, 2), (-2, 2)),
    "less_equal": ("less_equal", (-2, 2), (-2, 2)),
    "logaddexp": ("logaddexp", (-2, 2), (-2, 2)),
    "logical_and": ("logical_and", (-2, 2), (-2, 2)),
    "logical_or": ("logical_or", (-2, 2), (-2, 2)),
    "logical_xor": ("logical_xor", (-2, 2), (-2, 2)),
    "maximum": ("maximum", (-2, 2), (-2, 2)),
    "minimum": ("minimum", (-2, 2), (-2, 2)),
    "multiply": ("multiply", (-2, 2), (-2, 2)),
    "not_equal": ("not_equal", (-2, 2), (-2, 2)),
    "pow": ("pow", (0.3, 2), (-2, 2)),
    "power": ("pow", (0.3, 2), (-2, 2)),
    "remainder": ("remainder", (0.3, 2), (2.5, 4)),
    "subtract": ("subtract", (-2, 2), (-2, 2)),
}
INTEGERS = {
    "bitwise_and": "bitwise_and",
    "bitwise_left_shift": "bitwise_left_shift",
    "bitwise_or": "bitwise_or",
    "bitwise_right_shift": "bitwise_right_shift",
    "bitwise_xor": "bitwise_xor",
    "floor_divide": "floor_divide",
}
INDEX = np.array([[2, 0], [1, 2]])
MASK = np.array([[True, False, True], [False, True, True]])
REGULAR = 4 * np.eye(3)
MATRIX = real(2, 3, 3) + REGULAR

ALIKE = [  # name, one function of the module, arguments
    ("clip", lambda m, x: m.clip(x, -0.5, 0.7), real(3, 4)),
    ("matmul", lambda m, a, b: m.matmul(a, b), real(2, 3, 4), real(4, 2)),
    ("matmul", lambda m, a, b: m.matmul(a, b), real(4), real(5, 4, 2)),
    ("outer", lambda m, a, b: m.outer(a, b), real(3), real(2)),
    ("einsum", lambda m, a, b: m.einsum("bij,kj->bik", a, b), real(2, 3, 4), real(5, 4)),
    ("tensordot", lambda m, a, b: m.tensordot(a, b, 2), real(2, 3, 4), real(3, 4, 5)),
    ("reshape", lambda m, x: m.reshape(x, (4, -1)), real(2, 3, 2)),
    ("matrix_transpose", lambda m, x: x.mT, real(2, 3, 4)),
    ("swapaxes", lambda m, x: m.swapaxes(x, 0, 2), real(2, 3, 4)),
    ("moveaxis", lambda m, x: m.moveaxis(x, 0, 2), real(2, 3, 4)),
    ("concat", lambda m, a, b: m.concat([a, b, a], 1), real(2, 3), real(2, 1)),
    ("stack", lambda m, a, b: m.stack([a, b], 1), real(2, 3), real(2, 3, seed=1)),
    ("split", lambda m, x: m.split(x, 2, 1)[1], real(2, 5)),
    ("flip", lambda m, x: m.flip(x, [1]), real(2, 3)),
    ("roll", lambda m, x: m.roll(x, (1, -2), (0, 1)), real(3, 4)),
    ("tile", lambda m, x: m.tile(x, (2, 3)), real(2, 3)),
    ("squeeze", lambda m, x: m.squeeze(x, 1), real(2, 1, 3)),
    ("flatten", lambda m, x: m.flatten(x, 1), real(2, 3, 4)),
    ("broadcast_to", lambda m, x: m.broadcast_to(x, (2, 3, 4)), real(3, 1)),
    ("getitem", lambda m, x: x[1:, ::2, None], real(3, 5)),
    ("argsort", lambda m, x: m.argsort(x, 0), distinct(4, 2)),
    ("tril", lambda m, x: m.tril(x, 1), real(3, 4)),
    ("triu", lambda m, x: m.triu(x, -1), real(3, 4)),
    ("searchsorted", lambda m, x, v: m.searchsorted(x, v), np.array([-1.0, -0.5, 0.5, 1.0]), real(5)),
    ("sum", lambda m, x: m.sum(x, (0, 2)), real(2, 3, 4)),
    ("mean", lambda m, x: m.mean(x, 1), real(2, 3, 4)),
    ("var", lambda m, x: m.var(x, 1, correction=0), real(2, 5)),
    ("var", lambda m, x: m.var(x, 1, correction=1), real(2, 5)),
    ("std", lambda m, x: m.std(x, 1, correction=1), real(2, 5)),
    ("prod", lambda m, x: m.prod(x, 1), real(2, 4)),
    ("argmax", lambda m, x: m.argmax(x, 1), distinct(3, 4)),
    ("argmin", lambda m, x: m.argmin(x, 1), distinct(3, 4)),
    ("any", lambda m, x: m.any(x > 1, 1), real(3, 4)),
    ("all", lambda m, x: m.all(x < 1, 1), real(3, 4)),
    ("count_nonzero", lambda m, x: m.count_nonzero(x, 1), np.array([[0.0, 2], [1, 3]])),
    ("logsumexp", lambda m, x: m.logsumexp(x, 1), real(3, 4)),
    ("cumsum", lambda m, x: m.cumsum(x, 1), real(3, 4)),
    ("softmax", lambda m, x: m.softmax(x, 1), real(3, 4)),
    ("log_softmax", lambda m, x: m.log_softmax(x, 0), real(3, 4)),
    ("linalg.inv", lambda m, a: m.linalg.inv(a), MATRIX),
    ("linalg.solve", lambda m, a, b: m.linalg.solve(a, b), real(3, 3) + REGULAR, real(3, 2)),
    ("linalg.det", lambda m, a: m.linalg.det(a), MATRIX),
    ("linalg.slogdet", lambda m, a: m.linalg.slogdet(a)[1], MATRIX),
    ("linalg.cholesky", lambda m, a: m.linalg.cholesky(a @ a.mT), MATRIX),
    ("linalg.norm", lambda m, a: m.linalg.norm(a), real(2, 3)),
]

OTHERWISE = [  # name, ours, PyTorch's, arguments
    ("where", lambda a, b: tg.where(MASK, a, b), lambda a, b: torch.where(T(MASK), a, b), real(2, 3), real(3)),
    ("vecdot", tg.vecdot, torch.linalg.vecdot, real(2, 3), real(2, 3, seed=1)),
    ("permute_dims", lambda x: tg.permute_dims(x, (2, 0, 1)), lambda x: x.permute(2, 0, 1), real(2, 3, 4)),
    ("unstack", lambda x: tg.unstack(x, 1)[2], lambda x: x.unbind(1)[2], real(2, 5)),
    ("repeat", lambda x: tg.repeat(x, 3, 1), lambda x: x.repeat_interleave(3, 1), real(2, 3)),
    ("expand_dims", lambda x: tg.expand_dims(x, 1), lambda x: x.unsqueeze(1), real(2, 3)),
    ("broadcast_arrays", tg.broadcast_arrays, torch.broadcast_tensors, real(3, 1), real(2)),
    ("pad", lambda x: tg.pad(x, ((0, 0), (1, 2))), lambda x: TF.pad(x, (1, 2)), real(2, 3)),
    ("take", lambda x: tg.take(x, INDEX, 1), lambda x: x[:, T(INDEX)], real(2, 3)),
    ("take_along_axis", lambda x: tg.take_along_axis(x, INDEX, 1), lambda x: x.take_along_dim(T(INDEX), 1), real(2, 3)),
    ("getitem", lambda x: x[MASK], lambda x: x[T(MASK)], real(2, 3)),
    ("sort", lambda x: tg.sort(x, 1, True), lambda x: x.sort(1, descending=True).values, distinct(2, 5)),
    ("diagonal", lambda x: tg.diagonal(x, 1), lambda x: x.diagonal(1, -2, -1), real(2, 3, 4)),
    ("unique_values", tg.unique_values, torch.unique, np.array([2.0, 1.0, 2.0])),
    ("nonzero", tg.nonzero, lambda x: x.nonzero(as_tuple=True), np.array([[0.0, 2.0], [3.0, 0.0]])),
    ("max", lambda x: tg.max(x, 1), lambda x: x.amax(1), distinct(3, 4)),
    ("min", lambda x: tg.min(x, 0), lambda x: x.amin(0), distinct(3, 4)),
    ("cumulative_sum", lambda x: tg.cumulative_sum(x, 0), lambda x: x.cumsum(0), real(3, 4)),
    ("cumulative_prod", lambda x: tg.cumulative_prod(x, 1), lambda x: x.cumprod(1), real(3, 4)),
    ("diff", lambda x: tg.diff(x, axis=1), lambda x: x.diff(dim=1), real(3, 4)),
    ("polygamma", lambda x: tg.polygamma(2, x), lambda x: torch.polygamma(2, x), real(3, 4, low=0.3, high=5)),
    ("linalg.trace", tg.linalg.trace, torch.trace, real(3, 3)),
]

# what has no counterpart in PyTorch, or makes arrays from nothing
APART = {
    "arange",
    "asarray",
    "astype",
    "bitwise_invert",
    "can_cast",
    "empty",
    "empty_like",
    "eye",
    "finfo",
    "full",
    "full_like",
    "iinfo",
    "isdtype",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "result_type",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "zeros",
    "zeros_like",
}


def test_every_public_operation_is_compared():
    compared = {*UNARY, *ACTIVATIONS, *BINARY, *INTEGERS, *(name for name, *_ in [*ALIKE, *OTHERWISE])}
    functions = {name for name in ops.__all__ if callable(getattr(ops, name))}
    assert functions - compared == APART


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_array(name):
    low, high = UNARY[name]
    compare(getattr(tg, name), getattr(torch, name), real(3, 4, low=low, high=high))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    compare(getattr(F, name), getattr(TF, name), real(3, 4, low=-4, high=4))


@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_arrays_that_broadcast(name):
    theirs, (a, b), (c, d) = BINARY[name]
    compare(getattr(tg, name), getattr(torch, theirs), real(2, 3, 1, low=a, high=b), real(4, low=c, high=d, seed=5))


@pytest.mark.parametrize("name", INTEGERS)
def test_functions_of_two_integer_arrays(name):
    compare(getattr(tg, name), getattr(torch, INTEGERS[name]), np.array([13, 6, 9]), np.array([3, 1, 2]))


@pytest.mark.parametrize("case", ALIKE, ids=lambda case: case[0])
def test_functions_of_one_name_and_form(case):
    _, fn, *arguments = case
    compare(lambda *xs: fn(tg, *xs), lambda *xs: fn(torch, *xs), *arguments)


def first(fn):
    """The first result of a function that gives several."""

    def of(*xs):
        y = fn(*xs)
        return y[0] if isinstance(y, tuple) else y

    return of


@pytest.mark.parametrize("case", OTHERWISE, ids=lambda case: case[0])
def test_functions_that_pytorch_calls_otherwise(case):
    _, ours, theirs, *arguments = case
    compare(first(ours), first(theirs), *arguments)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_borders(mode):
    compare(lambda x: tg.pad(x, ((0, 0), (0, 0), (2, 1)), mode), lambda x: TF.pad(x, (2, 1), mode), real(2, 3, 4))


CONVOLUTIONS = [  # stride, padding, dilation, groups
    (1, 0, 1, 1),
    (2, 1, 1, 1),
    ((1, 2), (2, 1), (2, 1), 2),
    (1, 1, 1, 4),
]


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), CONVOLUTIONS)
def test_convolution(stride, padding, dilation, groups):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x, w, b = real(2, 4, 6, 7), real(8, 4 // groups, 3, 2), real(8)
    compare(lambda x, w, b: F.conv2d(x, w, b, **options), lambda x, w, b: TF.conv2d(x, w, b, **options), x, w, b)


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), CONVOLUTIONS)
def test_transposed_convolution(stride, padding, dilation, groups):
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    options["output_padding"] = 1 if stride == 2 else 0
    x, w, b = real(2, 4, 4, 5), real(4, 8 // groups, 3, 2), real(8)
    compare(
        lambda x, w, b: F.conv_transpose2d(x, w, b, **options),
        lambda x, w, b: TF.conv_transpose2d(x, w, b, **options),
        x,
        w,
        b,
    )


@pytest.mark.parametrize("masked", ["none", "causal", "boolean", "added"])
def test_attention(masked):
    rng = np.random.default_rng(0)
    q, k, v = real(2, 3, 4, 5), real(2, 3, 6, 5), real(2, 3, 6, 7)
    mask = {"boolean": rng.random((4, 6)) < 0.7, "added": rng.normal(size=(2, 1, 4, 6))}.get(masked)
    if masked == "boolean":
        mask[:, 0] = True
    causal = masked == "causal"
    compare(
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, mask, causal),
        lambda q, k, v: TF.scaled_dot_product_attention(q, k, v, None if mask is None else T(mask), 0.0, causal),
        q,
        k,
        v,
    )


def test_normalisations():
    x, last, other = real(3, 4, 2, 5), real(2, 5), real(2, 5, seed=2)
    channels = x, real(4), real(4, seed=1)

    def group(f):
        return lambda x, w, b: f.group_norm(x, 2, w, b)

    def batch(f):
        return lambda x, w, b: f.batch_norm(x, None, None, w, b, True)

    def instance(f):
        return lambda x, w, b: f.instance_norm(x, weight=w, bias=b)

    def layer(f):
        return lambda x, w, b: f.layer_norm(x, (2, 5), w, b)

    def rms(f):
        return lambda x, w: f.rms_norm(x, (2, 5), w)

    for norm in (group, batch, instance):
        compare(norm(F), norm(TF), *channels)
    compare(layer(F), layer(TF), x, last, other)
    compare(rms(F), rms(TF), x, last)


def test_batch_norm_by_running_statistics():
    mean, var = real(4), real(4, low=0.5)
    compare(
        lambda x, w, b: F.batch_norm(x, tg.tensor(mean), tg.tensor(var), w, b),
        lambda x, w, b: TF.batch_norm(x, T(mean), T(var), w, b),
        real(3, 4, 2, 2),
        real(4, seed=1),
        real(4, seed=2),
    )


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, None, 0), (3, 2, 1), ((3, 2), (1, 2), (1, 0))])
def test_pooling(kernel, stride, padding):
    x = distinct(2, 3, 6, 7)
    compare(lambda x: F.max_pool2d(x, kernel, stride, padding), lambda x: TF.max_pool2d(x, kernel, stride, padding), x)
    compare(lambda x: F.avg_pool2d(x, kernel, stride, padding), lambda x: TF.avg_pool2d(x, kernel, stride, padding), x)


def test_dilated_maximum():
    x = distinct(2, 3, 7, 7)
    compare(lambda x: F.max_pool2d(x, 2, 1, 1, 2), lambda x: TF.max_pool2d(x, 2, 1, 1, 2), x)


RESIZED = [{"scale_factor": 2.0}, {"size": (5, 9)}, {"size": (3, 2)}, {"scale_factor": (1.5, 0.6)}, {"scale_factor": 3}]


@pytest.mark.parametrize("options", RESIZED, ids=str)
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "aligned"])
def test_interpolation(mode, options):
    options = {**options, "mode": "bilinear" if mode == "aligned" else mode}
    aligned = {"align_corners": True} if mode == "aligned" else {}
    compare(
        lambda x: F.interpolate(x, **options, **aligned),
        lambda x: TF.interpolate(x, **options, **aligned),
        real(2, 3, 4, 5),
    )


LOSSES = ["mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy_with_logits"]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_two_arrays(name, reduction):
    ours, theirs = getattr(F, name), getattr(TF, name)
    compare(
        lambda x, t: ours(x, t, reduction=reduction),
        lambda x, t: theirs(x, t, reduction=reduction),
        real(3, 4, low=-4, high=4),
        real(3, 4, low=0, high=1),
    )


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(), (4,), (4, 3), (2, 3, 2)], ids=str)
def test_cross_entropy_with_classes(shape, reduction):
    target = np.random.default_rng(0).integers(0, 5, shape)
    logits = real(*shape[:1], 5, *shape[1:])
    compare(
        lambda x, t: F.cross_entropy(x, t, reduction=reduction),
        lambda x, t: TF.cross_entropy(x, t, reduction=reduction),
        logits,
        np.asarray(target),
    )


def test_cross_entropy_with_probabilities():
    p = np.random.default_rng(0).dirichlet(np.ones(5), 4)
    compare(lambda x: F.cross_entropy(x, p), lambda x: TF.cross_entropy(x, T(p)), real(4, 5))


def test_tables_and_affine_maps():
    compare(F.linear, TF.linear, real(2, 3, 4), real(5, 4), real(5))
    compare(lambda w: F.embedding(INDEX, w), lambda w: TF.embedding(T(INDEX), w), real(3, 4))
    compare(lambda x: F.one_hot(x, 4), lambda x: TF.one_hot(x, 4), INDEX)

"""Sample inputs for every differentiable operation, away from its singular points (test_singular.py has those).

`UNARY` and `BINARY` give the interval each argument is drawn from, so that every shape and layout can be drawn;
`CASES` are calls of everything else: a function of tensors and its arguments.
"""

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygen import ops
from tinygen.autodiff.transforms import alias
from tinygen.kernels.definitions.pooling import windows
from tinygen.ops import (
    attention,
    contraction,
    convolution,
    doubling,
    elementwise,
    gate,
    indexing,
    joining,
    linalg,
    linear,
    losses,
    manipulation,
    normalisation,
    pooling,
    sorting,
    trigonometry,
)
from tinygen.ops import reduction as red
from tinygen.ops.softmax import cross_entropy_rows, log_softmax, softmax
from tinygen.ops.special import digamma, lgamma, polygamma

_seed = itertools.count()


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Uniform entries, the same in every run."""
    return np.asarray(np.random.default_rng(next(_seed)).uniform(low, high, shape))


def distinct(*shape: int) -> np.ndarray:
    """Entries at least 0.1 apart: no ties near."""
    count = int(np.prod(shape))
    return np.random.default_rng(next(_seed)).permutation(count).reshape(shape) * 0.1 - 0.37


def positive_definite(n: int, *stack: int) -> np.ndarray:
    a = real(*stack, n, n)
    return a @ a.swapaxes(-1, -2) + n * np.eye(n)


Interval = tuple[float, float]

UNARY: dict[str, Interval] = {
    "abs": (0.2, 2),
    "acos": (-0.8, 0.8),
    "acosh": (1.3, 3),
    "alias": (-2, 2),
    "asin": (-0.8, 0.8),
    "asinh": (-2, 2),
    "atan": (-2, 2),
    "atanh": (-0.8, 0.8),
    "ceil": (1.1, 1.9),
    "cos": (-2, 2),
    "cosh": (-2, 2),
    "elu": (-2, -0.1),
    "erf": (-2, 2),
    "exp": (-2, 2),
    "exp2": (-2, 2),
    "expm1": (-2, 2),
    "floor": (1.1, 1.9),
    "gelu": (-3, 3),
    "leaky_relu": (-2, -0.1),
    "log": (0.5, 3),
    "log10": (0.5, 3),
    "log1p": (-0.5, 3),
    "log2": (0.5, 3),
    "negative": (-2, 2),
    "normal_cdf": (-3, 3),
    "positive": (-2, 2),
    "reciprocal": (0.5, 2),
    "relu": (0.1, 2),
    "round": (1.1, 1.4),
    "sigmoid": (-3, 3),
    "sign": (0.2, 2),
    "silu": (-3, 3),
    "sin": (-2, 2),
    "sinh": (-2, 2),
    "softplus": (-3, 3),
    "sqrt": (0.5, 3),
    "square": (-2, 2),
    "tan": (-1, 1),
    "tanh": (-2, 2),
    "trunc": (1.1, 1.9),
}

BINARY: dict[str, tuple[Interval, Interval]] = {
    "add": ((-2, 2), (-2, 2)),
    "atan2": ((-2, 2), (0.5, 2)),
    "copysign": ((0.2, 2), (-2, -0.2)),
    "divide": ((-2, 2), (0.5, 2)),
    "floor_divide": ((2.2, 2.4), (0.95, 1.05)),
    "hypot": ((0.5, 2), (-2, -0.5)),
    "logaddexp": ((-2, 2), (-2, 2)),
    "maximum": ((0, 1), (1.2, 2)),
    "minimum": ((0, 1), (1.2, 2)),
    "multiply": ((-2, 2), (-2, 2)),
    "power": ((0.5, 2), (-2, 3)),
    "remainder": ((2.2, 2.4), (0.95, 1.05)),
    "subtract": ((-2, 2), (-2, 2)),
}

NOT_DIFFERENTIABLE = {
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
    *("logical_and", "logical_or", "logical_xor", "logical_not"),
    *("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "invert"),
    *("isnan", "isinf", "isfinite", "signbit", "any", "all", "argmax", "argmin", "count_nonzero"),
    *("argsort", "searchsorted"),
}


class Case(NamedTuple):
    """A call of an operation: the arrays among its arguments are differentiated."""

    name: str
    fn: Callable[..., Any]
    arguments: tuple[Any, ...]


def case(op: Any, *arguments: Any, fn: Callable[..., Any] | None = None) -> Case:
    return Case(op.name, fn or op, arguments)


_MASK = np.array([[True, False, True], [False, True, True]])
_LABELS = np.array([2, 0, 1])
_DISTINCT = np.arange(12) * 5 % 12 * 0.3
_INDEX = np.array([0, 2, 2])
_RUNNING = (real(2), real(2, low=0.5), 0.1)
_CAUSAL = (real(2, 3, 2), real(2, 3, 2), real(2, 3, 2))

CASES: list[Case] = [
    # elementwise, with static arguments or a condition
    case(elementwise.where, _MASK, real(2, 3), real(2, 3)),
    case(elementwise.where, _MASK, real(3), real(2, 1)),
    case(elementwise.scaled_where, real(2, 3), _MASK, 1.25),
    case(elementwise.clip, distinct(2, 3), -0.3, 0.05),
    case(elementwise.clip, distinct(2, 3), distinct(3) - 0.25, distinct(2, 1) + 0.35),
    case(elementwise.clip, distinct(4), None, 0.0),
    case(elementwise.leaky_relu, real(4, low=0.2), 0.3),
    case(elementwise.elu, real(4, low=0.2), 0.7),
    case(elementwise.relu, real(4, low=-2, high=-0.2)),
    case(elementwise.power, real(2, 3), 3),
    case(elementwise.power, real(2, 3), 2),
    case(elementwise.power, real(2, 3, low=0.5), -1.5),
    case(elementwise.power, np.array(1.7), real(2, 3)),
    case(elementwise.power, 1.7, real(2, 3)),
    case(elementwise.power, real(3, low=0.5), np.zeros(3)),
    case(elementwise.abs, real(4, low=-2, high=-0.2)),
    # shapes and places
    case(manipulation.reshape, real(2, 3), (3, -1)),
    case(manipulation.permute_dims, real(2, 3, 1), (2, 0, 1)),
    case(manipulation.matrix_transpose, real(2, 3, 1)),
    case(manipulation.expand_dims, real(2, 3), (0, -1)),
    case(manipulation.squeeze, real(1, 2, 1), 0),
    case(manipulation.flatten, real(2, 3, 2), 1),
    case(manipulation.broadcast_to, real(3, 1), (2, 3, 2)),
    case(joining._concat, real(2, 3), real(1, 3), fn=lambda a, b: joining.concat([a, b, a])),
    case(joining._concat, real(2, 3), real(2, 1), fn=lambda a, b: joining.concat((a, b), axis=-1)),
    case(joining._stack, real(2, 3), real(2, 3), fn=lambda a, b: joining.stack([a, b, a], axis=1)),
    case(joining._stack, real(2, 3), real(2, 3), fn=lambda a, b: joining.stack((a, b), axis=-1)),
    case(manipulation.repeated, real(2, 3), (2, 1, 3), (2, 2, 3)),
    case(manipulation.flip, real(2, 3)),
    case(manipulation.flip, real(2, 3), -1),
    case(manipulation.roll, real(2, 3), 4),
    case(manipulation.roll, real(2, 3), (1, -2), (0, 1)),
    case(manipulation.astype, real(2, 3), fn=lambda x: manipulation.astype(x, np.float64)),
    case(manipulation._to_device, real(3), fn=lambda x: manipulation._to_device(x, _device(), _device())),
    case(manipulation._pad_constant, real(2, 3), fn=lambda x: ops.pad(x, ((1, 0), (2, 1)), constant_values=0.5)),
    case(indexing.diagonal, real(2, 3, 4), 1),
    case(indexing.diagonal, real(4, 3), -2),
    case(indexing.on_diagonal, real(2, 2), (2, 3, 4), 2),
    case(indexing.on_diagonal, real(2), (4, 3), -2),
    case(linalg.trace, real(2, 4, 3), -1),
    case(indexing._getitem, real(4, 3), fn=lambda x: x[1:, ::-2]),
    case(indexing._getitem, real(4, 3), fn=lambda x: x[_INDEX, [0, 1, 1]]),
    case(indexing._getitem, real(2, 3), fn=lambda x: x[_MASK]),
    case(indexing._getitem, real(2, 4, 3), fn=lambda x: x[..., None, _INDEX, 0]),
    case(indexing._triangle, real(2, 3, 4), -1, True),
    case(indexing._triangle, real(3, 2), 0, False),
    case(sorting.sort, _DISTINCT.reshape(2, 3, 2), 1),
    case(sorting.sort, _DISTINCT, fn=lambda x: sorting.sort(x, descending=True)),
    case(indexing.scatter_add, real(3), fn=lambda g: indexing.scatter_add(g, (_INDEX, _INDEX), (3, 4))),
    case(indexing.scatter_add, real(2, 3), fn=lambda g: indexing.scatter_add(g, slice(1, 3), (4, 3))),
    case(indexing.taken, real(4, 3), fn=lambda x: x[_INDEX]),
    case(indexing.taken, real(2, 4, 3), fn=lambda x: x[:, np.array([[-1, 0], [3, 3]])]),
    case(indexing.taken, real(2, 4), np.array([[1, 1, -4], [3, 0, 0]]), 1, True),
    case(indexing.add_taken, real(2, 3, 2), np.array([-1, 0, 3]), 1, 4),
    case(indexing.add_taken, real(3, 2), np.array([[-1, 0], [3, 3], [1, 3]]), 0, 4, True),
    # reductions
    case(red.sum, real(2, 3)),
    case(red.sum, real(2, 3, 2), (0, -1), True),
    case(red.max, distinct(2, 3), 1),
    case(red.max, distinct(2, 3, 2), (0, 2), True),
    case(red.min, distinct(2, 3)),
    case(red.min, distinct(2, 3), 0, True),
    case(red.vector_norm, real(2, 3)),
    case(red.vector_norm, real(2, 3), -1, True),
    case(red.vector_norm, real(2, 3, 2), (0, 1)),
    case(red.logsumexp, real(2, 3)),
    case(red.logsumexp, real(2, 3, 2), (0, 2), True),
    case(red.logsumexp, real(2, 3), 1),
    case(red.mean, real(2, 3)),
    case(red.mean, real(2, 3, 2), (0, -1), True),
    case(red.var, real(2, 3)),
    case(red.var, real(2, 3, 2), (0, -1), 1.0, True),
    case(red.std, real(2, 3)),
    case(red.std, real(2, 3, 2), (0, -1), 1.0, True),
    case(red.prod, real(2, 3)),
    case(red.prod, real(2, 3, 2), (0, -1), True),
    case(red.prod, real(2, 3) * [0.0, 1.0, 0.0], 1),
    case(red._cumulative_sum, real(2, 3), 1, False),
    case(red._cumulative_sum, real(2, 3), 0, True),
    case(red._products_before, real(2, 3), 1, False),
    case(red._products_before, real(3, 2) * [[0.0], [1.0], [0.0]], 0, True),
    case(red._cumulative_prod, real(2, 3), 1),
    case(red._cumulative_prod, real(3, 2) * [[0.0], [1.0], [0.0]], 0),
    case(red._states_before, real(2, 3), real(2, 3), 1, False),
    case(red._states_before, real(3, 2), real(3, 2), 0, True),
    case(red._difference, real(2, 3), 1),
    case(red._difference, real(3, 2), 0),
    # products
    case(linalg.matmul, real(2, 3), real(3, 2)),
    case(linalg.matmul, real(2, 1, 2, 3), real(4, 3, 1)),
    case(linalg.matmul, real(3), real(3)),
    case(linalg.matmul, real(3), real(2, 3, 4)),
    case(linalg.matmul, real(2, 4, 3), real(3)),
    case(linear.linear, real(2, 3), real(4, 3), real(4)),
    case(linear.linear, real(2, 1, 3), real(4, 3)),
    case(linear.linear, real(3), real(4, 3), real(4)),
    case(contraction._einsum, real(2, 3), real(3, 4), fn=lambda a, b: ops.einsum("ij,jk->ki", a, b)),
    case(contraction._einsum, real(2, 3, 4), real(2, 3, 5), fn=lambda a, b: ops.einsum("bik,bij->jbk", a, b)),
    case(contraction._einsum, real(3), real(2, 3), fn=lambda a, b: ops.einsum("j,ij->ji", a, b)),
    case(contraction._einsum, real(3), real(2), fn=lambda a, b: ops.einsum("j,i->ij", a, b)),
    case(contraction._einsum, real(2, 3, 2), fn=lambda a: ops.einsum("ijk->ki", a)),
    case(contraction._einsum, real(2, 3), real(3, 2), fn=lambda a, b: ops.einsum("ij,jk->j", a, b)),
    case(contraction._einsum, real(3), real(1), fn=lambda a, b: ops.einsum("i,i->", a, b)),
    case(contraction._einsum, real(3, 3), fn=lambda a: ops.einsum("ii->i", a)),
    case(contraction._einsum, real(3, 3, 2), fn=lambda a: ops.einsum("iij->j", a)),
    case(contraction._einsum, real(2, 3), fn=lambda a: ops.einsum("ij->", a)),
    case(contraction._einsum, real(2, 3), real(3), real(3, 2), fn=lambda a, b, c: ops.einsum("ij,j,jk->ik", a, b, c)),
    case(contraction._einsum, real(2, 1, 3), real(4, 3), fn=lambda a, b: ops.einsum("...i,...i->...", a, b)),
    case(contraction._einsum, real(2, 2, 3), real(3), fn=lambda a, b: ops.einsum("...ij,j", a, b)),
    case(contraction._einsum, real(3, 3), real(3, 3), fn=lambda a, b: ops.einsum("ij,ji", a, b)),
    case(linalg.inv, real(3, 3) + 3 * np.eye(3)),
    case(linalg._solve, real(2, 3, 3) + 3 * np.eye(3), real(2, 3, 2)),
    case(linalg._solve, real(3, 3) + 3 * np.eye(3), real(2, 3, 1)),
    case(linalg._logabsdet, real(2, 3, 3) + 3 * np.eye(3), fn=lambda a: ops.linalg.slogdet(a).logabsdet),
    case(linalg.det, real(3, 3) + 2 * np.eye(3)),
    case(
        linalg.cholesky,
        positive_definite(3),
        fn=lambda a: ops.linalg.cholesky(0.5 * (a + a.mT)),  # differences must stay among symmetric matrices
    ),
    case(linalg._lower_half, real(2, 3, 3)),
    case(linalg._lower_inverse, real(2, 3, 3) + 3 * np.eye(3), fn=lambda a: linalg._lower_inverse(ops.tril(a))),
    case(linalg._p_norm, distinct(2, 3) + 0.05, 3.0, None, False),
    case(linalg._p_norm, distinct(2, 3) + 0.05, 1.5, (1,), True),
    case(linalg._outer, real(3), real(2)),
    case(linalg._inner, real(2, 3), real(2, 3)),
    # fused
    case(softmax, real(2, 4)),
    case(softmax, real(3, 2), 0),
    case(log_softmax, real(2, 4)),
    case(log_softmax, real(3, 2), 0),
    case(cross_entropy_rows, real(3, 4), _LABELS),
    case(cross_entropy_rows, real(3, 4), _LABELS, 0.25),
    case(gate._gate, real(2, 4, 2)),
    case(losses.squared_distance, real(2, 3), real(2, 3)),
    case(losses.mean_squared_distance, real(2, 3), real(2, 3)),
    case(losses.squared_difference, real(2, 3), real(2, 3)),
    case(losses.absolute_distance, real(2, 3, low=1.5, high=2), real(2, 3)),
    case(losses.mean_absolute_distance, real(2, 3), real(2, 3, low=1.5, high=2)),
    case(losses.absolute_difference, real(2, 3), real(2, 3, low=1.5, high=2)),
    case(losses.huber_in_all, real(2, 3), real(2, 3), 0.7),
    case(losses.mean_huber, real(2, 3), real(2, 3, low=1.5, high=2), 0.7),
    case(losses.huber, real(2, 3), real(3), 0.7),
    case(losses.squared_distance_by_example, real(2, 3), real(3)),
    case(losses.logistic_loss_in_all, real(2, 3), real(2, 3, low=0.0, high=1.0)),
    case(losses.mean_logistic_loss, real(2, 3), real(2, 3, low=0.0, high=1.0)),
    case(losses.logistic_loss, real(2, 3), real(3, low=0.0, high=1.0)),
    case(attention._attention, *_CAUSAL, None, False, 0.7),
    case(attention._attention, *_CAUSAL, None, True, 0.7),
    case(attention._attention, real(2, 2, 2), real(2, 3, 2), real(2, 3, 1), _MASK, False, 0.7),
    case(normalisation.batch_norm, real(3, 2, 2), real(2), real(2), 1e-3),
    case(normalisation.batch_norm, real(4, 2), None, None, 1e-3),
    case(normalisation.batch_norm, real(3, 2, 2), real(2), real(2), 1e-3, None, 0.2),
    case(normalisation.batch_norm, real(3, 2, 2), real(2), None, 1e-3, None, 0.0),
    case(normalisation.batch_norm, real(3, 2, 2), real(2), real(2), 1e-3, _RUNNING, 1.0, False),
    case(normalisation.batch_norm, real(3, 2), real(2), None, 1e-3, _RUNNING, 0.2, False),
    case(normalisation.group_norm, real(2, 4, 3), real(4), real(4), 2, 1e-3),
    case(normalisation.group_norm, real(2, 4, 2, 2), real(4), real(4), 2, 1e-3, True),
    case(normalisation.group_norm, real(2, 2, 3), None, None, 2, 1e-3),
    case(normalisation.layer_norm, real(2, 4), real(4), real(4), 1, 1e-3),
    case(normalisation.layer_norm, real(2, 2, 3), None, None, 2, 1e-3),
    case(normalisation.rms_norm, real(2, 4), real(4), 1, 1e-3),
    case(normalisation.rms_norm, real(2, 2, 3), None, 2, 1e-3),
]

_GEOMETRIES = [  # stride, padding, dilation, groups, input size
    ((1, 1), (0, 0), (1, 1), 1, (4, 4)),
    ((2, 1), (1, 0), (1, 1), 1, (5, 4)),
    ((1, 2), (2, 1), (2, 1), 2, (5, 5)),
]
for _stride, _padding, _dilation, _groups, _size in _GEOMETRIES:
    _x, _w = real(1, 2, *_size), real(2, 2 // _groups, 3, 2)
    _rest = (_stride, _padding, _dilation, _groups)
    _out = convolution._conv2d(_x, _w, None, *_rest).shape
    CASES += [
        case(
            convolution._rectified,
            real(2, 3, 4, 4),
            real(2, 3, 3, 3),
            fn=lambda x, w: convolution.conv2d(x, w, padding=1, negative_slope=0.2),
        ),
        case(
            convolution._rectified,
            real(2, 3, 4, 4),
            real(2, 3, 3, 3),
            real(2),
            fn=lambda x, w, b: convolution.conv2d(x, w, b, stride=2, negative_slope=0.0),
        ),
        case(convolution._conv2d, _x, _w, real(2), *_rest),
        case(convolution._conv2d, _x, _w, None, *_rest),
        case(convolution._conv2d, real(2, 2, *_size), _w, real(2, 2), *_rest),
        case(convolution._conv_transpose2d, real(*_out), _w, real(2), _size, *_rest),
        case(
            convolution._rectified,
            real(2, 3, 3, 2),
            real(3, 2, 3, 3),
            real(2),
            fn=lambda x, w, b: convolution.conv_transpose2d(x, w, b, stride=2, negative_slope=0.2),
        ),
        case(doubling._doubled_taps, real(3, 2, 3, 1)),
        case(doubling._undoubled_taps, real(2, 3, 4, 4)),
        case(convolution._conv2d_weight, _x, real(*_out), (3, 2), *_rest),
    ]

_WINDOWS = [  # kernel, stride, padding, dilation, input size
    ((2, 2), (2, 2), (0, 0), (1, 1), (4, 5)),
    ((3, 2), (1, 2), (1, 0), (1, 2), (4, 4)),
    ((2, 3), (2, 1), (1, 1), (2, 1), (5, 3)),
]
for _kernel, _stride, _padding, _dilation, _size in _WINDOWS:
    _out = windows(_size, _kernel, _stride, _padding)
    _apart = windows(_size, _kernel, _stride, _padding, _dilation)
    _rest = (_kernel, _stride, _padding)
    _which = np.arange(2 * _apart[0] * _apart[1]).reshape(1, 2, *_apart) % (_kernel[0] * _kernel[1])
    CASES += [
        case(pooling.sum_windows, real(1, 2, *_size), *_rest, 0.3),
        case(pooling.spread_windows, real(1, 2, *_out), _size, *_rest, 0.3),
        case(pooling._max_pool2d, distinct(1, 2, *_size), *_rest, _dilation),
        case(pooling.place_chosen, real(1, 2, *_apart), _which, _size, *_rest, _dilation),
        case(pooling.pick_chosen, real(1, 2, *_size), _which, *_rest, _dilation),
    ]

CASES += [
    case(lgamma, real(2, 3, low=0.5, high=4)),
    case(digamma, real(2, 3, low=0.5, high=4)),
    case(polygamma, 1, real(2, 3, low=0.5, high=4)),
    case(polygamma, 3, real(3, low=1, high=4)),
]


def _device() -> Any:
    from tinygen.device import CPU

    return CPU


def operation_named(name: str) -> Any:
    return alias if name == "alias" else getattr(elementwise, name, None) or getattr(trigonometry, name)

"""What an operation costs at least: FLOP and bytes, from its arguments and its result.

A FLOP is an addition, a multiplication, or a function such as exp: a product and a sum count two. Products with the
zeros of a border are counted, as they are by everybody else; what a form with fewer multiplications does without
(Winograd's convolution, kernels/cpu/cook_toom.py) is counted beside them, as saved. The bytes are those of every array
taken and made, each once: what no kernel can do without, and all that a perfect one moves. A result that is a view of
an argument moves none.

Held by tests/profiling/test_profile_cost.py, to counts by hand and to loops that count.
"""

import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from tinygen.kernels.array_module import xp
from tinygen.kernels.expression import ARGUMENT


class Cost(NamedTuple):
    """FLOP by the formula, bytes, and the FLOP of the formula that the form with the fewest does without."""

    flop: int
    bytes: int
    saved: int = 0

    @property
    def least(self) -> int:
        """The FLOP that have to be done."""
        return self.flop - self.saved

    def __add__(self, other: "Cost") -> "Cost":  # type: ignore[override]
        return Cost(self.flop + other.flop, self.bytes + other.bytes, self.saved + other.saved)


NOTHING = Cost(0, 0)

_SEVERAL, _PLAIN = (list, tuple), (type(None), bool, int, float, str, type)


# -- FLOP ----------------------------------------------------------------------------------------------------


def _entries(value: Any) -> int:
    """How many numbers there are in an array, or in all of a list."""
    return sum(map(_entries, value)) if isinstance(value, _SEVERAL) else getattr(value, "size", 0)


def _added(bias: Any, y: Any) -> int:
    return 0 if bias is None else y.size


def _conv2d(y: Any, x: Any, w: Any, bias: Any, *options: Any) -> int:
    """Each output is a sum over (C / groups, KH, KW)."""
    return 2 * y.size * math.prod(w.shape[1:]) + _added(bias, y)


def _conv2d_input_grad(y: Any, x: Any, w: Any, bias: Any, *options: Any) -> int:
    """Each input goes into (K / groups, KH, KW) sums."""
    return 2 * x.size * math.prod(w.shape[1:]) + _added(bias, y)


def _conv2d_weight_grad(y: Any, x: Any, g: Any, *options: Any) -> int:
    """Each entry of the cotangent goes into (C / groups, KH, KW) sums."""
    return 2 * g.size * math.prod(y.shape[1:])


def _matmul(y: Any, a: Any, b: Any, bias: Any = None) -> int:
    return 2 * y.size * a.shape[-1] + _added(bias, y)


def _pairs(q: Any, k: Any, is_causal: bool) -> int:
    """How many pairs of a query and a key there are; causal, query i has keys 0 to i."""
    queries, keys = q.shape[-2], k.shape[-2]
    each = sum(min(i + 1, keys) for i in range(queries)) if is_causal else queries * keys
    return math.prod(q.shape[:-2]) * each


def _attention(y: Any, q: Any, k: Any, v: Any, mask: Any, is_causal: bool, scale: float) -> int:
    """A pair takes the products q k and p v, and 4 for the softmax."""
    return _pairs(q, k, is_causal) * (2 * q.shape[-1] + 2 * v.shape[-1] + 4)


def _attention_backward(
    made: Any, g: Any, q: Any, k: Any, v: Any, y: Any, lse: Any, mask: Any, is_causal: bool, scale: float
) -> int:
    """A pair takes q k again, g v, and its part of dq, dk and dv; and 4 for the softmax."""
    return _pairs(q, k, is_causal) * (6 * q.shape[-1] + 4 * v.shape[-1] + 4)


def _einsum(y: Any, arrays: Any, spec: str) -> int:
    """A product of all the arrays, and a sum, for every value of all the indices."""
    sizes: dict[str, int] = {}
    for names, array in zip(spec.split("->")[0].split(","), arrays):
        sizes.update(zip(names, array.shape))
    return len(arrays) * math.prod(sizes.values())


def _fused(y: Any, chain: Any, arrays: Any, shape: tuple[int, ...]) -> int:
    """Every function of the chain, at every entry; and a sum where it is added up."""
    return math.prod(shape) * (sum(e.name != ARGUMENT for e in chain.steps) + (chain.total is not None))


def _nearest_code(y: Any, z: Any, codebook: Any) -> int:
    """A difference, its square and a sum for each number of every row and code."""
    return 3 * z.size * len(codebook)


def _of_matrix(third: float) -> Callable[..., int]:
    """That many thirds of n^3 for each matrix (..., n, n)."""
    return lambda y, a, *rest: round(a.size * a.shape[-1] * third / 3)


def _solve(y: Any, a: Any, b: Any) -> int:
    return round(2 / 3 * a.size * a.shape[-1]) + 2 * y.size * a.shape[-1]


FLOP: dict[str, Callable[..., int]] = {
    "conv2d": _conv2d,
    "conv_transpose2d": _conv2d_input_grad,
    "conv2d_input_grad": _conv2d_input_grad,
    "conv2d_weight": _conv2d_weight_grad,
    "conv2d_weight_grad": _conv2d_weight_grad,
    "matmul": _matmul,
    "linear": _matmul,
    "einsum": _einsum,
    "fused": _fused,
    "nearest_code": _nearest_code,
    "gate": lambda y, x: 3 * y.size,  # two functions and their product
    "gate_backward": lambda dx, g, x: 7 * g.size,
    "attention": _attention,
    "attention_backward": _attention_backward,
    "inv": _of_matrix(6),
    "det": _of_matrix(2),
    "_logabsdet": _of_matrix(2),
    "cholesky": _of_matrix(1),
    "_lower_inverse": _of_matrix(1),
    "solve": _solve,
    "outer": lambda y, *vectors: y.size,
}
"""Operations and kernels that are more than so many FLOP an entry."""

PER_ENTRY: dict[str, int] = {
    **dict.fromkeys(("batch_norm", "group_norm", "layer_norm"), 8),
    **dict.fromkeys(("batch_norm_backward", "group_norm_backward", "layer_norm_backward"), 14),
    "rms_norm": 5,
    "rms_norm_backward": 10,
    **dict.fromkeys(("softmax", "log_softmax", "logsumexp", "cross_entropy"), 5),
    **dict.fromkeys(("softmax_backward", "log_softmax_backward", "cross_entropy_backward"), 4),
    **dict.fromkeys(("sum", "max", "min", "any", "all", "argmax", "argmin", "count_nonzero", "cumulative_sum"), 1),
    **dict.fromkeys(
        ("mean", "prod", "products_before", "running_sum", "running_product", "cumulative_prod", "diff"), 1
    ),
    **dict.fromkeys(("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "add_to", "scale_all", "scatter_add"), 1),
    **dict.fromkeys(("sum_windows", "max_windows", "max_pool2d", "place_chosen", "add_taken"), 1),
    **dict.fromkeys(("vector_norm", "sum_of_squares", "gradient_norm", "double_taps", "undouble_taps"), 2),
    **dict.fromkeys(("squared_distance", "mean_squared_distance", "absolute_distance", "mean_absolute_distance"), 3),
    **dict.fromkeys(("huber", "huber_in_all", "mean_huber"), 5),
    "inner": 2,
    "_p_norm": 3,
    "_lower_half": 1,
    **dict.fromkeys(("euclidean_norm", "states_before"), 2),
    **dict.fromkeys(("var", "std"), 4),
    **dict.fromkeys(("adam_update", "adam_update_all"), 14),
    **dict.fromkeys(("ema_update", "ema_update_all"), 3),
}
"""FLOP for each entry of the first argument. Elementwise operations that are not here count one an entry made."""


def flop(name: str, elementwise: bool, made: Any, args: tuple[Any, ...]) -> int:
    """The FLOP of one call; 0 where nothing is known, as of indexing, which computes nothing."""
    if name in FLOP:
        first = made[0] if isinstance(made, tuple) else made
        return FLOP[name](first, *args)
    if name in PER_ENTRY:
        return PER_ENTRY[name] * _entries(args[0])
    return _entries(made) if elementwise else 0


# -- FLOP that are saved ---------------------------------------------------------------------------------------


@cache
def tiled(cells: tuple[int, ...], sources: int, outputs: int, taps: int) -> int:
    """The FLOP of Winograd's convolution of an image, of so many cells, channels read and written, and taps an axis.

    A tile of m x m cells takes (m + taps - 1)^2 products for each pair of channels instead of (m taps)^2; and the
    transforms of each channel's tile, B^T d B and A^T m A, which multiply by the entries that are not 0. The weight's
    is left out, and the gradient in the weight takes as many. Lavin and Gray 2016, section 4.
    """
    from tinygen.kernels.cpu.convolution_tiles import tiles_and_products
    from tinygen.kernels.cpu.cook_toom import TILE, matrices

    a, _, b = matrices(taps)
    n = TILE + taps - 1
    tiles, products = tiles_and_products(cells, taps)
    transforms = sources * 2 * n * np.count_nonzero(b) + outputs * (n + TILE) * np.count_nonzero(a)
    return 2 * (products * sources * outputs + tiles * int(transforms))


def _saved_by_tiles(
    plain: int,
    images: int,
    cells: tuple[int, ...],
    channels: tuple[int, int],
    kernel: Any,
    written: bool,
    geometry: Any,
) -> int:
    """FLOP that tiles save over `plain`, where the kernel has that form and they save any.

    `cells` are the positions (h, w) of the coarser grid, `channels` those of the source and of the target, `geometry`
    the stride, the padding, the dilation and the groups. Stride s makes s^2 components of the side that is finer:
    the target (`written`) or the source.
    """
    from tinygen.kernels.cpu.convolution_tiles import suits

    stride, _, dilation, groups = geometry
    if not suits(*channels, tuple(kernel), stride, dilation, groups):
        return 0
    split = stride[0] ** 2
    sources, outputs = (channels[0], channels[1] * split) if written else (channels[0] * split, channels[1])
    return max(0, plain - images * tiled(cells, sources, outputs, kernel[0] // stride[0]))


_OPTIONS: tuple[Any, ...] = ((1, 1), (0, 0), (1, 1), 1)


def _geometry(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """Stride, padding, dilation and groups of a call that may leave out the last of them."""
    return (*given, *_OPTIONS[len(given) :])[:4]


def _saved_forward(plain: int, y: Any, x: Any, w: Any, bias: Any = None, *options: Any) -> int:
    channels = (x.shape[1], w.shape[0])
    return _saved_by_tiles(plain, len(x), y.shape[2:], channels, w.shape[2:], False, _geometry(options))


def _saved_backward(plain: int, y: Any, g: Any, w: Any, bias: Any, size: Any, *options: Any) -> int:
    geometry = _geometry(options)
    cells = tuple(-(-side // geometry[0][0]) for side in size)
    channels = (g.shape[1], y.shape[1])
    return _saved_by_tiles(plain, len(g), cells, channels, w.shape[2:], True, geometry)


def _saved_in_weight(plain: int, y: Any, x: Any, g: Any, kernel: Any, *options: Any) -> int:
    channels = (x.shape[1], g.shape[1])
    return _saved_by_tiles(plain, len(x), g.shape[2:], channels, kernel, False, _geometry(options))


SAVED: dict[str, Callable[..., int]] = {
    "conv2d": _saved_forward,
    **dict.fromkeys(("conv_transpose2d", "conv2d_input_grad"), _saved_backward),
    **dict.fromkeys(("conv2d_weight", "conv2d_weight_grad"), _saved_in_weight),
}


def saved(name: str, plain: int, made: Any, args: tuple[Any, ...]) -> int:
    """The FLOP of `plain` that the best form of an operation does without: on a CPU, in float32."""
    if name not in SAVED or not isinstance(made, np.ndarray) or made.dtype != np.float32:
        return 0
    return SAVED[name](plain, made, *args)


# -- bytes ---------------------------------------------------------------------------------------------------

WRITTEN_IN_PLACE: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(("adam_update", "adam_update_all"), (0, 2, 3)),
    **dict.fromkeys(("ema_update", "ema_update_all", "add_to", "scale_all"), (0,)),
}
"""Which of the arguments are written over what was read: their bytes count twice."""


def arrays_of(values: Iterable[Any]) -> list[Any]:
    """The arrays among some values, those inside lists and tuples too."""
    found: list[Any] = []
    for value in values:
        if isinstance(value, np.ndarray):
            found.append(value)
        elif isinstance(value, _SEVERAL):
            found += arrays_of(value)
        elif not isinstance(value, _PLAIN) and hasattr(value, "nbytes"):  # CuPy's; NumPy's scalars
            found.append(value)
    return found


def size_in_memory(array: Any) -> int:
    """The bytes that are there: an axis along which an array is repeated (broadcast) is there once."""
    if 0 not in array.strides:
        return array.nbytes
    return array.itemsize * math.prod(n for n, stride in zip(array.shape, array.strides) if stride)


def moved(name: str, made: Any, args: tuple[Any, ...]) -> int:
    """The bytes of one call."""
    taken = {id(a): a for a in arrays_of(args)}
    new = [a for a in arrays_of((made,)) if id(a) not in taken]
    if len(new) == 1 and new[0].base is not None and _is_view(new[0], taken.values()):
        return 0
    total = 0
    for array in (*taken.values(), *new):
        total += size_in_memory(array)
    if name in WRITTEN_IN_PLACE:
        total += sum(map(size_in_memory, arrays_of(args[i] for i in WRITTEN_IN_PLACE[name])))
    return total


def _is_view(array: Any, of: Iterable[Any]) -> bool:
    module = xp(array)
    return any(xp(other) is module and module.may_share_memory(array, other) for other in of)


def cost(name: str, elementwise: bool, made: Any, args: tuple[Any, ...]) -> Cost:
    """What one call of an operation or a kernel costs at least, of raw arrays and what they made."""
    plain = flop(name, elementwise, made, args)
    return Cost(plain, moved(name, made, args), saved(name, plain, made, args))


def cost_of_chain(chain: Any, made: Any, args: tuple[Any, ...]) -> Cost:
    """Of a fused operation."""
    shape = np.broadcast_shapes(*(a.shape for a in args if hasattr(a, "shape")))
    return cost("fused", False, made, (chain, args, shape))


def cost_of_arithmetic(made: Any, args: tuple[Any, ...]) -> Cost:
    """Of a gradient that is plain arithmetic on arrays: one FLOP an entry for each argument after the first."""
    if any(made is a for a in args):
        return NOTHING
    return Cost(_entries(made) * (len(args) - 1), moved("", made, args))

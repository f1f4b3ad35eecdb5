"""How far every kernel on the CPU is from its definition: float32 beside float64, over random shapes, in one table.

Both get the same numbers, drawn in float32. The error is the largest difference of an entry, relative to the largest
entry of the array (or to 1, where that is more), in units of float32's rounding, 2^-24 = 6e-8. `BOUNDS` says how many
of them a kernel may come to: twice to three times what 600 draws showed, at 4, 8 and 16 lanes. What is not named there
has the float64 result, rounded once. The bounds are large where a result is the small difference of large numbers, as
the gradient of a normalisation over a few entries is, and where Winograd's transforms magnify ("in tiles").
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygen import kernels
from tinygen.kernels.cpu import convolution, convolution_tiles
from tinygen.kernels.cpu.simd import LANES
from tinygen.kernels.expression import Chain, argument, parse

Draw = Callable[[np.random.Generator], tuple[Any, ...]]
DRAWS = 12  # shapes a kernel
UNIT = 2.0**-24
SLOPES = (1.0, 0.0, 0.25)  # of the rectifier behind a kernel; 1 is none

BOUNDS = {
    "conv2d": 40,
    "conv2d_input_grad": 80,
    "conv2d_weight_grad": 80,
    "conv2d, in tiles": 150,
    "conv2d_input_grad, in tiles": 150,
    "conv2d_weight_grad, in tiles": 150,
    "double_taps": 2,
    "undouble_taps": 2,
    "matmul": 50,
    "attention": 25,
    "attention_backward": 400,
    "batch_norm": 30,
    "batch_norm_backward": 250,
    "group_norm": 20,
    "group_norm_backward": 70,
    "layer_norm": 8,
    "layer_norm_backward": 500,
    "rms_norm": 7,
    "rms_norm_backward": 200,
    "softmax": 50,
    "softmax_backward": 50,
    "log_softmax": 5,
    "log_softmax_backward": 30,
    "cross_entropy": 5,
    "cross_entropy_backward": 4,
    "erf": 2,
    "normal_cdf": 7,
    "sigmoid": 3,
    "softplus": 2,
    "elu": 1,
    "elu_backward": 1,
    "lgamma": 2,
    "digamma": 2,
    "polygamma": 2,
    "gate": 10,
    "gate_backward": 30,
    "fused": 6,
    "sum_windows": 6,
    "spread_windows": 4,
    "place_chosen": 4,
    "add_taken": 30,
    "reduce_sum": 15,
    "reduce_prod": 400,
    "sum_of_squares": 10,
    "running_sum": 15,
    "running_product": 20,
    "products_before": 20,
    "states_before": 4,
    "adam_update": 4,
    "adam_update_all": 6,
    "ema_update": 2,
    "ema_update_all": 2,
    "philox_uniform": 2,
}
CASES: dict[str, tuple[str, Draw]] = {}  # what is drawn -> the kernel, its arguments


def case(*names: str, as_well: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function draws the arguments of each of `names`, by the name where it asks for that."""

    def entered(draw: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            CASES[name + as_well] = name, lambda rng, name=name: draw(rng, name)
        return draw

    return entered


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def sizes(rng: np.random.Generator, *most: int) -> list[int]:
    """From 1 to each of `most`, small ones as often as large ones."""
    return [int(np.exp(rng.uniform(0, np.log(m + 1)))) for m in most]


# ---- convolution and products


def _convolution(rng: np.random.Generator, name: str, c: int, k: int, kernel: int, groups: int, stride: int) -> tuple:
    n, *side = sizes(rng, 6, 30, 30)
    padding = tuple(int(p) for p in rng.integers(0, 3, 2))
    side = [max(s, kernel) for s in side]
    out = [(s + 2 * p - kernel) // stride + 1 for s, p in zip(side, padding)]
    x, g = normal(rng, n, c * groups, *side), normal(rng, n, k * groups, *out)
    w, geometry = normal(rng, k * groups, c, kernel, kernel), ((stride, stride), padding, (1, 1), groups)
    if name == "conv2d":
        return x, w, normal(rng, k * groups), *geometry, rng.choice(SLOPES)
    if name == "conv2d_input_grad":
        return g, w, normal(rng, c * groups), tuple(side), *geometry
    return x, g, (kernel, kernel), *geometry


CONVOLUTIONS = kernels.MODULES["convolution"]


@case(*CONVOLUTIONS)
def _(rng, name):
    groups = int(rng.choice([1, 1, 3]))
    return _convolution(rng, name, *sizes(rng, 40, 40, 5), groups, int(rng.integers(1, 3)))


@case(*CONVOLUTIONS, as_well=", in tiles")
def _(rng, name):
    c, k = (LANES * s for s in sizes(rng, 4, 4))
    kernel, stride = ((3, 1), (2, 1), (4, 2))[rng.integers(3)]
    return _convolution(rng, name, c, k, kernel, 1, stride)


@case("matmul")
def _(rng, name):
    m, k, n = sizes(rng, 600, 600, 600)
    return normal(rng, m, k), normal(rng, k, n), normal(rng, n)


@case("attention", "attention_backward")
def _(rng, name):
    n, queries, keys, d, e = sizes(rng, 4, 90, 90, 64, 64)
    q, k, v = normal(rng, n, queries, d), normal(rng, n, keys, d), normal(rng, n, keys, e)
    rest = (normal(rng, queries, keys), bool(rng.integers(2)), d**-0.5)
    if name == "attention":
        return q, k, v, *rest
    y, lse = exactly("attention", q, k, v, *rest)
    return normal(rng, n, queries, e), q, k, v, y.astype(np.float32), lse.astype(np.float32), *rest


# ---- normalisation, softmax


@case(*kernels.MODULES["normalisation"])
def _(rng, name):
    n, c, h, w = sizes(rng, 20, 60, 20, 20)
    groups = int(rng.integers(1, 5))
    shape = (n, c * groups, h, w)
    if name.startswith(("layer", "rms")):
        weight, bias, middle = normal(rng, h, w), normal(rng, h, w), (2,)
    else:
        weight, bias, middle = normal(rng, c * groups), normal(rng, c * groups), ()
    last: tuple[Any, ...] = (0.1,)
    if name.startswith("group"):
        middle, last = (groups,), (0.1, bool(rng.integers(2)))
    if name.startswith("batch"):
        last = (0.1, rng.choice(SLOPES))
    x, offsets = 2 * normal(rng, *shape) + 1, () if name.startswith("rms") else (bias,)
    if not name.endswith("_backward"):
        return x, *middle, weight, *offsets, *last
    y, *seen = (
        a.astype(np.float32) for a in exactly(name.removesuffix("_backward"), x, *middle, weight, *offsets, *last)
    )
    offsets = (bias,) if name.startswith("group") else ()
    if name.startswith("batch"):
        seen.append(y)
    return normal(rng, *shape), x, *middle, weight, *offsets, *seen, *last[1:]


@case(*kernels.MODULES["softmax"])
def _(rng, name):
    rows, columns = sizes(rng, 900, 900)
    x, g = 4 * normal(rng, rows, columns), normal(rng, rows, columns)
    forward = name.removesuffix("_backward")
    if forward == "cross_entropy":
        target = rng.integers(0, columns, rows)
        lse = exactly(forward, x, target)[1].astype(np.float32)
        return (x, target) if name == forward else (g[:, 0], x, target, lse)
    return (x, 1) if name == forward else (g, exactly(forward, x, 1).astype(np.float32), 1)


# ---- elementwise


def numbers(rng: np.random.Generator) -> np.ndarray:
    return 3 * normal(rng, *sizes(rng, 40, 60, 80))


@case(*kernels.MODULES["elementwise"])
def _(rng, name):
    return (numbers(rng),)


@case(*kernels.MODULES["gamma"])
def _(rng, name):
    x = np.exp(numbers(rng))
    return (x, int(rng.integers(1, 5))) if name == "polygamma" else (x,)


@case(*kernels.MODULES["rectifier"])
def _(rng, name):
    x = numbers(rng)
    arrays = (normal(rng, *x.shape), x) if name.endswith("_backward") else (x,)
    return arrays if name.startswith("relu") else (*arrays, 0.25)


@case("gate", "gate_backward")
def _(rng, name):
    n, c, side = sizes(rng, 20, 60, 30)
    x = 2 * normal(rng, n, 2 * c, side)
    return (x,) if name == "gate" else (normal(rng, n, c, side), x)


@case("fused")
def _(rng, name):
    formulas = (
        "x * sigmoid(y) + exp(-softplus(z))",
        "where(x < y, tanh(x), sqrt(abs(z)) / (1 + y * y))",
        "log1p(x * x)",
    )
    names = {name: argument(i) for i, name in enumerate("xyz")}
    x = numbers(rng)
    arrays = (x, normal(rng, *x.shape[1:]), normal(rng, *x.shape))
    return Chain("of three formulas", tuple(parse(f, names) for f in formulas)), arrays, x.shape


@case("triangle")
def _(rng, name):
    return normal(rng, *sizes(rng, 3, 90, 130)), int(rng.integers(-20, 20)), bool(rng.integers(2))


@case("floor_divide", "remainder")
def _(rng, name):
    x = normal(rng, *sizes(rng, 4000))
    return x, 0.01 + np.abs(normal(rng, *x.shape))


@case("select")
def _(rng, name):
    x = numbers(rng)
    return x, x > 1, normal(rng, *x.shape)


@case("double_taps", "undouble_taps")
def _(rng, name):
    side = 3 if name == "double_taps" else 4
    return (normal(rng, *sizes(rng, 60, 90), side, side),)


@case("add_to")
def _(rng, name):
    x = numbers(rng)
    return x, normal(rng, *x.shape)


# ---- what moves, adds up, and finds


@case("join", "split", "in_order")
def _(rng, name):
    x = numbers(rng)
    if name == "join":
        return [x, normal(rng, *x.shape), x], 1
    return (x.swapaxes(1, -1),) if name == "in_order" else (x, [x.shape[1] - 1, 1], 1)


@case("sum_windows", "spread_windows", "max_windows", "place_chosen")
def _(rng, name):
    n, c, *side = sizes(rng, 30, 60, 28, 28)
    kernel, stride = (tuple(int(v) for v in rng.integers(1, 4, 2)) for _ in range(2))
    side = tuple(max(s, k) for s, k in zip(side, kernel))
    x = normal(rng, n, side[0], side[1], c).transpose(0, 3, 1, 2)
    if name == "sum_windows":
        return x, kernel, stride, (0, 0)
    if name == "max_windows":
        return x, kernel, stride, (0, 0), (1, 1)
    out = [(s - k) // d + 1 for s, k, d in zip(side, kernel, stride)]
    g = x[:, :, : out[0], : out[1]]
    if name == "spread_windows":
        return g, side, kernel, stride, (0, 0)
    which = rng.integers(0, kernel[0] * kernel[1], (n, *out, c)).astype(np.uint8).transpose(0, 3, 1, 2)
    return g, which, side, kernel, stride, (0, 0), (1, 1)


@case("take", "add_taken")
def _(rng, name):
    *lead, n, width, count = sizes(rng, 5, 900, 90, 40)
    each = rng.integers(2)
    index = rng.integers(0, count, (*lead, n, width) if each else n)
    if name == "take":
        return normal(rng, *lead, count, width), index, 1, each
    return normal(rng, *lead, n, width), index, 1, count, each


@case("nearest_code")
def _(rng, name):
    n, codes, width = sizes(rng, 300, 300, 70)
    return normal(rng, n, width), normal(rng, codes, width)


@case(*kernels.MODULES["reduction"])
def _(rng, name):
    x = numbers(rng) + 3  # sums that are not the small difference of large ones
    if name == "reduce_prod":
        x = np.exp2((x - 3) / 1000).astype(np.float32)
    axes = [None, (0,), (1,), (2,), (0, 2), (1, 2)]
    return x, axes[rng.integers(len(axes))]


@case(*kernels.MODULES["running"])
def _(rng, name):
    x, axis, back = numbers(rng), int(rng.integers(3)), bool(rng.integers(2))
    if name == "running_sum":
        return x + 3, axis, back
    near_1 = np.exp2(x / 100).astype(np.float32)
    if name == "running_product":
        return near_1, axis
    return (near_1, axis, back) if name == "products_before" else (near_1 / 2, x, axis, back)


@case(*kernels.MODULES["norm"])
def _(rng, name):
    arrays = [numbers(rng) for _ in range(3)]
    return (arrays,) if name == "gradient_norm" else (arrays, np.float32(0.3))


@case(*kernels.MODULES["update"])
def _(rng, name):
    shapes = [sizes(rng, 60, 900) for _ in range(3)]
    p, g, m, v = ([normal(rng, *shape) for shape in shapes] for _ in range(4))
    if name == "ema_update":
        return p[0], g[0], 0.99
    if name == "ema_update_all":
        return p, g, 0.99
    v = [x * x for x in v]
    options = {"lr": 1e-2, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    options |= {"weight_decay": 0.1, "step": int(rng.integers(1, 99)), "decoupled": bool(rng.integers(2))}
    return (p[0], g[0], m[0], v[0], options) if name == "adam_update" else (p, g, m, v, lambda: options)


@case(*kernels.MODULES["philox"])
def _(rng, name):
    draws = ((int(rng.integers(2**32)), 7), int(rng.integers(2**60)), *sizes(rng, 9000))
    return draws if name == "philox_bits" else (*draws, np.float32)


# ---- the comparison

IN_PLACE = {"add_to", "scale_all", *kernels.MODULES["update"]}


def in_float64(value: Any) -> Any:
    """The same numbers as float64, wherever they stand."""
    if isinstance(value, list | tuple):
        return type(value)(map(in_float64, value))
    if value is np.float32:
        return np.float64
    return value.astype(np.float64) if getattr(value, "dtype", None) == np.float32 else value


def run(name: str, version: str, arguments: tuple[Any, ...]) -> list[np.ndarray]:
    """The arrays that a kernel makes, or changes."""
    function = kernels.load(name, version)
    options = arguments[-1] if isinstance(arguments[-1], dict) else {}
    arguments = arguments[:-1] if options else arguments
    if name not in IN_PLACE:
        found = function(*arguments)
        return list(found) if isinstance(found, tuple) else [found]
    copied = [
        [a.copy() for a in x] if isinstance(x, list) else x.copy() if hasattr(x, "copy") else x for x in arguments
    ]
    function(*copied, **options)
    return [a for x in copied for a in (x if isinstance(x, list) else [x]) if isinstance(a, np.ndarray)]


def exactly(name: str, *arguments: Any) -> Any:
    """What the definition makes of the same numbers in float64."""
    found = run(name, "definition", in_float64(arguments))
    return found[0] if len(found) == 1 else found


def error(found: np.ndarray, exact: np.ndarray) -> float:
    """In units of 2^-24 of the largest entry, or of 1; 0 where the numbers are the exact ones, rounded."""
    assert found.shape == exact.shape
    if found.dtype != np.float32:  # bits, indices
        return 0.0 if np.array_equal(found, exact) else np.inf
    if np.array_equal(found, exact.astype(np.float32)):
        return 0.0
    return float(np.abs(found - exact).max() / max(1.0, np.abs(exact).max()) / UNIT)


def errors(what: str, seed: int) -> float:
    """The greatest of one draw's results."""
    name, draw = CASES[what]
    arguments = draw(np.random.default_rng(seed))
    exact = run(name, "definition", in_float64(arguments))
    return max(map(error, run(name, "cpu", arguments), exact), default=0.0)


@pytest.mark.parametrize("what", CASES)
def test_a_kernel_in_float32_is_its_definition_in_float64_within_its_bound(what, monkeypatch):
    if what.endswith("in tiles"):  # also where another form would be faster
        monkeypatch.setattr(convolution_tiles, "pays", lambda *_: True)
        for cached in (convolution._forward, convolution._backward, convolution._weights):
            monkeypatch.setattr(convolution, cached.__name__, cached.__wrapped__)
    worst = max(errors(what, seed) for seed in range(DRAWS))
    assert worst <= BOUNDS.get(what, 0)


def test_no_kernel_is_left_out():
    assert {name for name, _ in CASES.values()} == kernels.NAMES.keys()
    assert BOUNDS.keys() <= CASES.keys()

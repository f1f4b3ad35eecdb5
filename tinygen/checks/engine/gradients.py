"""Mistakes that engines are known to make, each held to the derivative by hand."""

from collections.abc import Callable, Iterator

import numpy as np

import tinygen as tg
from tinygen.checks.measurement import Measurement, equal
from tinygen.checks.registry import check
from tinygen.nn import functional as F
from tinygen.tensor import Tensor


def leaf(values: np.ndarray | list | float) -> Tensor:
    """A float64 tensor with a gradient."""
    return tg.tensor(np.asarray(values, dtype=np.float64), requires_grad=True)


def directional(fn: Callable[[np.ndarray], np.ndarray], x: np.ndarray, v: np.ndarray, h: float = 1e-3) -> np.ndarray:
    """The derivative of `fn` at x along v, by central differences of sixth order."""
    steps = {1: 45.0, 2: -9.0, 3: 1.0}
    total = sum(w * (fn(x + k * h * v) - fn(x - k * h * v)) for k, w in steps.items())
    return np.asarray(total) / (60 * h)


@check(
    43,
    "engine",
    "Twice through batch normalisation",
    formula=r"\frac{\partial L}{\partial x} = \frac{1}{\sigma}\left(g - \bar g - \hat x\,\overline{g \hat x}\right),"
    r"\quad \nabla_x \langle \frac{\partial L}{\partial x}, v\rangle",
    statement="The gradient of the gradient knows that the deviation depends on the input: it equals the difference"
    " quotient of the first gradient, which is this formula. Held constant, 1/sigma would give something else.",
    source="Ioffe and Szegedy 2015, section 3; DeZero's second order is silently wrong here",
)
def batch_norm_twice() -> Iterator[Measurement]:
    rng = np.random.default_rng(0)
    data, g, v = (rng.normal(size=(5, 3)) for _ in range(3))

    def first(x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(0)
        deviation = np.sqrt((centred**2).mean(0))
        normal = centred / deviation
        return (g - g.mean(0) - normal * (g * normal).mean(0)) / deviation

    norms = {
        "batch": lambda x: F.batch_norm(x, None, None, training=True, eps=0.0),
        "layer": lambda x: F.layer_norm(x.mT, 5, eps=0.0).mT,
        "group": lambda x: F.group_norm(x.mT[None], 3, eps=0.0)[0].mT,
    }
    for name, norm in norms.items():
        x = leaf(data)
        (slope,) = tg.grad(norm(x), x, g, create_graph=True)
        yield equal(f"{name}: first gradient", slope, first(data))
        (second,) = tg.grad((slope * v).sum(), x)
        for i in range(3):
            w = rng.normal(size=data.shape)
            exact = float((directional(first, data, w) * v).sum())
            yield equal(f"{name}: second, along direction {i}", float((second.numpy() * w).sum()), exact, 1e-8)


@check(
    43,
    "engine",
    "Gradients have the shapes of their inputs",
    formula=r"y_{ij} = c_{ij}\,?\,a_j : b_i \;\Rightarrow\; \partial y/\partial a_j = \sum_i c_{ij}",
    statement="where and clip broadcast like arithmetic: what was repeated collects the gradients of all its copies.",
    source="HIPS autograd's where forgets it",
)
def broadcast_gradients() -> Iterator[Measurement]:
    c = np.array([[True, False, True], [False, False, True]])
    a, b = leaf([1.0, 2.0, 3.0]), leaf([[4.0], [5.0]])
    g = np.arange(1.0, 7.0).reshape(2, 3)
    for name, x, found, exact in zip(
        "ab", (a, b), tg.grad(tg.where(c, a, b), [a, b], g), ((g * c).sum(0), (g * ~c).sum(1, keepdims=True))
    ):
        yield equal(f"where, {name}: axes", found.ndim, x.ndim)
        yield equal(f"where, {name}", found, exact)
    x, low, high = leaf([[-3.0, 0.0, 3.0], [-4.0, 5.0, 6.0]]), leaf([-1.0, -1.0, -1.0]), leaf(2.0)
    values = x.numpy()
    under, over = values < -1, values > 2
    exacts = (g * ~(under | over), (g * under).sum(0), (g * over).sum())
    for name, found, exact in zip(("x", "min", "max"), tg.grad(tg.clip(x, low, high), [x, low, high], g), exacts):
        yield equal(f"clip, {name}", found, exact)
    for name, found, exact in zip(
        ("x", "min"), tg.grad(tg.clip(x, low), [x, low], g), (g * ~under, (g * under).sum(0))
    ):
        yield equal(f"clip from below alone, {name}", found, exact)


@check(
    43,
    "engine",
    "No two gradients share memory",
    formula=r"y = a + b: \quad \nabla_a = \nabla_b = g",
    statement="They are equal, and not one array: writing into one, or adding to it in a second backward, leaves the"
    " others, the cotangent and the inputs alone.",
    source="several teaching engines hand the same array to both sides of a sum",
)
def gradients_share_nothing() -> Iterator[Measurement]:
    functions: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "a + b": lambda a, b: a + b,
        "reshaped": lambda a, b: a.reshape(3, 2).reshape(2, 3) + b.mT.mT,
        "concat": lambda a, b: tg.concat([a, b])[:2] + tg.concat([a, b])[2:],
        "a - (a - b)": lambda a, b: a - (a - b) + a,
    }
    for name, fn in functions.items():
        a, b, seed = leaf(np.ones((2, 3))), leaf(np.ones((2, 3))), np.full((2, 3), 5.0)
        gradients = tg.grad(fn(a, b), [a, b], tg.tensor(seed))
        yield equal(f"{name}: the two", gradients[0], gradients[1])
        gradients[0].data[...] = 77.0
        yield equal(f"{name}: the second, after writing into the first", gradients[1], seed)
    a, b, seed_tensor = leaf(np.ones(3)), leaf(np.ones(3)), tg.tensor(np.full(3, 5.0))
    for _ in range(2):
        (a + b).backward(seed_tensor)
    yield equal("two backward calls: a", a.grad, np.full(3, 10.0))
    yield equal("two backward calls: b", b.grad, np.full(3, 10.0))
    yield equal("the cotangent", seed_tensor, np.full(3, 5.0))


@check(
    43,
    "engine",
    "The branch that where does not take is not there",
    formula=r"y = \mathrm{where}(x > 0, f(x), x^2):"
    r"\quad y'(0) = 0, \; y''(0) = 2 \;\;\mathrm{though}\; f'(0) = \infty",
    statement="A pole or a NaN in the untaken branch leaves the gradients of both orders as they are by hand: 0 times"
    " infinity does not get out.",
    source="a known trap of reverse mode, in HIPS autograd, JAX and PyTorch",
)
def untaken_branch() -> Iterator[Measurement]:
    taken = np.array([False, True])
    branches: dict[str, tuple[Callable[[Tensor], Tensor], float, float]] = {  # function, slope and bend at 4
        "sqrt": (tg.sqrt, 0.25, -1 / 32),
        "log": (tg.log, 0.25, -1 / 16),
        "1 / x": (lambda x: 1.0 / x, -1 / 16, 1 / 32),
        "log sqrt": (lambda x: tg.log(tg.sqrt(x)), 0.125, -1 / 32),
        "x log x": (lambda x: x * tg.log(x), 1 + np.log(4), 0.25),
        "x^1.5, whose slope is finite": (lambda x: x**1.5, 3.0, 0.375),
    }
    for name, (fn, slope, bend) in branches.items():
        x = leaf([0.0, 4.0])
        (first,) = tg.grad(tg.where(taken, fn(x), x * x).sum(), x, create_graph=True)
        (second,) = tg.grad(first.sum(), x)
        yield equal(f"{name}: first, at 0 and 4", first, [0.0, slope])
        yield equal(f"{name}: second", second, [2.0, bend])
    x, y = leaf([np.nan, 1.0]), leaf([2.0, 3.0])
    for name, found, exact in zip("xy", tg.grad(tg.where(taken, x * x, y).sum(), [x, y]), ([0.0, 2.0], [1.0, 0.0])):
        yield equal(f"NaN in the data: gradient in {name}", found, exact)

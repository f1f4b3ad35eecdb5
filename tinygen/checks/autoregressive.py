"""Autoregressive models: closed forms (lines 36 and 37)."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tinygen import nn, no_grad, ops
from tinygen.autodiff.transforms import jacobian
from tinygen.autoregressive.ancestral import ancestral
from tinygen.autoregressive.gated import GatedPixelCNN
from tinygen.autoregressive.masked import MaskedConv2d
from tinygen.autoregressive.pixelcnn import PixelCNNConfig
from tinygen.checks.measurement import Measurement, equal, estimate
from tinygen.checks.registry import check
from tinygen.drawing import ImageRows
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.testing.normalisation import all_states

GATED = "van den Oord et al. 2016, Conditional image generation with PixelCNN decoders, section 2.2 and eq. 4"
PLAIN = "van den Oord et al. 2016, Pixel recurrent neural networks, section 3.4"
SIDE = 4


def law(levels: int, layers: int, classes: int = 0, dilations: Sequence[int] = (1,)) -> GatedPixelCNN:
    """A small gated PixelCNN in float64, at its initial weights times 3: far from the uniform law."""
    made = GatedPixelCNN(levels, 6, layers, 3, dilations=dilations, classes=classes, rng=Generator(0)).to("float64")
    for parameter in made.parameters():
        parameter.data = parameter * 3.0
    return made


def plain() -> nn.Sequential:
    """A stack of masked convolutions, deep enough to see as far as it can see at all on SIDE x SIDE pixels."""
    rng = Generator(0)
    layers: list[nn.Module] = [MaskedConv2d(1, 4, 3, "A", rng=rng)]
    for _ in range(2 * SIDE):
        layers += [nn.SiLU(), MaskedConv2d(4, 4, 3, "B", rng=rng)]
    return nn.Sequential(*layers).to("float64")


def seen(fn: Callable[[Tensor], Tensor], x: np.ndarray) -> np.ndarray:
    """1 where an output (1, K, SIDE, SIDE) of `fn` changes with an input (1, C, SIDE, SIDE), place by place."""
    derivative = np.asarray(jacobian(fn, x)).reshape(-1, SIDE * SIDE, x.shape[1], SIDE * SIDE)
    return (np.abs(derivative).max(axis=(0, 2)) > 0).astype(float)


def grids(shape: tuple[int, int], levels: int = 2) -> np.ndarray:
    """Every grid of that shape."""
    return all_states(shape, levels, np.int64)


def probabilities(model: GatedPixelCNN, x: np.ndarray, label: int | None = None) -> np.ndarray:
    """p(x | label) of grids x (N, H, W)."""
    with no_grad():
        return np.exp(np.asarray(model.log_prob(x, model.condition(len(x), label))))


@check(
    37,
    "autoregressive",
    "The probabilities of all images sum to 1",
    formula=r"\sum_{x \in \{0,1\}^{3 \times 3}} p(x \mid y) = 1",
    statement="A product of conditionals is normalised without a constant, whatever the weights and the class.",
    source=f"{GATED}; by enumeration",
)
def normalised() -> Iterator[Measurement]:
    yield equal("all 2^9 binary 3 x 3 images", probabilities(law(2, 3), grids((3, 3))).sum(), 1.0)
    given = law(2, 3, classes=3)
    for label in range(3):
        yield equal(f"the same, given class {label} of 3", probabilities(given, grids((3, 3)), label).sum(), 1.0)
    yield equal("all 4^6 grids of 2 x 3 with 4 levels", probabilities(law(4, 3), grids((2, 3), 4)).sum(), 1.0)


@check(
    37,
    "autoregressive",
    "The network's conditionals are those of its joint law",
    formula=r"p(x_i \mid x_{<i}) = \frac{\sum_{x_{>i}} p(x)}{\sum_{x_{\geq i}} p(x)}",
    statement="Summing the joint law over all later pixels gives back the logits that it was made of.",
    source=f"{GATED}; by enumeration",
)
def conditionals() -> Iterator[Measurement]:
    model, x = law(2, 3, classes=2), grids((2, 3))
    joint = probabilities(model, x, 1).reshape((2,) * 6)
    with no_grad():
        logits = np.asarray(model.logits(model.planes(x), model.condition(len(x), 1)))
    white = 1.0 / (1.0 + np.exp(logits[:, 0] - logits[:, 1])).reshape((2,) * 6 + (6,))
    for i in (0, 2, 3, 5):
        later = joint.sum(axis=tuple(range(i + 1, 6)))
        first = white[(slice(None),) * i + (0,) * (6 - i) + (i,)]  # the same whatever pixels i and later are
        yield equal(f"chance of white of pixel {i} of 6", first, (later / later.sum(-1, keepdims=True))[..., 1])


def picture_of_blind_spot() -> ImageRows:
    """What the middle pixel's output sees, in the plain and in the gated PixelCNN."""
    middle = SIDE * SIDE // 2
    rows = [
        pattern[middle].reshape(1, 1, SIDE, SIDE) * 2.0 - 1.0 for pattern in (seen_plain(), seen_gated(law(2, SIDE)))
    ]
    return ImageRows("White: the inputs on which the output at the centre depends", np.stack(rows), ("masked", "gated"))


def seen_plain() -> np.ndarray:
    stack = plain()
    return seen(lambda x: ops.sum(stack(x), 1, True), np.asarray(Generator(1).normal((1, 1, SIDE, SIDE), "float64")))


def seen_gated(model: GatedPixelCNN) -> np.ndarray:
    planes = np.asarray(Generator(1).uniform((1, model.levels, SIDE, SIDE), "float64"))
    return seen(lambda x: model.logits(x, model.condition(1, 0 if model.classes else None)), planes)


@check(
    37,
    "autoregressive",
    "The gated PixelCNN sees every earlier pixel and no other",
    formula=r"\partial\, \mathrm{logits}_i / \partial x_j \neq 0 \Leftrightarrow j < i",
    statement="The Jacobian of the logits is strictly lower triangular in raster order, and nothing below it is 0.",
    source=f"{GATED}, figure 1: no blind spot",
    picture=picture_of_blind_spot,
)
def causal_and_complete() -> Iterator[Measurement]:
    expected = np.tri(SIDE * SIDE, k=-1)
    yield equal(f"which derivatives are not 0, {SIDE} x {SIDE} pixels", seen_gated(law(2, SIDE)), expected)
    yield equal("the same with 3 levels, given a class", seen_gated(law(3, SIDE, classes=2)), expected)
    yield equal("the same with filters dilated by 1 and 2", seen_gated(law(2, SIDE, dilations=(1, 2))), expected)


@check(
    37,
    "autoregressive",
    "The blind spot of masked convolutions",
    formula=r"(r-d, c+k)\ \mathrm{seen\ from}\ (r, c) \Leftrightarrow d \geq 1, k \leq d\ \mathrm{or}\ d = 0, k < 0",
    statement="A stack of masks A, B, B, ... is causal, but climbs at most one column to the right with each row.",
    source=f"{PLAIN}; {GATED}, figure 1",
)
def blind_spot() -> Iterator[Measurement]:
    r, c = (index.ravel() for index in np.indices((SIDE, SIDE)))
    d, k = r[:, None] - r, c - c[:, None]
    expected = ((d >= 1) & (k <= d)) | ((d == 0) & (k < 0))
    yield equal(f"which derivatives are not 0, {SIDE} x {SIDE} pixels", seen_plain(), expected.astype(float))


@check(
    37,
    "autoregressive",
    "Ancestral samples have the law",
    formula=r"\mathrm{E}\, \log p(x) = \sum_x p(x) \log p(x)",
    statement="Pixels drawn one after another, each from its conditional, are a draw from the joint law.",
    source=f"{GATED}; by enumeration",
)
def ancestral_law() -> Iterator[Measurement]:
    model, n = law(2, 2, classes=2), 20_000
    x, cond = grids((2, 3)), model.condition(n, 1)
    p = probabilities(model, x, 1)
    draws = ancestral(model, n, (2, 3), Generator(0), cond)
    index = (draws.reshape(n, 6) * 2 ** np.arange(5, -1, -1)).sum(axis=1)
    yield estimate("log p of the draws", np.log(p)[index], float((p * np.log(p)).sum()))
    for i in (0, 3, 5):
        yield estimate(f"pixel {i} of 6", draws.reshape(n, 6)[:, i], float(p @ x.reshape(-1, 6)[:, i]))
    first = x[:, 0, 0] == 1
    given = ancestral(model, n, (2, 3), Generator(1), cond, np.broadcast_to([[1, 0, 1]], (n, 1, 3)))
    like = first & (x[:, 0, 1] == 0) & (x[:, 0, 2] == 1)
    yield estimate(
        "the last pixel, the first row given", given[:, 1, 2], float(p[like] @ x[like, 1, 2] / p[like].sum())
    )


@check(
    37,
    "autoregressive",
    "The class enters every gate",
    formula=r"y = \tanh(W_f x + V_f^\top h) \odot \sigma(W_g x + V_g^\top h)",
    statement="The law of one pixel, which sees no other: two layers by hand, both gates of each moved by the class.",
    source=f"{GATED}",
)
def class_in_every_gate() -> Iterator[Measurement]:
    model, width = law(3, 2, classes=2), 6

    def gated(a: np.ndarray) -> np.ndarray:
        return np.tanh(a[:width]) / (1.0 + np.exp(-a[width:]))

    for label in range(2):
        h = above = np.zeros(width)
        for i, layer in enumerate(model.layers):
            w = {name: np.asarray(value) for name, value in layer.named_parameters()}
            bias = w["cond.weight"][:, label].reshape(2, -1)
            v, left = w["down.bias"], w["across.bias"]
            if i:  # of the second layer's filters one entry meets the pixel, the others the border
                v, left = v + w["down.weight"][:, :, -1, 1] @ above, left + w["across.weight"][:, :, 0, -1] @ h
            linked = w["link.weight"][:, :, 0, 0] @ v + w["link.bias"]
            above = gated(v + bias[0])
            out = w["outward.weight"][:, :, 0, 0] @ gated(left + linked + bias[1]) + w["outward.bias"]
            h = out + h
        w = {name: np.asarray(value) for name, value in model.named_parameters()}
        h = np.maximum(w["head.weight"][:, :, 0, 0] @ np.maximum(h, 0.0) + w["head.bias"], 0.0)
        logits = w["outward.weight"][:, :, 0, 0] @ h + w["outward.bias"]
        exact = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        yield equal(f"p(x | class {label}), x = 0, 1, 2", probabilities(model, grids((1, 1), 3), label), exact)


@check(
    36,
    "autoregressive",
    "A uniform law costs the bits that the levels take",
    formula=r"-\frac{1}{D} \log_2 p(x) = \log_2 K",
    statement="With logits of 0 every image costs log2 K bits a pixel: 1 for black and white, 8 for 256 levels.",
    source="Theis et al. 2016, A note on the evaluation of generative models, section 3.1",
)
def uniform_bits() -> Iterator[Measurement]:
    x = np.asarray(Generator(0).uniform((3, 1, 4, 5), "float64")) * 2 - 1
    for levels in (2, 17, 256):
        model = PixelCNNConfig(levels=levels, width=4, layers=2).build((1, 4, 5), None, Generator(0)).to("float64")
        for parameter in model.law.outward.parameters():
            parameter.data = parameter * 0.0
        nats, terms = model.loss({"x": x}, Generator(1))
        yield equal(f"bits a pixel, {levels} levels", float(terms["bits_per_dim"]), math.log2(levels))
        yield equal(f"nats an image, {levels} levels", float(nats), 20 * math.log(levels))

"""Layers: adjoint convolutions, normalisation, attention, a convolution that starts at 0 (lines 38, 40, 41)."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import tinygen as tg
from tinygen import nn, optim
from tinygen.checks.measurement import Measurement, at_least, equal
from tinygen.checks.registry import check
from tinygen.drawing import Bars
from tinygen.nets.unet import ResidualBlock, SelfAttention
from tinygen.nn import functional as F
from tinygen.ops.attention import attention_composed
from tinygen.random import Generator
from tinygen.tensor import Tensor


@check(
    38,
    "engine",
    "The transposed convolution is the adjoint",
    formula=r"\langle A x, y\rangle = \langle x, A^T y\rangle",
    statement="With the same weight, at every stride, padding, dilation and number of groups.",
    source="Dumoulin and Visin 2016, section 4",
)
def convolution_adjoint() -> Iterator[Measurement]:
    rng = np.random.default_rng(0)
    cases: list[dict[str, Any]] = [
        {"padding": 1},
        {"stride": 2, "padding": 1},
        {"stride": (1, 3), "padding": (0, 1)},
        {"dilation": 2, "padding": 2},
        {"groups": 2},
    ]
    for options in cases:
        weight = rng.normal(size=(4, 6 // options.get("groups", 1), 3, 4))
        y = rng.normal(size=(2, 4, 5, 3))
        up = F.conv_transpose2d(y, weight, **options)
        x = rng.normal(size=up.shape)
        there = (F.conv2d(x, weight, **options) * y).sum()
        said = ", ".join(f"{name} {value}" for name, value in options.items())
        yield equal(said, there, (up * x).sum())


def overlap(kernel: int, stride: int) -> np.ndarray:
    """How many inputs reach each output of a transposed convolution in one dimension, away from the border."""
    ones = F.conv_transpose2d(np.ones((1, 1, 9, 1)), np.ones((1, 1, kernel, 1)), stride=(stride, 1))
    return ones.numpy().ravel()[kernel:-kernel]


def picture_of_overlap() -> Bars:
    """The pattern that kernel 3 leaves at stride 2."""
    return Bars(
        "Inputs that reach each output: kernel 3, stride 2 (a checkerboard in two dimensions)",
        overlap(3, 2),
        "output",
        "inputs",
        {"kernel 4, stride 2": float(overlap(4, 2)[0])},
    )


@check(
    38,
    "engine",
    "A transposed convolution overlaps evenly iff the stride divides the kernel",
    formula=r"\#\{j : 0 \leq i - s j < k\} = k/s \;\; \forall i \;\Leftrightarrow\; s \,|\, k",
    statement="Away from the border every output is reached by as many inputs as there are multiples of the stride in"
    " its window; the counts are equal exactly when the stride divides the kernel.",
    source="Odena et al. 2016, Deconvolution and checkerboard artifacts",
    picture=picture_of_overlap,
)
def transposed_overlap() -> Iterator[Measurement]:
    for kernel in range(1, 7):
        for stride in range(1, 4):
            found = overlap(kernel, stride)
            place = np.arange(kernel, kernel + len(found))
            exact = [sum((i - j) % stride == 0 for j in range(kernel)) for i in place]
            yield equal(f"kernel {kernel}, stride {stride}: counts", found, exact)
            even = float(np.ptp(found) == 0)
            yield equal(f"kernel {kernel}, stride {stride}: evenly", even, float(kernel % stride == 0))


def norm(parameter: Tensor) -> float:
    """The length of its gradient."""
    return float(np.linalg.norm(np.asarray(parameter.grad)))


@check(
    40,
    "engine",
    "A zero convolution starts as the identity and learns",
    formula=r"y = x + Z(h), \; Z = 0 \;\Rightarrow\; y = x, \quad \partial L/\partial Z_w = g * h \neq 0,"
    r"\quad \partial L/\partial h = 0",
    statement="A residual branch that ends in a convolution of zeros changes nothing at first; the convolution's own"
    " gradient is that of any convolution, and after one step of it the branch's other layers learn too.",
    source="Zhang et al. 2023 (ControlNet), section 3.1; Ho et al. 2020 start the U-Net's blocks so",
)
def zero_convolution() -> Iterator[Measurement]:
    rng = Generator(0)
    x, time = rng.normal((2, 8, 4, 4), "float64"), rng.normal((2, 16), "float64")
    cotangent = rng.normal((2, 8, 4, 4), "float64")
    residual = ResidualBlock(8, 8, 16, 4, rng=rng).to("float64")
    attention = SelfAttention(8, 2, 4, rng=rng).to("float64")
    for name, block, zero, inner in (
        ("residual block", residual, residual.conv2, residual.conv1),
        ("attention", attention, attention.out, attention.qkv),
    ):
        run = (lambda: residual(x, time)) if block is residual else (lambda: attention(x))
        yield equal(f"{name}: y - x", run() - x, np.zeros(x.shape))
        (run() * cotangent).sum().backward()
        yield equal(f"{name}: gradient in the layers before it", inner.weight.grad, np.zeros(inner.weight.shape))
        yield equal(f"{name}: gradient of its bias", zero.bias.grad, cotangent.numpy().sum((0, 2, 3)))
        yield at_least(f"{name}: norm of its weight's gradient", norm(zero.weight), 1.0)
        optim.SGD(zero.parameters(), lr=0.1).step()
        block.zero_grad()
        (run() * cotangent).sum().backward()
        yield at_least(f"{name}: norm of the gradient before it, after a step", norm(inner.weight), 1e-2)


X = np.random.default_rng(0).normal(size=(4, 6, 3, 2)) * 3 + 1
NORMALISATIONS = {  # function, the axes its statistics run over
    "batch": (lambda x: F.batch_norm(x, None, None, training=True, eps=0.0), (0, 2, 3)),
    "instance": (lambda x: F.instance_norm(x, eps=0.0), (2, 3)),
    "layer": (lambda x: F.layer_norm(x, (3, 2), eps=0.0), (2, 3)),
    "group": (lambda x: F.group_norm(x, 1, eps=0.0), (1, 2, 3)),
}


@check(
    41,
    "engine",
    "What a normalisation's gradient cannot see",
    formula=r"\langle \partial L/\partial x, 1\rangle = 0, \quad \langle \partial L/\partial x, \hat x\rangle = 0",
    statement="Normalised entries do not change when the input is shifted or scaled, so its gradient is orthogonal to 1"
    " and to the normalised input, over the axes of the statistics; both by the kernel and by recorded operations.",
    source="Ioffe and Szegedy 2015, section 3; Ba et al. 2016, section 5.1",
)
def normalisation_gradient() -> Iterator[Measurement]:
    cotangent = np.random.default_rng(1).normal(size=X.shape)
    for name, (normalised, axes) in NORMALISATIONS.items():
        x = tg.tensor(X, requires_grad=True)
        y = normalised(x)
        shape = y.numpy().sum(axes).shape
        for recorded in (False, True):
            how = f"{name}, {'recorded' if recorded else 'kernel'}"
            g = tg.grad(y, x, cotangent, create_graph=recorded)[0].detach().numpy()
            yield equal(f"{how}: along 1", g.sum(axes), np.zeros(shape))
            yield equal(f"{how}: along the normalised input", (g * y.detach().numpy()).sum(axes), np.zeros(shape))
            yield at_least(f"{how}: its norm", float(np.linalg.norm(g)), 0.1)


def attention_inputs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """q (2, 3, 5, 4), k (2, 3, 6, 4), v (2, 3, 6, 7)."""
    rng = np.random.default_rng(2)
    return rng.normal(size=(2, 3, 5, 4)), rng.normal(size=(2, 3, 6, 4)), rng.normal(size=(2, 3, 6, 7))


@check(
    41,
    "engine",
    "The rows of attention sum to 1",
    formula=r"\sum_j \mathrm{softmax}(q_i^T k_j/\sqrt{d}) = 1",
    statement="Unit vectors as values read the weights off: they are the softmax of the scores, their rows sum to 1,"
    " and equal values come out as they went in; a mask moves the weight to what may be seen.",
    source="Vaswani et al. 2017, eq. 1",
)
def attention_rows() -> Iterator[Measurement]:
    q, k, v = attention_inputs()
    unit = np.broadcast_to(np.eye(6), (2, 3, 6, 6))
    mask = np.random.default_rng(3).random((5, 6)) < 0.6
    mask[:, 0] = True
    scores = np.exp(q @ np.swapaxes(k, -1, -2) / 2.0)
    for name, seen in (("all keys", np.ones((5, 6), bool)), ("masked", mask), ("causal", np.tri(5, 6, dtype=bool))):
        options = {"is_causal": True} if name == "causal" else {"attn_mask": None if name == "all keys" else seen}
        weights = F.scaled_dot_product_attention(q, k, unit, **options).numpy()
        yield equal(f"{name}: rows sum to", weights.sum(-1), np.ones((2, 3, 5)))
        exact = scores * seen
        yield equal(f"{name}: softmax of the scores", weights, exact / exact.sum(-1, keepdims=True))
    same = np.broadcast_to(v[..., :1, :], v.shape)
    found = F.scaled_dot_product_attention(q, k, same)
    yield equal("equal values", found, np.broadcast_to(v[..., :1, :], (2, 3, 5, 7)))


@check(
    41,
    "engine",
    "Fused attention equals the naive one",
    formula=r"\mathrm{fused}(q,k,v) = \mathrm{softmax}(q k^T/\sqrt{d})\,v,"
    r"\quad \nabla \mathrm{fused} = \nabla\mathrm{naive}",
    statement="The kernel that never forms the matrix of scores gives the values and the three gradients of the formula"
    " in recorded operations, plain, masked and causal.",
    source="Vaswani et al. 2017, eq. 1; Dao et al. 2022 (FlashAttention), algorithms 1 and 4",
)
def attention_fused() -> Iterator[Measurement]:
    q, k, v = (tg.tensor(a, requires_grad=True) for a in attention_inputs())
    mask = np.random.default_rng(3).random((5, 6)) < 0.6
    mask[:, 0] = True
    cotangent = np.random.default_rng(4).normal(size=(2, 3, 5, 7))
    for name, seen, causal in (("plain", None, False), ("masked", mask, False), ("causal", None, True)):
        fused = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=causal)
        naive = attention_composed(q, k, v, seen, causal, 0.5)
        yield equal(f"{name}: values", fused, naive.numpy())
        pairs = zip("qkv", tg.grad(fused, [q, k, v], cotangent), tg.grad(naive, [q, k, v], cotangent))
        for argument, ours, theirs in pairs:
            yield equal(f"{name}: gradient in {argument}", ours, theirs)


@check(
    43,
    "engine",
    "Batch normalisation: epsilon is under the root, momentum moves the running statistics",
    formula=r"y = \frac{x-\mu}{\sqrt{\sigma^2+\epsilon}}, \quad r \leftarrow (1-m)\, r + m\,\sigma^2 \frac{n}{n-1}",
    statement="With epsilon and momentum far apart: epsilon enters the deviation alone, momentum the running statistics"
    " alone, in the layer and in the function. Swapped, both show.",
    source="Ioffe and Szegedy 2015, algorithms 1 and 2; seen swapped in an implementation",
)
def batch_norm_options() -> Iterator[Measurement]:
    eps, momentum = 2.0, 0.3
    axes, shape = (0, 2, 3), (1, 6, 1, 1)
    mean, var = X.mean(axes), X.var(axes)
    exact = (X - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps)
    layer = nn.BatchNorm2d(6, eps=eps, momentum=momentum, dtype="float64")
    yield equal("layer, in training", layer(Tensor(X)), exact)
    yield equal("running mean", layer.running_mean, momentum * mean)
    running = 1 - momentum + momentum * X.var(axes, ddof=1)
    yield equal("running variance", layer.running_var, running)
    exact = (X - momentum * mean.reshape(shape)) / np.sqrt(running.reshape(shape) + eps)
    yield equal("layer, out of training", layer.eval()(Tensor(X)), exact)
    yield equal("default epsilon", nn.BatchNorm2d(6).eps, 1e-5, 1e-15)
    yield equal("default momentum", float(nn.BatchNorm2d(6).momentum or 0), 0.1)

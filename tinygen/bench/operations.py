"""The operations that are timed: one definition each, which runs in every library whose `F` has PyTorch's names.

The sizes are those of the project's models: images of 28 x 28 and 64 examples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Arrays = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """A function of arrays, timed forward and backward; forward alone, yet recorded, where not `backward`.

    `inputs` are normal arrays by name -> shape, or what is `made` of them: a factor, a function. All but those `given`
    are differentiable. `labels` are integers below `classes`, by name -> (shape, classes), as floats where there are
    two. `call(F, inputs)` gives the output. `images` says that x and y are images (N, C, H, W): each library gets them
    as its own layers would hand them on in memory. Values are `compared`, unless they are random.
    Where it `updates` the inputs, in place, a step of Adam is timed, with a given gradient for each; nothing is called.
    Where the arithmetic is next to nothing, what is timed is the `engine` itself.
    """

    name: str
    inputs: dict[str, tuple[int, ...]]
    call: Callable[[Any, Arrays], Any]
    made: Mapping[str, float | Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)
    labels: dict[str, tuple[tuple[int, ...], int]] = field(default_factory=dict)
    given: tuple[str, ...] = ()
    images: bool = False
    compared: bool = True
    backward: bool = True
    updates: bool = False
    engine: bool = False

    def arrays(self) -> Arrays:
        """The inputs and the labels, the same in every process."""
        rng = np.random.default_rng(0)
        arrays: Arrays = {}
        for name, shape in self.inputs.items():
            normal, made = rng.standard_normal(shape), self.made.get(name, 1.0)
            arrays[name] = np.float32(made(normal) if callable(made) else made * normal)
        for name, (shape, classes) in self.labels.items():
            drawn = rng.integers(0, classes, shape)
            arrays[name] = drawn.astype(np.float32) if classes == 2 else drawn
        return arrays

    @property
    def wanted(self) -> list[str]:
        """The inputs whose gradients are taken."""
        return [name for name in self.inputs if name not in self.given]


RATE = 1e-3
"""Adam's learning rate, where it is timed alone."""


def cotangent(shape: tuple[int, ...]) -> np.ndarray:
    """What the gradients are taken with, the same in every library."""
    return np.asarray(np.random.default_rng(1).standard_normal(shape), np.float32)


def _convolution(name: str, n: int, inward: int, outward: int, side: int, kernel: int, **options: Any) -> Operation:
    groups = options.get("groups", 1)
    return Operation(
        name,
        {"x": (n, inward, side, side), "w": (outward, inward // groups, kernel, kernel), "b": (outward,)},
        lambda F, a: F.conv2d(a["x"], a["w"], a["b"], **options),
        {"w": (inward // groups * kernel**2) ** -0.5},
        images=True,
    )


def _attention(name: str, length: int, size: int, heads: int = 4) -> Operation:
    shape = (64, heads, length, size)
    return Operation(
        name,
        {"q": shape, "k": shape, "v": shape},
        lambda F, a: F.scaled_dot_product_attention(a["q"], a["k"], a["v"]),
    )


def _unary(name: str, shape: tuple[int, ...], call: Callable[[Any, Any], Any]) -> Operation:
    return Operation(name, {"x": shape}, lambda F, a: call(F, a["x"]), images=shape[1:] in (IMAGES[1:], HALF[1:]))


def _ten(
    what: str,
    inputs: dict[str, tuple[int, ...]],
    call: Callable[[Any, Arrays, Any], Any],
    engine: bool = False,
    images: bool = False,
) -> list[Operation]:
    """Ten operations on tiny arrays in a row, each on what the one before made.

    Forward, recorded, and forward and backward. So many that what is around them hardly counts.
    """

    def chain(F: Any, a: Arrays) -> Any:
        x = a["x"]
        for _ in range(10):
            x = call(F, a, x)
        return x

    half = dict.fromkeys(inputs, 0.5)
    forward = Operation(f"ten {what}, forward alone", inputs, chain, half, images=images, backward=False, engine=engine)
    return [forward, Operation(f"ten {what}", inputs, chain, half, images=images, engine=engine)]


IMAGES, HALF = (64, 64, 28, 28), (64, 64, 14, 14)
CHANNELS = {"x": IMAGES, "w": (64,), "b": (64,)}
SQUARES = {"x": (8, 8), "w": (8, 8), "b": (8,)}
ROWS = {"x": (8, 8), "w": (8,), "b": (8,)}
TINY_IMAGE = {"x": (1, 4, 6, 6), "w": (4, 4, 3, 3), "b": (4,)}

OPERATIONS = [
    _convolution("conv 3x3, 64->64 at 28", 64, 64, 64, 28, 3, padding=1),
    _convolution("conv 3x3, 32->32 at 28", 64, 32, 32, 28, 3, padding=1),
    _convolution("conv 3x3, 128->128 at 14", 64, 128, 128, 14, 3, padding=1),
    _convolution("conv 3x3, 128->128 at 7", 64, 128, 128, 7, 3, padding=1),
    _convolution("conv 3x3, 1->32 at 28", 64, 1, 32, 28, 3, padding=1),
    _convolution("conv 3x3, 32->1 at 28", 64, 32, 1, 28, 3, padding=1),
    _convolution("conv 3x3 stride 2, 64->64 at 28", 64, 64, 64, 28, 3, padding=1, stride=2),
    _convolution("conv 4x4 stride 2, 64->128 at 14", 64, 64, 128, 14, 4, padding=1, stride=2),
    _convolution("conv 1x1, 64->192 at 14", 64, 64, 192, 14, 1),
    _convolution("conv 7x7 depthwise, 64 at 14", 64, 64, 64, 14, 7, padding=3, groups=64),
    _convolution("conv 3x3, 8 groups, 64->64 at 14", 64, 64, 64, 14, 3, padding=1, groups=8),
    Operation(
        "transposed conv 4x4 stride 2, 128->64 at 7",
        {"x": (64, 128, 7, 7), "w": (128, 64, 4, 4), "b": (64,)},
        lambda F, a: F.conv_transpose2d(a["x"], a["w"], a["b"], stride=2, padding=1),
        {"w": (128 * 4) ** -0.5},
        images=True,
    ),
    _attention("attention, 49 places of 32", 49, 32),
    _attention("attention, 196 places of 16", 196, 16),
    Operation("group norm", CHANNELS, lambda F, a: F.group_norm(a["x"], 8, a["w"], a["b"]), images=True),
    Operation("group norm and SiLU", CHANNELS, lambda F, a: F.group_norm_silu(a["x"], 8, a["w"], a["b"]), images=True),
    Operation(
        "batch norm",
        CHANNELS,
        lambda F, a: F.batch_norm(a["x"], None, None, a["w"], a["b"], training=True),
        images=True,
    ),
    Operation(
        "layer norm",
        {"x": (64, 49, 256), "w": (256,), "b": (256,)},
        lambda F, a: F.layer_norm(a["x"], (256,), a["w"], a["b"]),
    ),
    Operation(
        "linear 256->256, 64 rows",
        {"x": (64, 256), "w": (256, 256), "b": (256,)},
        lambda F, a: F.linear(a["x"], a["w"], a["b"]),
        {"w": 256**-0.5},
    ),
    Operation(
        "linear 784->512, 512 rows",
        {"x": (512, 784), "w": (512, 784), "b": (512,)},
        lambda F, a: F.linear(a["x"], a["w"], a["b"]),
        {"w": 784**-0.5},
    ),
    Operation(
        "embedding, 512 of 64",
        {"w": (512, 64)},
        lambda F, a: F.embedding(a["i"], a["w"]),
        labels={"i": ((64, 49), 512)},
    ),
    Operation(
        "cross-entropy, 512 classes",
        {"x": (3136, 512)},
        lambda F, a: F.cross_entropy(a["x"], a["i"]),
        labels={"i": ((3136,), 512)},
    ),
    Operation("mse loss", {"x": IMAGES, "y": IMAGES}, lambda F, a: F.mse_loss(a["x"], a["y"]), images=True),
    Operation(
        "binary cross-entropy",
        {"x": (64, 784)},
        lambda F, a: F.binary_cross_entropy_with_logits(a["x"], a["i"]),
        labels={"i": ((64, 784), 2)},
    ),
    _unary("softmax", (64, 4, 196, 196), lambda F, x: F.softmax(x, -1)),
    _unary("log softmax", (3136, 512), lambda F, x: F.log_softmax(x, -1)),
    _unary("SiLU", IMAGES, lambda F, x: F.silu(x)),
    _unary("GELU", IMAGES, lambda F, x: F.gelu(x)),
    _unary("ReLU", IMAGES, lambda F, x: F.relu(x)),
    _unary("leaky ReLU", IMAGES, lambda F, x: F.leaky_relu(x, 0.2)),
    _unary("tanh", IMAGES, lambda F, x: F.tanh(x)),
    _unary("nearest upsampling to 28", HALF, lambda F, x: F.interpolate(x, scale_factor=2)),
    _unary("average pooling 2x2", IMAGES, lambda F, x: F.avg_pool2d(x, 2)),
    _unary("max pooling 2x2", IMAGES, lambda F, x: F.max_pool2d(x, 2)),
    Operation("a + b, one number", {"x": (), "y": ()}, lambda F, a: a["x"] + a["y"], engine=True),
    *_ten("products of a number", {"x": (), "y": ()}, lambda F, a, x: x * a["y"], True),
    *_ten("tanh of a number", {"x": ()}, lambda F, a, x: F.tanh(x), True),
    *_ten("products of 4x4 matrices", dict.fromkeys("xy", (4, 4)), lambda F, a, x: x @ a["y"], True),
    *_ten("sums, 1024 numbers to one", {"x": (2,) * 10}, lambda F, a, x: F.sum(x, 0), True),
    *_ten("linear maps of 8x8 and ReLU", SQUARES, lambda F, a, x: F.relu(F.linear(x, a["w"], a["b"]))),
    *_ten("SiLU of 8x8", {"x": (8, 8)}, lambda F, a, x: F.silu(x)),
    *_ten("softmax of 8x8", {"x": (8, 8)}, lambda F, a, x: F.softmax(x, -1)),
    *_ten("layer norms of 8x8", ROWS, lambda F, a, x: F.layer_norm(x, (8,), a["w"], a["b"])),
    *_ten(
        "conv 3x3 of 4 channels at 6", TINY_IMAGE, lambda F, a, x: F.conv2d(x, a["w"], a["b"], padding=1), images=True
    ),
    Operation("a * b", {"x": IMAGES, "y": IMAGES}, lambda F, a: a["x"] * a["y"], images=True),
    Operation(
        "coupling y = x exp(s) + t",
        dict.fromkeys("xst", (512, 784)),
        lambda F, a: F.coupling(a["x"], a["s"], a["t"]),
    ),
    Operation(
        "Adam, 5 M parameters",
        {f"{kind}{layer}": shape for layer in range(19) for kind, shape in (("w", (512, 512)), ("b", (512,)))},
        lambda F, a: None,
        updates=True,
    ),
]
UPDATES = {operation.name for operation in OPERATIONS if operation.updates}
"""Those that are steps of an optimiser."""

"""Each module of kernels/cuda at awkward sizes: more than one block, a last block with threads to spare, a last warp
with lanes to spare, two chunks. `EXERCISES[module](kernels)` yields (what, found, expected by the definition).
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from tinygen.kernels.definitions import attention, elementwise, normalisation, philox, rectifier, softmax, update

Results = Iterator[tuple[str, Any, Any]]


def normals(*shapes: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape).astype(np.float32) for shape in shapes]


def both(name: str, kernels: Any, definition: Any, *args: Any) -> Results:
    expected = getattr(definition, name)(*args)
    found = getattr(kernels, name)(*args)
    pairs = zip(found, expected) if isinstance(expected, tuple) else [(found, expected)]
    yield from ((name, *pair) for pair in pairs)


def of_softmax(kernels: Any) -> Results:
    x, g = normals((9, 45), (9, 45))
    for name in ("softmax", "log_softmax"):
        yield from both(name, kernels, softmax, x, 1)
        yield from both(f"{name}_backward", kernels, softmax, g, getattr(softmax, name)(x, 1), 1)
    target = np.arange(9) * 5
    yield from both("cross_entropy", kernels, softmax, x, target)
    lse = softmax.cross_entropy(x, target)[1]
    yield from both("cross_entropy_backward", kernels, softmax, g[:, 0], x, target, lse)


def of_normalisation(kernels: Any) -> Results:
    x, g, w, b = normals((2, 40, 20, 15), (2, 40, 20, 15), 40, 40)
    yield from both("batch_norm", kernels, normalisation, x, w, b, 1e-3)
    statistics = normalisation.batch_norm(x, w, b, 1e-3)[1:]
    yield from both("batch_norm_backward", kernels, normalisation, g, x, w, *statistics)
    for silu in (False, True):
        yield from both("group_norm", kernels, normalisation, x, 4, w, b, 1e-3, silu)
        statistics = normalisation.group_norm(x, 4, w, b, 1e-3, silu)[1:]
        yield from both("group_norm_backward", kernels, normalisation, g, x, 4, w, b, *statistics, silu)
    x, g, w, b = normals((300, 45), (300, 45), 45, 45)
    yield from both("layer_norm", kernels, normalisation, x, 1, w, b, 1e-3)
    statistics = normalisation.layer_norm(x, 1, w, b, 1e-3)[1:]
    yield from both("layer_norm_backward", kernels, normalisation, g, x, 1, w, *statistics)
    yield from both("rms_norm", kernels, normalisation, x, 1, w, 1e-3)
    rstd = normalisation.rms_norm(x, 1, w, 1e-3)[1]
    yield from both("rms_norm_backward", kernels, normalisation, g, x, 1, w, rstd)


def of_attention(kernels: Any) -> Results:
    lead, d, e = (2, 3), 17, 9
    q, k, v, g = normals((*lead, 21, d), (*lead, 45, d), (*lead, 45, e), (*lead, 21, e))
    per_head = np.arange(6 * 21 * 45).reshape(*lead, 21, 45) % 7 > 2
    for mask, is_causal in ((None, False), (None, True), (per_head, False), (normals(45)[0], True)):
        options = (mask, is_causal, 0.3)
        yield from both("attention", kernels, attention, q, k, v, *options)
        y, lse = attention.attention(q, k, v, *options)
        yield from both("attention_backward", kernels, attention, g, q, k, v, y, lse, *options)


def of_elementwise(kernels: Any) -> Results:
    x, g = normals((7, 100), (7, 100))
    for name in ("silu", "gelu", "sigmoid", "softplus", "erf"):
        yield from both(name, kernels, elementwise, x)
    for name in ("silu_backward", "gelu_backward"):
        yield from both(name, kernels, elementwise, g, x)


def of_rectifier(kernels: Any) -> Results:
    x, g = normals((7, 100), (7, 100))
    yield from both("relu", kernels, rectifier, x)
    yield from both("relu_backward", kernels, rectifier, g, x)
    for name in ("leaky_relu", "elu"):
        yield from both(name, kernels, rectifier, x, 0.3)
        yield from both(f"{name}_backward", kernels, rectifier, g, x, 0.3)


def of_philox(kernels: Any) -> Results:
    place = ((5, 2**31 + 3), 2**64 - 7)  # the counter's lower half overflows on the way
    yield from both("philox_bits", kernels, philox, *place, 1027)
    for dtype in (np.float32, np.float64):
        yield from both("philox_uniform", kernels, philox, *place, 1027, dtype)
        yield from both("philox_normal", kernels, philox, *place, 1027, dtype)


def of_update(kernels: Any) -> Results:
    options = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-3, "weight_decay": 0.1, "step": 3}
    shapes = [(5000,), (4, 4), (4096,), (0,), (30, 140)]
    for decoupled in (False, True):
        lists = [normals(*shapes) for _ in range(4)]
        lists[3] = [np.square(v) for v in lists[3]]
        expected = [[a.copy() for a in arrays] for arrays in lists]
        for arrays in zip(*expected):
            update.adam_update(*arrays, **options, decoupled=decoupled)
        kernels.adam_update_all(*lists, **options, decoupled=decoupled)
        for found, exact in zip(chain(*lists), chain(*expected)):
            yield "adam_update_all", found, exact
    averages, values = normals(*shapes), normals(*(2 * shapes))[len(shapes) :]
    expected = [a.copy() for a in averages]
    for pair in zip(expected, values):
        update.ema_update(*pair, 0.9)
    kernels.ema_update_all(averages, values, 0.9)
    for found, exact in zip(averages, expected):
        yield "ema_update_all", found, exact


EXERCISES: dict[str, Callable[[Any], Results]] = {
    "attention": of_attention,
    "softmax": of_softmax,
    "normalisation": of_normalisation,
    "elementwise": of_elementwise,
    "rectifier": of_rectifier,
    "philox": of_philox,
    "update": of_update,
}
BIT_BY_BIT = {"philox"}


def agrees(module: str, found: np.ndarray, expected: np.ndarray) -> bool:
    """Equal to the rounding of float32 on the scale of the result; random bits exactly."""
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if module in BIT_BY_BIT:
        return np.array_equal(found, expected)
    return bool(np.abs(found - expected).max(initial=0) <= 2e-6 * (1 + np.abs(expected).max(initial=0)))

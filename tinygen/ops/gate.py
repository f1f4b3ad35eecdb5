"""The gate tanh(a) sigmoid(b) over the two halves of the channels, as one operation.

van den Oord et al. 2016, "Conditional image generation with PixelCNN decoders", eq. 1. Held by
tests/ops/test_registry.py and tests/kernels/test_gate.py.
"""

from typing import Any

from tinygen import kernels
from tinygen.autodiff.primitive import either, operation
from tinygen.ops.elementwise import sigmoid, tanh
from tinygen.ops.joining import concat
from tinygen.ops.manipulation import as_tensor
from tinygen.tensor import ArrayLike, Tensor


def _vjp(g: Tensor, x: Tensor) -> Tensor:
    half = x.shape[1] // 2
    t, s = tanh(x[:, :half]), sigmoid(x[:, half:])
    return concat([g * (s * (1.0 - t * t)), g * (t * s * (1.0 - s))], axis=1)


def _gradient(g: Any, x: Any) -> Any:
    return kernels.gate_backward(g, x)  # type: ignore[attr-defined]


@operation(x=either(_vjp, _gradient), name="gate")
def _gate(x: Any) -> Any:
    return kernels.gate(x)  # type: ignore[attr-defined]


def gate(x: ArrayLike) -> Tensor:
    """tanh(x[:, :C]) sigmoid(x[:, C:]) for x (N, 2C, ...): (N, C, ...).

    Raises:
        ValueError: no axis of channels, or an odd number of them.
    """
    x = as_tensor(x)
    if x.ndim < 2 or x.shape[1] % 2:
        raise ValueError(f"gate: (N, 2C, ...) is needed, found shape {x.shape}")
    return _gate(x)

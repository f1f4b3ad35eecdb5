"""ReLU, leaky ReLU and ELU on a CUDA device: see elementwise.cu. Results lie in memory as x does."""

from typing import Any

from .elementwise import apply

Array = Any


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return apply("relu_map", x)


def relu_backward(g: Array, x: Array, room: Array | None = None) -> Array:
    """g where x > 0, else 0."""
    return apply("relu_backward_map", x, g)


def leaky_relu(x: Array, negative_slope: float) -> Array:
    """x above 0, negative_slope x below."""
    return apply("leaky_relu_map", x, option=negative_slope)


def leaky_relu_backward(g: Array, x: Array, negative_slope: float, room: Array | None = None) -> Array:
    """g above 0, negative_slope g elsewhere."""
    return apply("leaky_relu_backward_map", x, g, option=negative_slope)


def rectified(x: Array, negative_slope: float) -> Array:
    """What other kernels end with; see the definition."""
    if negative_slope == 1:
        return x
    return relu(x) if negative_slope == 0 else leaky_relu(x, negative_slope)


def rectified_backward(g: Array, y: Array | None, negative_slope: float) -> Array:
    """The gradient of `rectified` for the cotangent g of its result y."""
    if negative_slope == 1:
        return g
    return relu_backward(g, y) if negative_slope == 0 else leaky_relu_backward(g, y, negative_slope)


def elu(x: Array, alpha: float) -> Array:
    """x above 0, alpha (e^x - 1) below."""
    return apply("elu_map", x, option=alpha)


def elu_backward(g: Array, x: Array, alpha: float) -> Array:
    """g above 0, g alpha e^x elsewhere."""
    return apply("elu_backward_map", x, g, option=alpha)

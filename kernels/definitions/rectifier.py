"""ReLU, leaky ReLU (Maas et al. 2013) and ELU (Clevert et al. 2016): the NumPy definition.

Held by tests/kernels/test_rectifier.py. Results are laid out in memory as x.
NaN stays NaN; at 0 the slope is that of the negative side. A gradient may be written over `room`, an array like g or g
itself, where one is given; here it is not.
"""

from typing import Any

from ..array_module import rounded_once, xp

Array = Any


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return xp(x).maximum(x, 0)


def relu_backward(g: Array, x: Array, room: Array | None = None) -> Array:
    """Gradient of relu at x for the cotangent g: g where x > 0, else 0. The output serves in place of x."""
    y = xp(x).zeros_like(x)
    xp(x).copyto(y, g, where=x > 0)
    return y


@rounded_once
def leaky_relu(x: Array, negative_slope: float) -> Array:
    """x above 0, negative_slope x below."""
    y = xp(x).empty_like(x)
    y[...] = x * x.dtype.type(negative_slope)
    xp(x).copyto(y, x, where=x > 0)
    return y


@rounded_once
def leaky_relu_backward(g: Array, x: Array, negative_slope: float, room: Array | None = None) -> Array:
    """Gradient of leaky_relu at x for the cotangent g: g above 0, negative_slope g elsewhere."""
    y = xp(x).empty_like(x)
    y[...] = g * x.dtype.type(negative_slope)
    xp(x).copyto(y, g, where=x > 0)
    return y


def rectified(x: Array, negative_slope: float) -> Array:
    """What other kernels end with: x itself for a slope of 1, relu for 0, else leaky_relu."""
    if negative_slope == 1:
        return x
    return relu(x) if negative_slope == 0 else leaky_relu(x, negative_slope)


def rectified_backward(g: Array, y: Array | None, negative_slope: float) -> Array:
    """The gradient of `rectified` for the cotangent g of its result y, which is asked for unless the slope is 1."""
    if negative_slope == 1:
        return g
    return relu_backward(g, y) if negative_slope == 0 else leaky_relu_backward(g, y, negative_slope)


def elu(x: Array, alpha: float) -> Array:
    """x above 0, alpha (e^x - 1) below."""
    y = xp(x).empty_like(x)
    y[...] = alpha * xp(x).expm1(xp(x).minimum(x, 0).astype(float))
    xp(x).copyto(y, x, where=x > 0)
    return y


def elu_backward(g: Array, x: Array, alpha: float) -> Array:
    """Gradient of elu at x for the cotangent g: g above 0, g alpha e^x elsewhere."""
    y = xp(x).empty_like(x)
    y[...] = g * (alpha * xp(x).exp(xp(x).minimum(x, 0).astype(float)))
    xp(x).copyto(y, g, where=x > 0)
    return y

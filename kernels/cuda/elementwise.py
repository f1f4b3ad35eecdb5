"""Sigmoid, softplus, the normal distribution function, erf: see elementwise.cu. Results lie in memory as x does."""

from typing import Any

from ..array_module import in_memory
from .launch import THREADS, ceil_div, cupy, launch

Array = Any

_BLOCKS = 8192  # enough to fill any card: beyond that each thread takes several elements


def apply(name: str, like: Array, *others: Array, option: float | None = None) -> Array:
    """The kernel `name` of elementwise.cu on `others` and `like`, in this order: a new array laid out as `like`."""
    device = cupy()
    y = device.empty_like(like)
    order = in_memory(y)  # in which y is one piece of memory
    inputs = [device.ascontiguousarray(a.transpose(*order), dtype=like.dtype) for a in (*others, like)]
    whole = y.transpose(*order)
    options = () if option is None else (float(option),)
    blocks = min(ceil_div(y.size, THREADS), _BLOCKS)
    launch(f"elementwise/{name}", like.dtype, blocks, THREADS, *inputs, whole, y.size, *options)
    return y


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return apply("sigmoid_map", x)


def softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    return apply("softplus_map", x)


def normal_cdf(x: Array) -> Array:
    """Phi(x), the normal distribution function."""
    return apply("normal_cdf_map", x)


def erf(x: Array) -> Array:
    """The error function."""
    return apply("error_function_map", x)

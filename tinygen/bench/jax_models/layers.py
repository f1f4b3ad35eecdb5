"""Layers as functions, under PyTorch's names where they are operations: images (N, H, W, C), weights (KH, KW, C, K)."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

Arrays = dict[str, Array]
LAYOUT = ("NHWC", "HWIO", "NHWC")

relu, silu, softmax, log_softmax, softplus = (
    jax.nn.relu,
    jax.nn.silu,
    jax.nn.softmax,
    jax.nn.log_softmax,
    jax.nn.softplus,
)
tanh, sum, leaky_relu = jnp.tanh, jnp.sum, jax.nn.leaky_relu


def gelu(x: Array) -> Array:
    return jax.nn.gelu(x, approximate=False)


def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    y = x @ w.T
    return y if b is None else y + b


def conv2d(x: Array, w: Array, b: Array | None = None, stride: int = 1, padding: int = 0, groups: int = 1) -> Array:
    border = [(padding, padding)] * 2
    y = lax.conv_general_dilated(x, w, (stride, stride), border, dimension_numbers=LAYOUT, feature_group_count=groups)
    return y if b is None else y + b


def conv_transpose2d(x: Array, w: Array, b: Array, stride: int, padding: int) -> Array:
    border = [(size - 1 - padding,) * 2 for size in w.shape[:2]]
    y = lax.conv_transpose(x, w, (stride, stride), border, dimension_numbers=LAYOUT, transpose_kernel=True)
    return y + b


def scaled_dot_product_attention(q: Array, k: Array, v: Array) -> Array:
    return jax.nn.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1) @ v


def _normalised(x: Array, axes: tuple[int, ...], eps: float = 1e-5) -> Array:
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + eps)


def group_norm(x: Array, groups: int, w: Array, b: Array) -> Array:
    n, height, width, c = x.shape
    grouped = x.reshape(n, height * width, groups, c // groups)
    return _normalised(grouped, (1, 3)).reshape(x.shape) * w + b


def group_norm_silu(x: Array, groups: int, w: Array, b: Array) -> Array:
    return silu(group_norm(x, groups, w, b))


def batch_norm(x: Array, mean: None, variance: None, w: Array, b: Array, training: bool = True) -> Array:
    return _normalised(x, (0, 1, 2)) * w + b


def layer_norm(x: Array, shape: tuple[int, ...], w: Array, b: Array) -> Array:
    return _normalised(x, (-1,)) * w + b


def embedding(i: Array, w: Array) -> Array:
    return w[i]


def cross_entropy(x: Array, i: Array) -> Array:
    return -jnp.take_along_axis(jax.nn.log_softmax(x, -1), i[:, None], -1).mean()


def mse_loss(x: Array, y: Array) -> Array:
    return jnp.square(x - y).mean()


def binary_cross_entropy_with_logits(x: Array, target: Array, reduction: str = "mean") -> Array:
    loss = jnp.maximum(x, 0) - x * target + jnp.log1p(jnp.exp(-jnp.abs(x)))
    return loss.mean() if reduction == "mean" else loss.sum()


def interpolate(x: Array, scale_factor: int) -> Array:
    return jnp.repeat(jnp.repeat(x, scale_factor, 1), scale_factor, 2)


def _pooled(x: Array, size: int, start: float, fold: Any) -> Array:
    window = (1, size, size, 1)
    return lax.reduce_window(x, start, fold, window, window, "VALID")


def avg_pool2d(x: Array, size: int) -> Array:
    return _pooled(x, size, 0.0, lax.add) / size**2


def max_pool2d(x: Array, size: int) -> Array:
    return _pooled(x, size, -jnp.inf, lax.max)


def coupling(x: Array, s: Array, t: Array) -> Array:
    return x * jnp.exp(s) + t


# -- layers of a model, their weights by name ------------------------------------------------------------------


def dense(p: Arrays, name: str, x: Array) -> Array:
    return linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def convolution(p: Arrays, name: str, x: Array, stride: int = 1) -> Array:
    """With a border that keeps the size, or halves it exactly at stride 2."""
    w = p[f"{name}.weight"]
    return conv2d(x, w, p[f"{name}.bias"], stride, (len(w) - 1) // 2)


def mlp(p: Arrays, name: str, x: Array) -> Array:
    """Linear layers, SiLU between them."""
    count = len([key for key in p if key.startswith(f"{name}.layers.")]) // 2
    for i in range(count):
        x = dense(p, f"{name}.layers.{i}", x if i == 0 else silu(x))
    return x

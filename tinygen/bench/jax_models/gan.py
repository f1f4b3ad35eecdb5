"""DCGAN in JAX, both players: tinygen/gan/networks.py and the non-saturating game of tinygen/gan/losses.py."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import Array, lax

from tinygen.bench.jax_models import layers as F
from tinygen.bench.jax_models.layers import Arrays, convolution, dense


def norm(p: Arrays, name: str, x: Array) -> Array:
    return F.batch_norm(x, None, None, p[f"{name}.weight"], p[f"{name}.bias"])


def norm_of_evaluation(p: Arrays, name: str, x: Array) -> Array:
    scale = p[f"{name}.weight"] * lax.rsqrt(p[f"{name}.running_var"] + 1e-5)
    return (x - p[f"{name}.running_mean"]) * scale + p[f"{name}.bias"]


def generator(p: Arrays, z: Array, norm: Callable[[Arrays, str, Array], Array] = norm) -> Array:
    """Latents (N, 64) to images (N, 28, 28, 1) in [-1, 1]."""
    h = dense(p, "generator.inward", z).reshape(len(z), 128, 7, 7).transpose(0, 2, 3, 1)
    for i in range(2):
        up = f"generator.up.{i}"
        h = F.relu(norm(p, f"generator.norms.{i}", h))
        h = F.conv_transpose2d(h, p[f"{up}.weight"], p[f"{up}.bias"], stride=2, padding=1)
    return jnp.tanh(h)


def discriminator(p: Arrays, x: Array) -> Array:
    """Images (N, 28, 28, 1) to logits (N, 1)."""
    h = F.leaky_relu(convolution(p, "discriminator.down.0", x, 2), 0.2)
    h = F.leaky_relu(norm(p, "discriminator.norms.0", convolution(p, "discriminator.down.1", h, 2)), 0.2)
    return dense(p, "discriminator.outward", h.transpose(0, 3, 1, 2).reshape(len(h), -1))


def discriminator_loss(p: Arrays, batch: Arrays, noise: Arrays) -> tuple[Array, None]:
    fake = lax.stop_gradient(generator(p, 2 * noise["latent of the discriminator"] - 1))
    real, made = discriminator(p, batch["x"]), discriminator(p, fake)
    return F.softplus(-real).mean() + F.softplus(made).mean(), None


def generator_loss(p: Arrays, batch: Arrays, noise: Arrays) -> tuple[Array, None]:
    made = generator(p, 2 * noise["latent of the generator"] - 1)
    return F.softplus(-discriminator(p, made)).mean(), None


def sample(p: Arrays, noise: Arrays) -> Array:
    """Images in [-1, 1]."""
    return generator(p, 2 * noise["latent"] - 1, norm_of_evaluation)

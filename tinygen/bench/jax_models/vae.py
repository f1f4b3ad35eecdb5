"""The VAE of perceptrons in JAX: tinygen/vae/vae.py."""

import jax
import jax.numpy as jnp
from jax import Array

from tinygen.bench.jax_models import layers as F
from tinygen.bench.jax_models.layers import Arrays, mlp


def loss(p: Arrays, batch: Arrays, noise: Arrays) -> tuple[Array, None]:
    n = len(batch["x"])
    x = (batch["x"] > 0).astype(jnp.float32).reshape(n, -1)
    mean, log_scale = jnp.split(mlp(p, "encoder", 2 * x - 1), 2, 1)
    scale = jnp.exp(log_scale)
    logits = mlp(p, "decoder", mean + scale * noise["noise"])
    reconstruction = F.binary_cross_entropy_with_logits(logits, x, "sum")
    kl = 0.5 * (mean**2 + scale**2 - 1 - 2 * log_scale).sum()
    return (reconstruction + kl) / n, None


def sample(p: Arrays, noise: Arrays) -> Array:
    """E[x | z] for z of the prior, in [-1, 1]."""
    return 2 * jax.nn.sigmoid(mlp(p, "decoder", noise["z"])).reshape(-1, 28, 28, 1) - 1

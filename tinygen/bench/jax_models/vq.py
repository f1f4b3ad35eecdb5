"""The autoencoder of the VQ-VAE in JAX, its codebook following moving averages: tinygen/vq/."""

import jax.numpy as jnp
from jax import Array, lax

from tinygen.bench.jax_models import layers as F
from tinygen.bench.jax_models.layers import Arrays, convolution

BETA, DECAY = 0.25, 0.99


def blocks(p: Arrays, name: str, h: Array) -> Array:
    for i in range(2):
        wide = F.relu(convolution(p, f"{name}.blocks.{i}.wide", F.relu(h)))
        h = h + convolution(p, f"{name}.blocks.{i}.narrow", wide)
    return h


def encoder(p: Arrays, x: Array) -> Array:
    h = convolution(p, "encoder.inward", x)
    for i in range(2):
        h = convolution(p, f"encoder.down.{i}", F.relu(h), 2)
    return convolution(p, "encoder.outward", F.relu(blocks(p, "encoder", h)))


def decoder(p: Arrays, z: Array) -> Array:
    h = blocks(p, "decoder", convolution(p, "decoder.inward", z))
    for i in range(2):
        h = convolution(p, f"decoder.up.{i}", F.interpolate(F.relu(h), 2))
    return convolution(p, "decoder.outward", F.relu(h))


def loss(p: Arrays, batch: Arrays, noise: Arrays) -> tuple[Array, tuple[Array, Array]]:
    x, codebook = batch["x"], p["quantiser.codebook"]
    z = encoder(p, x)
    rows = lax.stop_gradient(z).reshape(-1, codebook.shape[1])
    indices = (rows @ codebook.T - 0.5 * (codebook**2).sum(1)).argmax(1)
    e = codebook[indices].reshape(z.shape)
    decoded = decoder(p, z + lax.stop_gradient(e - z))
    return (((x - decoded) ** 2).sum() + BETA * ((z - e) ** 2).sum()) / len(x), (rows, indices)


def after_step(p: Arrays, kept: tuple[Array, Array]) -> Arrays:
    rows, indices = kept
    codebook, counts, sums = (p[f"quantiser.{name}"] for name in ("codebook", "counts", "sums"))
    counts = DECAY * counts + (1 - DECAY) * jnp.zeros_like(counts).at[indices].add(1.0)
    sums = DECAY * sums + (1 - DECAY) * jnp.zeros_like(sums).at[indices].add(rows)
    used = (counts > 0)[:, None]
    codebook = jnp.where(used, sums / jnp.where(used, counts[:, None], 1.0), codebook)
    return {"quantiser.codebook": codebook, "quantiser.counts": counts, "quantiser.sums": sums}

"""DDPM with its U-Net in JAX: tinygen/diffusion/ddpm.py and tinygen/nets/unet.py."""

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from tinygen.bench.jax_models import layers as F
from tinygen.bench.jax_models.layers import Arrays, convolution, dense

GROUPS, HEADS = 8, 4


def _tables() -> tuple[np.ndarray, np.ndarray]:
    """sqrt(alpha_bar) and sqrt(1 - alpha_bar) of the cosine schedule, at 0 to 1000."""
    f = np.cos((np.arange(1001) / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
    alpha_bar = np.append(1.0, np.cumprod(1 - np.minimum(1 - f[1:] / f[:-1], 0.999)))
    return np.sqrt(alpha_bar).astype(np.float32), np.sqrt(1 - alpha_bar).astype(np.float32)


OF_DATA, OF_NOISE = _tables()


def norm(p: Arrays, name: str, x: Array) -> Array:
    return F.group_norm(x, GROUPS, p[f"{name}.weight"], p[f"{name}.bias"])


def residual(p: Arrays, name: str, x: Array, time: Array) -> Array:
    h = convolution(p, f"{name}.conv1", F.silu(norm(p, f"{name}.norm1", x)))
    h = h + dense(p, f"{name}.time", time)[:, None, None]
    h = convolution(p, f"{name}.conv2", F.silu(norm(p, f"{name}.norm2", h)))
    return h + (convolution(p, f"{name}.skip", x) if f"{name}.skip.weight" in p else x)


def attention(p: Arrays, name: str, x: Array) -> Array:
    n, height, width, c = x.shape
    qkv = convolution(p, f"{name}.qkv", norm(p, f"{name}.norm", x)).reshape(n, height * width, 3, HEADS, c // HEADS)
    q, k, v = jnp.moveaxis(qkv, (2, 3), (0, 2))
    h = F.scaled_dot_product_attention(q, k, v)
    return x + convolution(p, f"{name}.out", jnp.moveaxis(h, 1, 2).reshape(x.shape))


def sinusoidal(t: Array, width: int) -> Array:
    frequencies = np.exp(-np.log(10_000.0) * np.arange(width // 2) / max(width // 2 - 1, 1)).astype(np.float32)
    angles = t.astype(jnp.float32)[:, None] * frequencies
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], 1)


def count(p: Arrays, name: str) -> int:
    """How many layers there are in a list."""
    return 1 + max(int(key[len(name) + 1 :].split(".")[0]) for key in p if key.startswith(f"{name}."))


def unet(p: Arrays, x: Array, t: Array) -> Array:
    time = sinusoidal(t, p["net.time1.weight"].shape[1])
    time = F.silu(dense(p, "net.time2", F.silu(dense(p, "net.time1", time))))
    h = convolution(p, "net.inward", x)
    left = [h]
    for i in range(count(p, "net.down")):
        name = f"net.down.{i}"
        h = residual(p, name, h, time) if f"{name}.conv1.weight" in p else convolution(p, name, h, 2)
        left.append(h)
    h = residual(p, "net.middle1", h, time)
    h = residual(p, "net.middle2", attention(p, "net.attention", h), time)
    for i in range(count(p, "net.up")):
        name = f"net.up.{i}"
        if f"{name}.conv1.weight" in p:
            h = residual(p, name, jnp.concatenate([h, left.pop()], -1), time)
        else:
            h = convolution(p, name, F.interpolate(h, 2))
    return convolution(p, "net.outward", F.silu(norm(p, "net.norm", h)))


def loss(p: Arrays, batch: Arrays, noise: Arrays) -> tuple[Array, None]:
    t, e = noise["t"], noise["noise"]
    of_data, of_noise = (jnp.asarray(table)[t][:, None, None, None] for table in (OF_DATA, OF_NOISE))
    return F.mse_loss(unet(p, of_data * batch["x"] + of_noise * e, t), e), None


def sample(p: Arrays, noise: Arrays) -> Array:
    """DDIM without noise in ten steps (Song et al. 2021, eq. 12), x_0 clipped to [-1, 1]."""
    times = np.arange(950, 0, -100)
    befores = np.maximum(times - 100, 0)

    def step(x: Array, at: Array) -> tuple[Array, None]:
        t, of_data, of_noise, to_data, to_noise = at
        predicted = unet(p, x, jnp.broadcast_to(t, len(x)))
        x_0 = ((x - of_noise * predicted) / of_data).clip(-1, 1)
        predicted = (x - of_data * x_0) / of_noise
        return to_data * x_0 + to_noise * predicted, None

    steps = (times, OF_DATA[times], OF_NOISE[times], OF_DATA[befores], OF_NOISE[befores])
    return lax.scan(step, noise["x_T"], steps)[0]

"""Initial values of parameters, drawn in place from an explicit generator; names and laws as `torch.nn.init`.

Glorot and Bengio 2010 (xavier), He et al. 2015 (kaiming), Saxe et al. 2014 (orthogonal). Held by tests/nn/test_init.py.
"""

import math
import secrets
from typing import Any

import numpy as np

from tinygen.random import Generator
from tinygen.tensor import Tensor


def generator(rng: Generator | None) -> Generator:
    """`rng`, or a new generator seeded by the operating system when None: there is no hidden global one.

    Raises:
        TypeError: neither.
    """
    if rng is None:
        return Generator(secrets.randbits(64))
    if not isinstance(rng, Generator):
        raise TypeError(f"rng is a tg.random.Generator, not {type(rng).__name__}")
    return rng


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """(inputs, outputs) of one unit of a weight laid out (out, in, *kernel).

    Raises:
        ValueError: fewer than two dimensions.
    """
    if len(shape) < 2:
        raise ValueError(f"fan in and fan out need a weight of two or more dimensions, found shape {shape}")
    receptive = math.prod(shape[2:])
    return shape[1] * receptive, shape[0] * receptive


def _filled(tensor: Tensor, values: Any) -> Tensor:
    tensor._assign(values._data if isinstance(values, Tensor) else values)
    return tensor


def constant_(tensor: Tensor, value: float) -> Tensor:
    """One value everywhere."""
    return _filled(tensor, value)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return _filled(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return _filled(tensor, 1.0)


def uniform_(tensor: Tensor, low: float = 0.0, high: float = 1.0, *, rng: Generator) -> Tensor:
    """Uniform on [low, high)."""
    u = rng.uniform(tensor.shape, tensor.dtype, tensor.device)._data
    return _filled(tensor, low + (high - low) * u)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, *, rng: Generator) -> Tensor:
    """Normal with the given mean and standard deviation."""
    return _filled(tensor, mean + std * rng.normal(tensor.shape, tensor.dtype, tensor.device)._data)


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, low: float = -2.0, high: float = 2.0, *, rng: Generator
) -> Tensor:
    """Normal conditioned on [low, high], by the inverse of its distribution function on [P(low), P(high)]."""
    from statistics import NormalDist

    law = NormalDist(mean, std)
    first, last = law.cdf(low), law.cdf(high)
    u = first + (last - first) * rng.uniform(tensor.shape, np.float64, "cpu").numpy()
    values = np.clip([law.inv_cdf(min(max(p, 1e-300), 1 - 1e-16)) for p in u.flat], low, high)
    return _filled(tensor, Tensor(values.reshape(tensor.shape).astype(tensor.dtype)).to(tensor.device))


def kaiming_uniform_(tensor: Tensor, a: float = 0.0, *, rng: Generator) -> Tensor:
    """Uniform with variance 2 / ((1 + a^2) fan_in): keeps the second moment through a leaky ReLU of slope a."""
    bound = math.sqrt(6.0 / ((1.0 + a * a) * max(fans(tensor.shape)[0], 1)))
    return uniform_(tensor, -bound, bound, rng=rng)


def kaiming_normal_(tensor: Tensor, a: float = 0.0, *, rng: Generator) -> Tensor:
    """Normal with variance 2 / ((1 + a^2) fan_in)."""
    return normal_(tensor, 0.0, math.sqrt(2.0 / ((1.0 + a * a) * max(fans(tensor.shape)[0], 1))), rng=rng)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, *, rng: Generator) -> Tensor:
    """Uniform with variance gain^2 2 / (fan_in + fan_out)."""
    bound = gain * math.sqrt(6.0 / sum(fans(tensor.shape)))
    return uniform_(tensor, -bound, bound, rng=rng)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, *, rng: Generator) -> Tensor:
    """Normal with variance gain^2 2 / (fan_in + fan_out)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor.shape))), rng=rng)


def orthogonal_(tensor: Tensor, gain: float = 1.0, *, rng: Generator) -> Tensor:
    """Rows (or columns, the fewer) orthonormal times gain, by Haar's law: QR of a normal matrix, signs of R's diagonal.

    Dimensions from the second on count as one.
    """
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    normal = rng.normal((max(rows, columns), min(rows, columns)), np.float64, "cpu").numpy()
    q, r = np.linalg.qr(normal)
    q = q * np.sign(np.diagonal(r))
    values = gain * (q if rows >= columns else q.T).reshape(tensor.shape).astype(tensor.dtype)
    return _filled(tensor, Tensor(values).to(tensor.device))

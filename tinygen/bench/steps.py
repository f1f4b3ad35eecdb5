"""The training steps that are timed: a model of each family at the sizes of MNIST, batches of 64.

Their noise is given, so that every library computes the same numbers; drawing it is an operation of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygen.diffusion.ddpm import DDPMConfig
from tinygen.flow.realnvp import RealNVPConfig
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vae.vae import VAEConfig

SHAPE = (1, 28, 28)
BATCH = 64


class Given(Generator):
    """A generator that hands out given arrays, in their order."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        super().__init__(0)
        self.arrays = iter(arrays.values())

    def _next(self, shape: Any, dtype: Any = None) -> Tensor:
        array = next(self.arrays)
        if array.shape != tuple(shape):
            raise ValueError(f"the step asks for noise of shape {tuple(shape)}, given is {array.shape}")
        return Tensor(array if dtype is None else array.astype(dtype))

    def normal(self, shape: Any, dtype: Any = None, device: Any = None) -> Tensor:
        return self._next(shape, dtype)

    def uniform(self, shape: Any, dtype: Any = None, device: Any = None) -> Tensor:
        return self._next(shape, dtype)

    def integers(self, low: int, high: int, shape: Any, device: Any = None) -> Tensor:
        return self._next(shape)


@dataclass(frozen=True)
class Step:
    """What is trained on what: a model from a fixed seed, its examples, the noise in the order it is asked for."""

    make: Callable[[Generator], Any]
    draw: Callable[[np.random.Generator], dict[str, np.ndarray]]
    lr: float = 1e-3

    def model(self) -> Any:
        """The model, with weights that are nowhere 0, so that every gradient is worth comparing."""
        model = self.make(Generator(0))
        rng = np.random.default_rng(2)
        for parameter in model.parameters():
            moved = np.asarray(parameter * 1.0) + 0.02 * rng.standard_normal(parameter.shape)
            parameter.data = moved.astype(np.float32)
        return model

    def batch(self) -> dict[str, np.ndarray]:
        """64 images of 256 grey levels in [-1, 1]."""
        levels = np.random.default_rng(3).integers(0, 256, (BATCH, *SHAPE))
        return {"x": (levels / 127.5 - 1).astype(np.float32)}

    def noise(self) -> dict[str, np.ndarray]:
        """What the step draws, by name."""
        return self.draw(np.random.default_rng(4))


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def _realnvp(rng: Generator) -> Any:
    model = RealNVPConfig().build(SHAPE, None, rng)
    model.flow(rng.uniform((BATCH, *SHAPE)))  # its activation normalisations start from a first batch
    return model


STEPS = {
    "DDPM": Step(
        lambda rng: DDPMConfig().build(SHAPE, None, rng),
        lambda rng: {"t": rng.integers(1, 1001, BATCH), "noise": _normal(rng, BATCH, *SHAPE)},
    ),
    "VAE": Step(
        lambda rng: VAEConfig(likelihood="bernoulli", binarise="threshold", hidden=(512, 256)).build(SHAPE, None, rng),
        lambda rng: {"noise": _normal(rng, BATCH, 16)},
    ),
    "RealNVP": Step(_realnvp, lambda rng: {"noise": rng.uniform(size=(BATCH, *SHAPE)).astype(np.float32)}),
}

"""The training steps that are timed, and the sampling: a model of each family at the sizes of MNIST.

DDPM's U-Net has widths 32, 64 and 128 (2.5 million parameters), the VAE batches of 128: the sizes that the project's
goals were set for. The others are what `tinygen train` builds, with batches of 64. Their noise is given, so that every
library computes the same numbers; drawing it is an operation of its own.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygen.autodiff.backward import grad
from tinygen.ops.manipulation import as_tensor
from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.training.registry import config_class

SHAPE = (1, 28, 28)
BATCH = 64
Arrays = dict[str, np.ndarray]
Weights = dict[str, Any]  # by name


class Given(Generator):
    """A generator that hands out given arrays, in their order."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        super().__init__(0)
        self.arrays = iter(arrays.values())

    def _given(self, shape: Any, dtype: Any = None) -> Tensor:
        tensor = as_tensor(next(self.arrays))
        if tensor.shape != tuple(shape):
            raise ValueError(f"the step asks for noise of shape {tuple(shape)}, given is {tensor.shape}")
        return tensor if dtype is None else tensor.astype(dtype)

    def normal(self, shape: Any, dtype: Any = None, device: Any = None) -> Tensor:
        return self._given(shape, dtype)

    def uniform(self, shape: Any, dtype: Any = None, device: Any = None) -> Tensor:
        return self._given(shape, dtype)

    def integers(self, low: int, high: int, shape: Any, device: Any = None) -> Tensor:
        return self._given(shape)


@dataclass(frozen=True)
class Turn:
    """One loss that is descended in a step: a method of the model, and the part whose weights it moves ("": all)."""

    loss: str = "loss"
    part: str = ""

    def parameters(self, model: Any) -> Weights:
        """The weights by name, of a model of either library."""
        named = dict(model.named_parameters())
        return {name: p for name, p in named.items() if p.requires_grad and name.startswith(self.part)}


@dataclass(frozen=True)
class Step:
    """What is trained on what: a model from a fixed seed, its examples, the noise in the order it is asked for.

    `draw(rng, n)` gives the noise of n examples; `after(model)` is what follows the optimiser. A bias that a batch
    normalisation takes away again has no gradient but rounding: `no_gradient` says which, and they are not compared.
    `examples` are in a batch.
    """

    make: Callable[[Generator], Any]
    draw: Callable[[np.random.Generator, int], Arrays]
    turns: tuple[Turn, ...] = (Turn(),)
    after: Callable[[Any], Any] | None = None
    no_gradient: tuple[str, ...] = ()
    lr: float = 1e-3
    examples: int = BATCH

    def model(self) -> Any:
        """The model, with weights that are nowhere 0, so that every gradient is worth comparing."""
        return moved(self.make(Generator(0)))

    def batch(self, n: int | None = None) -> Arrays:
        """n images of 256 grey levels in [-1, 1]; as many as belong in a batch when it is not said."""
        return images(n or self.examples)

    def weights(self, model: Any) -> list[Weights]:
        """Those that each turn moves, of a model of either library."""
        return [turn.parameters(model) for turn in self.turns]

    def noise(self, n: int | None = None) -> Arrays:
        """What the step draws for n examples, by name."""
        return self.draw(np.random.default_rng(4), n or self.examples)


@dataclass(frozen=True)
class Sampling:
    """What is drawn: n samples of a step's model by `sample(model, n, rng)`, from noise given by name."""

    step: str
    sample: Callable[[Any, int, Generator], Tensor]
    draw: Callable[[np.random.Generator, int], Arrays]

    def noise(self, n: int = BATCH) -> Arrays:
        """What the sampler draws, by name."""
        return self.draw(np.random.default_rng(5), n)


def losses(step: Step, model: Any, weights: Sequence[Weights], batch: Any, rng: Generator) -> Any:
    """Yields, turn by turn, the loss and its gradients by the parameters' names; no turn's graph outlives it.

    `weights` are those of each turn (`Step.weights`).
    """
    for turn, named in zip(step.turns, weights):
        yield _descent(turn, model, named, batch, rng)


def _descent(turn: Turn, model: Any, named: Weights, batch: Any, rng: Generator) -> tuple[Tensor, dict[str, Tensor]]:
    found = getattr(model, turn.loss)(batch, rng)
    loss = found[0] if isinstance(found, tuple) else found
    return loss.detach(), dict(zip(named, grad(loss, list(named.values()))))


def moved(model: Any) -> Any:
    """The model with every weight a little off what it started from, the same each time."""
    rng = np.random.default_rng(2)
    for parameter in model.parameters():
        parameter.data = (np.asarray(parameter) + 0.02 * rng.standard_normal(parameter.shape)).astype(np.float32)
    return model


def images(n: int) -> Arrays:
    """A batch of n images of 256 grey levels in [-1, 1]."""
    levels = np.random.default_rng(3).integers(0, 256, (n, *SHAPE))
    return {"x": (levels / 127.5 - 1).astype(np.float32)}


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def _uniform(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.uniform(size=shape).astype(np.float32)


def _built(name: str, rng: Generator, **options: Any) -> Any:
    """A model of the registry; its family is imported now, and no other: start-up is measured too."""
    return config_class(name)(**options).build(SHAPE, None, rng)


def _realnvp(rng: Generator) -> Any:
    model = _built("realnvp", rng)
    model.flow(rng.uniform((BATCH, *SHAPE)))  # its activation normalisations start from a first batch
    return model


def _autoencoder(rng: Generator) -> Any:
    model = _built("vqvae", rng, revival=0.0).autoencoder
    model.quantiser.start(model.vectors(images(BATCH)["x"]), rng)
    return model


STEPS = {
    "DDPM": Step(
        lambda rng: _built("ddpm", rng, multipliers=(1, 2, 4)),
        lambda rng, n: {"t": rng.integers(1, 1001, n), "noise": _normal(rng, n, *SHAPE)},
    ),
    "VAE": Step(
        lambda rng: _built("vae", rng, likelihood="bernoulli", binarise="threshold", hidden=(512, 256)),
        lambda rng, n: {"noise": _normal(rng, n, 16)},
        examples=128,
    ),
    "RealNVP": Step(_realnvp, lambda rng, n: {"noise": _uniform(rng, n, *SHAPE)}),
    "DCGAN": Step(
        lambda rng: _built("dcgan", rng),
        lambda rng, n: {f"latent of the {player}": _uniform(rng, n, 64) for player in ("discriminator", "generator")},
        (Turn("discriminator_loss", "discriminator"), Turn("generator_loss", "generator")),
        no_gradient=("generator.up.0.bias", "discriminator.down.1.bias"),
        lr=2e-4,
    ),
    "VQ-VAE": Step(
        _autoencoder,
        lambda rng, n: {},
        after=lambda model: model.quantiser.take_in(*model.seen),
    ),
}

SAMPLING = {
    "DDPM sampling, 10 steps": Sampling(
        "DDPM", lambda model, n, rng: _ddim(model, n, rng), lambda rng, n: {"x_T": _normal(rng, n, *SHAPE)}
    ),
    "VAE sampling": Sampling(
        "VAE", lambda model, n, rng: model.sample(n, rng), lambda rng, n: {"z": _normal(rng, n, 16)}
    ),
    "RealNVP sampling": Sampling(
        "RealNVP",
        lambda model, n, rng: model.sample(n, rng),
        lambda rng, n: {"z": _normal(rng, n, math.prod(SHAPE))},
    ),
    "DCGAN sampling": Sampling(
        "DCGAN", lambda model, n, rng: model.sample(n, rng), lambda rng, n: {"latent": _uniform(rng, n, 64)}
    ),
}


def _ddim(model: Any, n: int, rng: Generator) -> Tensor:
    from tinygen.diffusion.ddim import ddim_steps

    x = rng.normal((n, *SHAPE))
    *_, (_, x) = ddim_steps(model.net, model.schedule, x, rng, range(50, 951, 100), limits=(-1, 1))
    return x

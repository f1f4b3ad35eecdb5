"""A model of NumPy alone that keeps the contract: it learns the mean image, by descent with momentum.

Run as a script it is the command line with this model in the registry, for tests that kill processes:
`python fake_model.py train mean --steps 100 ...`.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygen.learner import check_finite
from tinygen.training.contract import Recipe


@dataclass(frozen=True)
class MeanConfig:
    """The mean of the data, learned by stochastic descent.

    A model for tests.
    """

    momentum: float = 0.9
    """Momentum of the descent."""
    pause: float = 0.0
    """Seconds to sleep in each step."""
    nan_at: int = 0
    """Step whose loss is NaN."""
    widths: tuple[int, ...] = (1, 2)
    """Without effect."""

    def recipe(self, data: str) -> Recipe:
        return Recipe(steps=40, batch_size=16, lr=0.05, ema_decay=0.9, sample_every=20, pictures=4)

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Any) -> "Mean":
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is at least 0 and less than 1, not {self.momentum}")
        return Mean(self, shape, rng)


@dataclass
class Weight:
    """What the room looks at of a parameter."""

    value: np.ndarray
    requires_grad: bool = True

    @property
    def size(self) -> int:
        return self.value.size


class Mean:
    """x ~ N(w, 1): the loss is the mean of |x + noise - w|^2 / 2."""

    def __init__(self, config: MeanConfig, shape: tuple[int, ...], rng: Any) -> None:
        self.config = config
        self.weight = Weight(np.array(rng.normal(shape, dtype=np.float64)))

    def to(self, device: str) -> "Mean":
        return self

    def parameters(self) -> list[Weight]:
        return [self.weight]

    def residual(self, batch: Mapping[str, np.ndarray], rng: Any) -> np.ndarray:
        noise = 0.1 * np.asarray(rng.normal(batch["x"].shape, dtype=np.float64))
        return batch["x"] + noise - self.weight.value

    def loss(self, batch: Mapping[str, np.ndarray], rng: Any) -> tuple[float, dict[str, float]]:
        residual = self.residual(batch, rng)
        return float((residual**2).mean() / 2), {"bias": float(residual.mean())}

    def sample(self, n: int, rng: Any, cond: Any = None) -> np.ndarray:
        return self.weight.value + 0.1 * np.asarray(rng.normal((n, *self.weight.value.shape)))

    def learner(self, recipe: Recipe) -> "Descent":
        return Descent(self, recipe)


class Descent:
    """Descent with momentum and an average of the weights: everything in it must survive a kill."""

    def __init__(self, model: Mean, recipe: Recipe) -> None:
        self.model, self.recipe = model, recipe
        self.velocity = np.zeros_like(model.weight.value)
        self.average = model.weight.value.copy()
        self.count = 0

    def step(self, batch: Mapping[str, np.ndarray], rng: Any) -> dict[str, float]:
        time.sleep(self.model.config.pause)
        residual = self.model.residual(batch, rng)
        loss = float((residual**2).mean() / 2)
        if self.count + 1 == self.model.config.nan_at:
            loss = float("nan")
        check_finite({"loss": loss})
        self.velocity = self.model.config.momentum * self.velocity + residual.mean(0)
        self.model.weight.value = self.model.weight.value + self.recipe.lr * self.velocity
        decay = self.recipe.ema_decay
        self.average = decay * self.average + (1 - decay) * self.model.weight.value
        self.count += 1
        return {"loss": loss, "bias": float(residual.mean())}

    @contextmanager
    def averaged(self) -> Iterator[Mean]:
        own, self.model.weight.value = self.model.weight.value, self.average
        try:
            yield self.model
        finally:
            self.model.weight.value = own

    def state_dict(self) -> dict[str, Any]:
        return {
            "model": {"weight": self.model.weight.value},
            "ema": {"weight": self.average},
            "optimiser": {"velocity": self.velocity, "count": self.count},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.model.weight.value = np.array(state["model"]["weight"])
        self.average = np.array(state["ema"]["weight"])
        self.velocity = np.array(state["optimiser"]["velocity"])
        self.count = state["optimiser"]["count"]


def register() -> None:
    """Make the command line know the model as `mean`."""
    from tinygen.training import registry

    registry.MODELS["mean"] = f"{__name__ if __name__ != '__main__' else 'fake_model'}:MeanConfig"


if __name__ == "__main__":
    from tinygen.cli import main

    sys.path.insert(0, str(Path(__file__).parent))
    register()
    sys.exit(main())

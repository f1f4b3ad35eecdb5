"""A small model that fails in a way, on a rank and at a step of one's choice: `python faulty_model.py train faulty`."""

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tinygen import nn, parallel
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor


class Faulty(nn.Module):
    """|x W^T + noise|^2, with a batch normalisation on the way."""

    def __init__(self, config: "FaultyConfig", size: int, rng: Any) -> None:
        self.config, self.size, self.taken = config, size, 0
        self.linear, self.norm = nn.Linear(size, 3, rng=rng), nn.BatchNorm1d(3)

    def loss(self, batch: Any, rng: Any) -> tuple[Tensor, dict[str, Any]]:
        x = Tensor(batch["x"])
        self.taken += 1
        time.sleep(self.config.pause)
        if self.taken == self.config.at and parallel.world().rank == self.config.rank:
            match self.config.fault:
                case "nan":
                    x = Tensor(np.full(x.shape, np.nan, np.float32))
                case "error":
                    raise LookupError("nobody expected this")
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
        y = self.norm(self.linear(x))
        return ((y + rng.normal(y.shape)) ** 2).mean() + (self.linear(x) ** 2).mean(), {}

    def sample(self, n: int, rng: Any, cond: Any = None) -> Tensor:
        return rng.normal((n, self.size))


@dataclass(frozen=True)
class FaultyConfig:
    """For tests."""

    fault: Literal["none", "nan", "error", "kill"] = "none"
    """What happens."""
    rank: int = 1
    """To whom."""
    at: int = 5
    """In which step that this process takes."""
    pause: float = 0.0
    """Seconds that a step waits."""

    def recipe(self, data: str) -> Recipe:
        return Recipe(steps=7, batch_size=8, lr=1e-2, ema_decay=0.5, sample_every=100, pictures=4)

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Any) -> Faulty:
        return Faulty(self, shape[0], rng)


if __name__ == "__main__":
    from tinygen.cli import main
    from tinygen.training import registry

    sys.path.insert(0, str(Path(__file__).parent))
    registry.MODELS["faulty"] = "faulty_model:FaultyConfig"
    sys.exit(main())

"""What a learner is, and the default one: one optimiser (Adam) on one loss, averaged weights beside it.

Everything that is not finite stops the step before a weight is touched, so a run that fails is still at its
last good state. The learning rate rises linearly over `recipe.warmup` steps and is constant after.
Adam: Kingma and Ba, arXiv:1412.6980, algorithm 1. Held by `tests/test_learner.py`.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import numpy as np

from tinygen import optim
from tinygen.parallel import average_figures, average_gradients
from tinygen.recipe import Recipe

Batch = Mapping[str, np.ndarray]
"""{"x": (N, ...) float32} and, where the data set has classes, {"y": (N,) int64}."""


class Learner(Protocol):
    """All that training changes besides randomness and data order: weights, optimisers, averages."""

    def step(self, batch: Batch, rng: Any) -> dict[str, float]:
        """One optimiser step (one of each player). Returns at least "loss".

        Raises `NonFinite` before anything is updated when a term or a gradient is not finite.
        """
        ...

    def averaged(self) -> Any:
        """Context manager that gives the model with its averaged weights, for sampling and evaluation."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Nested dicts and lists of arrays and JSON values; the weights under "model" and "ema"."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class NonFinite(ArithmeticError):
    """A term of the loss, the gradient, or a weight is NaN or infinite."""

    def __init__(self, term: str, value: float) -> None:
        super().__init__(f"{term} is {value}")
        self.term = term
        self.value = value


def learner_of(model: Any, recipe: Recipe) -> Learner:
    """The learner that `model` brings with it, else the default one."""
    own = getattr(model, "learner", None)
    return own(recipe) if own is not None else SingleLearner(model, recipe)


class SingleLearner:
    """Adam on `model.loss`, gradient clipping, warm-up, and an exponential moving average of the weights."""

    def __init__(self, model: Any, recipe: Recipe) -> None:
        self.model = model
        self.recipe = recipe
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimiser = optim.Adam(self.parameters, lr=recipe.lr)
        self.ema = optim.EMA(model, recipe.ema_decay)
        self.warmup = optim.linear_warmup(recipe.warmup)
        self.steps_done = 0

    def step(self, batch: Batch, rng: Any) -> dict[str, float]:
        """One step of Adam. Returns "loss", the model's terms, "grad_norm" (before clipping) and "lr"."""
        self.optimiser.zero_grad()
        loss, terms = self.model.loss(batch, rng)
        figures = average_figures({"loss": float(loss)} | {name: float(value) for name, value in terms.items()})
        check_finite(figures)
        loss.backward()
        average_gradients(self.parameters)
        norm = float(optim.clip_grad_norm_(self.parameters, self.recipe.grad_clip or math.inf))
        check_finite({"the gradient's norm": norm})
        lr = self.recipe.lr * self.warmup(self.steps_done)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.optimiser.step()
        self.ema.update()
        self.steps_done += 1
        return figures | {"grad_norm": norm, "lr": lr}

    def averaged(self) -> AbstractContextManager[Any]:
        """The model in evaluation mode with its averaged weights, within the block."""
        return evaluating(self.model, self.ema)

    def state_dict(self) -> dict[str, Any]:
        """Weights, averages, Adam's moments, where the dropout layers' generators are, and the count of steps."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generators": {name: generator.state for name, generator in self.model.named_generators()},
            "steps_done": self.steps_done,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` gave. Raises ValueError when it does not fit the model."""
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name, generator in self.model.named_generators():
            generator.state = state["generators"][name]
        self.steps_done = state["steps_done"]


@contextmanager
def evaluating(model: Any, average: optim.EMA) -> Iterator[Any]:
    """`model` in evaluation mode with the weights of `average`, of all of it or of a part, within the block."""
    with average.applied():
        model.eval()
        try:
            yield model
        finally:
            model.train()


def check_finite(figures: Mapping[str, float]) -> None:
    """Raise NonFinite for the first figure that is NaN or infinite."""
    for name, value in figures.items():
        if not math.isfinite(value):
            raise NonFinite(name, value)

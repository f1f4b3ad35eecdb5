"""What a learner is, and the default one: one optimiser (Adam) on one loss, averaged weights beside it.

Nothing that is not finite reaches a weight: a step moves them only if its loss, its terms and its gradient's norm are
finite, so the weights of a run that fails are still its last good ones. (Running statistics are no weights: the forward
pass moves them.) The learning rate rises linearly over `recipe.warmup` steps and is constant after.
Adam: Kingma and Ba, arXiv:1412.6980, algorithm 1. Held by `tests/test_learner.py`.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import numpy as np

from tinygen import optim
from tinygen.capture import Captured, checks_captures
from tinygen.device import CPU, device_of, transfer
from tinygen.kernels.array_module import xp
from tinygen.parallel import average, average_gradients
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor, asarray

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


class Figures:
    """What a step is judged by: named numbers, in one array where the step ran, so that they are read at once.

    With several processes each is the mean over all of them.

    Args:
        terms: scalars: tensors, arrays, numbers; the first is where the others shall be.
        after: figures that come first.
    """

    def __init__(self, terms: Mapping[str, Any], after: "Figures | None" = None) -> None:
        before = 0 if after is None else len(after.names)
        self.names: tuple[str, ...] = (*(after.names if after is not None else ()), *terms)
        scalars = [asarray(value) for value in terms.values()]
        self.values = xp(scalars[0]).empty(len(self.names), np.float64)
        if after is not None:
            self.values[:before] = after.values
        for place, value in enumerate(scalars, before):
            self.values[place] = transfer(value, device_of(self.values))
        own = self.values[before:]
        shared = average(own)
        if shared is not own:
            own[...] = shared

    def read(self) -> dict[str, float]:
        """The numbers, for which the host waits."""
        return dict(zip(self.names, transfer(self.values, CPU).tolist()))


class SingleLearner:
    """Adam on `model.loss`, gradient clipping, warm-up, and an exponential moving average of the weights.

    On a CUDA device the step is captured where it can be (`tinygen.capture`).

    Args:
        then: what follows the update in each step, given the figures' values: does nothing unless all are finite.

    Attributes:
        left: what `then` returned in the last step.
    """

    left: Any = None

    def __init__(self, model: Any, recipe: Recipe, then: Callable[[Any], Any] | None = None) -> None:
        self.model = model
        self.recipe = recipe
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimiser = optim.Adam(self.parameters, lr=recipe.lr)
        self.ema = optim.EMA(model, recipe.ema_decay)
        self.warmup = optim.linear_warmup(recipe.warmup)
        self.steps_done = 0
        self.then = then
        self.move = captured(self._move, self.parameters[0], self)

    def step(self, batch: Batch, rng: Any) -> dict[str, float]:
        """One step of Adam. Returns "loss", the model's terms, "grad_norm" (before clipping) and "lr"."""
        lr = self.recipe.lr * self.warmup(self.steps_done)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        moved, self.left = self.move(batch, rng)
        figures = moved.read()
        try:
            check_finite(figures, {"grad_norm": "the gradient's norm"})
        except NonFinite:
            self.optimiser.not_taken(moved.values)
            raise
        self.steps_done += 1
        return figures | {"lr": lr}

    def _move(self, batch: Batch, rng: Any) -> tuple[Figures, Any]:
        """The step on the device, which waits for nothing: it moves the weights if all figures are finite."""
        self.optimiser.zero_grad()
        loss, terms = self.model.loss(batch, rng)
        loss.backward()
        average_gradients(self.parameters)
        norm = optim.clip_to_norm_(self.parameters, self.recipe.grad_clip or None)
        figures = Figures({"loss": loss, **terms, "grad_norm": norm})
        self.optimiser.step(when=figures.values)
        self.ema.update(when=figures.values)
        return figures, self.then(figures.values) if self.then is not None else None

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


def captured(step: Callable[..., Any], like: Tensor, learner: Any) -> Captured:
    """A learner's step as a graph where it can be one, on the device where `like` is."""
    return Captured(step, like, None, (learner,) if checks_captures() else ())


def check_finite(figures: Mapping[str, float], called: Mapping[str, str] | None = None) -> None:
    """Raise NonFinite for the first figure that is NaN or infinite, by what it is `called` where that says more."""
    for name, value in figures.items():
        if not math.isfinite(value):
            raise NonFinite((called or {}).get(name, name), value)

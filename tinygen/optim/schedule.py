"""Learning-rate schedules: a function step -> factor, and `LambdaLR`, which applies one to an optimiser.

The factor multiplies the learning rate the optimiser was made with; step 0 is the first.
Held by tests/optim/test_optimisers.py and tests/pytorch/.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from tinygen.optim.optimiser import Optimiser

Factor = Callable[[int], float]


def constant() -> Factor:
    """Always 1."""
    return lambda step: 1.0


def linear_warmup(steps: int, after: Factor | None = None) -> Factor:
    """(step + 1) / steps until that is 1; then `after`, counted from there, or 1."""
    if steps < 0:
        raise ValueError(f"linear_warmup: steps must be at least 0, not {steps}")

    def factor(step: int) -> float:
        if step < steps:
            return (step + 1) / steps
        return after(step - steps) if after else 1.0

    return factor


def cosine(steps: int, final: float = 0.0) -> Factor:
    """From 1 at step 0 to `final` at `steps` along half a cosine, then constant (Loshchilov and Hutter 2017, eq. 5)."""
    if steps < 1:
        raise ValueError(f"cosine: steps must be at least 1, not {steps}")
    return lambda step: final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * min(step, steps) / steps))


def step_decay(every: int, gamma: float = 0.1) -> Factor:
    """gamma^(step // every)."""
    if every < 1:
        raise ValueError(f"step_decay: every must be at least 1, not {every}")
    return lambda step: gamma ** (step // every)


class LambdaLR:
    """Sets each group's learning rate to its first one times `factor(step)`; call `step` after the optimiser's.

    Args:
        optimiser: its learning rates are set at once for step 0.
        factor: the number of steps done -> factor.
    """

    def __init__(self, optimiser: Optimiser, factor: Factor):
        self.optimiser, self.factor = optimiser, factor
        self.initial = [group["lr"] for group in optimiser.param_groups]
        self.steps = 0
        self._apply()

    def _apply(self) -> None:
        for group, lr in zip(self.optimiser.param_groups, self.initial):
            group["lr"] = lr * self.factor(self.steps)

    def step(self) -> None:
        """One step further."""
        self.steps += 1
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        """The first learning rates and the count of steps."""
        return {"initial": list(self.initial), "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave and sets the learning rates."""
        self.initial, self.steps = list(state["initial"]), int(state["steps"])
        self._apply()

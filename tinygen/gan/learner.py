"""The two players' learner: separate optimisers and counters, the generator's turn at every n-th step, its average.

A step takes one batch and moves the discriminator once; every `critic_steps`-th step moves the generator after it. So
go algorithm 1 of Goodfellow et al. 2014 and algorithm 1 of Gulrajani et al. 2017 (five steps of the critic, each with
fresh data, then one of the generator). A run's steps are the discriminator's.
Held by tests/gan/test_two_players.py and tests/gan/test_gan_run.py.
"""

import copy
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from tinygen import optim
from tinygen.autodiff.backward import grad
from tinygen.gan.penalties import clip_weights_
from tinygen.learner import Batch, NonFinite, check_finite, evaluating
from tinygen.parallel import average_figures, average_gradients
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor


@dataclass(frozen=True)
class PlayerOptions:
    """How the two are moved."""

    critic_steps: int = 1
    """Steps of the discriminator for each of the generator."""
    optimiser: Literal["adam", "rmsprop"] = "adam"
    betas: tuple[float, float] = (0.5, 0.999)
    """Of Adam, in both players."""
    clip: float = 0.0
    """Where the discriminator's weights are clipped after its steps; 0 leaves them alone."""


class Player:
    """One network with its optimiser and the count of its steps."""

    def __init__(self, network: Any, recipe: Recipe, options: PlayerOptions) -> None:
        self.network = network
        self.recipe = recipe
        self.parameters = list(network.parameters())
        self.optimiser: optim.Optimiser
        if options.optimiser == "adam":
            self.optimiser = optim.Adam(self.parameters, lr=recipe.lr, betas=options.betas)
        else:
            self.optimiser = optim.RMSprop(self.parameters, lr=recipe.lr)
        self.warmup = optim.linear_warmup(recipe.warmup)
        self.steps_done = 0

    def step(self, name: str, loss: Tensor) -> float:
        """Descends the finite `loss` once; the gradient's norm before clipping.

        Raises:
            NonFinite: the gradient is not finite; nothing has moved.
        """
        for parameter, gradient in zip(self.parameters, grad(loss, self.parameters)):
            parameter.grad = gradient
        average_gradients(self.parameters)
        norm = float(optim.clip_grad_norm_(self.parameters, self.recipe.grad_clip or math.inf))
        check_finite({f"the norm of the gradient of {name}": norm})
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.lr * self.warmup(self.steps_done)
        self.optimiser.step()
        self.steps_done += 1
        return norm

    def state_dict(self) -> dict[str, Any]:
        return {"optimiser": self.optimiser.state_dict(), "steps_done": self.steps_done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps_done = state["steps_done"]


class TwoPlayers:
    """The learner of a model with `generator`, `discriminator`, `discriminator_loss` and `generator_loss`.

    Raises:
        ValueError: fewer than one step of the discriminator for each of the generator.
    """

    def __init__(self, model: Any, recipe: Recipe, options: PlayerOptions) -> None:
        if options.critic_steps < 1:
            raise ValueError(f"critic_steps is at least 1, not {options.critic_steps}")
        self.model, self.options = model, options
        self.generator = Player(model.generator, recipe, options)
        self.discriminator = Player(model.discriminator, recipe, options)
        self.ema = optim.EMA(model.generator, recipe.ema_decay)

    def step(self, batch: Batch, rng: Any) -> dict[str, float]:
        """One step of the discriminator, and the generator's where it is its turn.

        Returns:
            "loss" (the discriminator's) and its terms; "generator" (its loss) where it had its turn.

        Raises:
            NonFinite: a loss or gradient of either is not finite; then neither has moved.
        """
        loss, terms = self.model.discriminator_loss(batch, rng)
        figures = average_figures({"loss": float(loss)} | {name: float(value) for name, value in terms.items()})
        check_finite(figures)
        its_turn = (self.discriminator.steps_done + 1) % self.options.critic_steps == 0
        before = copy.deepcopy(self._discriminator_state()) if its_turn else None
        figures["gradient_discriminator"] = self.discriminator.step("loss", loss)
        if self.options.clip:
            clip_weights_(self.discriminator.parameters, self.options.clip)
        if before is None:
            return figures
        try:
            own = self.model.generator_loss(batch, rng)
            figures |= average_figures({"generator": float(own)})
            check_finite({"the generator's loss": figures["generator"]})
            figures["gradient_generator"] = self.generator.step("the generator's loss", own)
        except NonFinite:
            self._take_over_discriminator(before)
            raise
        self.ema.update()
        return figures

    def averaged(self) -> AbstractContextManager[Any]:
        """The model in evaluation mode with the generator's averaged weights, within the block."""
        return evaluating(self.model, self.ema)

    def state_dict(self) -> dict[str, Any]:
        """Weights of both, the generator's average, both optimisers and counters."""
        return {
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` gave. Raises ValueError when it does not fit the model."""
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])

    def _discriminator_state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.model.discriminator.state_dict(), self.discriminator.optimiser.state_dict()

    def _take_over_discriminator(self, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
        self.model.discriminator.load_state_dict(state[0])
        self.discriminator.optimiser.load_state_dict(state[1])
        self.discriminator.steps_done -= 1

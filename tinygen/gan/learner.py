"""The two players' learner: separate optimisers and counters, the generator's turn at every n-th step, its average.

A step takes one batch and moves the discriminator once; every `critic_steps`-th step moves the generator after it. So
go algorithm 1 of Goodfellow et al. 2014 and algorithm 1 of Gulrajani et al. 2017 (five steps of the critic, each with
fresh data, then one of the generator). A run's steps are the discriminator's.
Held by tests/gan/test_two_players.py and tests/gan/test_gan_run.py.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from tinygen import kernels, optim
from tinygen.autodiff import guard
from tinygen.autodiff.backward import grad
from tinygen.gan.penalties import clip_weights_
from tinygen.kernels.array_module import xp
from tinygen.learner import Batch, Figures, NonFinite, captured, check_finite, evaluating
from tinygen.parallel import average_gradients
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor

CALLED = {
    "generator": "the generator's loss",
    "gradient_discriminator": "the norm of the gradient of loss",
    "gradient_generator": "the norm of the gradient of the generator's loss",
}
"""What the figures are called where one is not finite."""


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

    def set_rate(self) -> None:
        """The learning rate of the step that comes."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.lr * self.warmup(self.steps_done)

    def step(
        self, loss: Tensor, terms: dict[str, Any] | None = None, norm: str = "gradient", after: Figures | None = None
    ) -> Figures:
        """Descends `loss` once, if all figures are finite: those `after` which it comes, its terms, its norm.

        Args:
            terms: the figures of the loss, itself by default.
            norm: what the gradient's norm before clipping is called.
        """
        for parameter, gradient in zip(self.parameters, grad(loss, self.parameters)):
            parameter.grad = gradient
        average_gradients(self.parameters)
        length = optim.clip_to_norm_(self.parameters, self.recipe.grad_clip or None)
        figures = Figures({**(terms or {"loss": loss}), norm: length}, after)
        self.optimiser.step(when=figures.values)
        return figures

    def arrays(self) -> list[Any]:
        """The arrays of what a step changes: weights, running statistics, the optimiser's."""
        moments = [v for state in self.optimiser.state.values() for v in state.values() if hasattr(v, "shape")]
        return [value._data for _, value in self.network.named_state()] + moments

    def copies(self) -> list[tuple[Any, Any]]:
        """Each of `arrays` with a copy, made in one launch for those of a dtype."""
        arrays = self.arrays()
        pairs = [(a, xp(a).empty_like(a)) for a in arrays]
        for dtype in {a.dtype for a in arrays}:
            alike = [pair for pair in pairs if pair[0].dtype == dtype]
            kernels.ema_update_all([c for _, c in alike], [a for a, _ in alike], 0.0)  # type: ignore[attr-defined]
        return pairs

    def go_back(self, copies: list[tuple[Any, Any]]) -> None:
        """What `copies` gave, again; 0 for the optimiser's arrays that were not there then."""
        held = {id(array): copy for array, copy in copies}
        for array in self.arrays():
            array[...] = held.get(id(array), 0)
            guard.written(array)

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
        self.move = captured(self._move, self.generator.parameters[0], self)

    def step(self, batch: Batch, rng: Any) -> dict[str, float]:
        """One step of the discriminator, and the generator's where it is its turn.

        Returns:
            "loss" (the discriminator's) and its terms; "generator" (its loss) where it had its turn.

        Raises:
            NonFinite: a loss or gradient of either is not finite; then neither has moved.
        """
        its_turn = (self.discriminator.steps_done + 1) % self.options.critic_steps == 0
        players = [self.discriminator, self.generator][: 1 + its_turn]
        for player in players:
            player.set_rate()
        first, last, before = self.move(batch, rng, its_turn)
        figures = last.read()
        try:
            check_finite(figures, CALLED)
        except NonFinite:
            if before is not None:
                self.discriminator.go_back(before)
                self.generator.optimiser.not_taken(last.values)
            self.discriminator.optimiser.not_taken(first.values)
            raise
        for player in players:
            player.steps_done += 1
        return figures

    def _move(self, batch: Batch, rng: Any, its_turn: bool) -> tuple[Figures, Figures, list[tuple[Any, Any]] | None]:
        """The step on the device, which waits for nothing: the figures so far, all of them, and what was before."""
        before = self.discriminator.copies() if its_turn else None
        first = self._discriminator_step(batch, rng)
        if self.options.clip:
            clip_weights_(self.discriminator.parameters, self.options.clip, first.values)
        if not its_turn:
            return first, first, None
        own = self.model.generator_loss(batch, rng)
        last = self.generator.step(own, {"generator": own}, "gradient_generator", first)
        self.ema.update(when=last.values)
        return first, last, before

    def _discriminator_step(self, batch: Batch, rng: Any) -> Figures:
        """What it records ends here, before the generator's does begin: memory holds one of the two."""
        loss, terms = self.model.discriminator_loss(batch, rng)
        return self.discriminator.step(loss, {"loss": loss, **terms}, "gradient_discriminator")

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

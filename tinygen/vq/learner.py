"""Which part of a VQ-VAE is trained when: the autoencoder first, then the prior over the codes, which then stay.

Each part has the project's learner for one loss, with its own optimiser and averages. When the autoencoder is done its
averaged weights become its weights: the codes the prior learns are those that samples are decoded from. A run that goes
on with more steps trains the prior in them, once the change is past.
Held by tests/vq/test_vq_run.py: a run that is resumed on either side of the change ends with the same bits.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from tinygen.learner import Batch, SingleLearner, captured
from tinygen.random import Generator
from tinygen.recipe import Recipe

PARTS = ("autoencoder", "prior")


class TwoPhases:
    """The learner of a `VQVAE`."""

    def __init__(self, model: Any, recipe: Recipe) -> None:
        self.model = model
        autoencoder, prior = (getattr(model, name) for name in PARTS)
        self.parts = {
            "autoencoder": SingleLearner(autoencoder, recipe, self._follow),
            "prior": SingleLearner(prior, recipe),
        }
        self.coded = captured(model.coded, next(model.parameters()), self)
        self.change = max(1, round(recipe.steps * (1.0 - model.prior_share)))
        self.frozen = False

    def step(self, batch: Batch, rng: Generator) -> dict[str, float]:
        """One step of the part whose turn it is."""
        if not self.frozen and self.parts["autoencoder"].steps_done >= self.change:
            autoencoder = self.model.autoencoder
            autoencoder.load_state_dict(self.parts["autoencoder"].ema.state_dict())
            self.frozen = True
        return self._step_prior(batch, rng) if self.frozen else self._step_autoencoder(batch, rng)

    def _step_autoencoder(self, batch: Batch, rng: Generator) -> dict[str, float]:
        autoencoder = self.model.autoencoder
        quantiser = autoencoder.quantiser
        if not quantiser.started:
            quantiser.start(autoencoder.vectors(batch["x"]), rng)
        figures = self.parts["autoencoder"].step(batch, rng)
        quantiser.revive(self.parts["autoencoder"].left, rng)
        return figures

    def _follow(self, when: Any) -> Any:
        """What is left of the step on the device: the codebook moves; the vectors that chose codes."""
        z, indices = self.model.autoencoder.seen
        self.model.autoencoder.quantiser.take_in(z, indices, when)
        return z

    def _step_prior(self, batch: Batch, rng: Generator) -> dict[str, float]:
        return self.parts["prior"].step(self.coded(batch), rng)

    @contextmanager
    def averaged(self) -> Iterator[Any]:
        """The model in evaluation mode with the averaged weights of both parts, within the block."""
        with ExitStack() as stack:
            for learner in self.parts.values():
                stack.enter_context(learner.averaged())
            yield self.model

    def state_dict(self) -> dict[str, Any]:
        """Weights and averages of the whole model, and the rest of each part's learner under its name."""
        state: dict[str, Any] = {"model": {}, "ema": {}, "frozen": self.frozen}
        for name, learner in self.parts.items():
            own = learner.state_dict()
            for kind in ("model", "ema"):
                state[kind] |= {f"{name}.{key}": value for key, value in own.pop(kind).items()}
            state[name] = own
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state that `state_dict` gave. Raises ValueError when it does not fit the model."""
        for name, learner in self.parts.items():
            own = dict(state[name])
            for kind in ("model", "ema"):
                own[kind] = {
                    key.removeprefix(f"{name}."): value
                    for key, value in state[kind].items()
                    if key.startswith(f"{name}.")
                }
            learner.load_state_dict(own)
        self.frozen = state["frozen"]

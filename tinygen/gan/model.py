"""A generator and a discriminator: Goodfellow et al. 2014, and the variants that differ in loss, penalty and networks.

The generator maps latents of a prior to examples; the discriminator gives each example a logit. What the players
minimise is in `losses`, what keeps the discriminator's slope in check in `penalties`, the order of their steps in
`learner`, the networks in `networks`, the configurations by name in `variants`. Given classes, both players are told
them (Mirza and Osindero 2014). Held by tests/gan/ and tinygen/checks/gan/ (CHECKS 23, 24, 25, 29).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tinygen import nn, ops
from tinygen.autodiff.tape import no_grad
from tinygen.drawing import Drawing
from tinygen.gan import latent, pictures
from tinygen.gan.learner import PlayerOptions, TwoPlayers
from tinygen.gan.losses import Loss
from tinygen.gan.penalties import gradient_penalty, r1_penalty
from tinygen.nets.classes import class_rows
from tinygen.nets.inputs import as_input
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor

Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Rules:
    """What the players minimise besides their networks: the loss, and the discriminator's restraint."""

    loss: Loss
    gradient: float = 0.0
    """Weight lambda of the gradient penalty between data and samples."""
    r1: float = 0.0
    """Weight gamma of the R1 penalty on the data."""


class GAN(nn.Module):
    """Two players.

    Args:
        generator: latents (N, size) to examples (N, *shape), of images before their tanh.
        discriminator: examples to logits (N, 1).
        rules: the game.
        size: dimensions of the latent.
        shape: of one example.
        prior: law of the latent.
        classes: how many classes both networks take as a one-hot condition beside their input; 0 for none.
        players: how the learner moves them.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        rules: Rules,
        size: int,
        shape: tuple[int, ...],
        prior: latent.Prior = "normal",
        classes: int = 0,
        players: PlayerOptions | None = None,
    ):
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.rules, self.size, self.shape, self.prior, self.classes = rules, size, shape, prior, classes
        self.players = players or PlayerOptions()

    def learner(self, recipe: Recipe) -> TwoPlayers:
        """What trains the two in turns."""
        return TwoPlayers(self, recipe, self.players)

    # -- the players -----------------------------------------------------------------------------------------

    def draw_latent(self, n: int, rng: Generator, truncation: float = math.inf) -> Tensor:
        """n draws of the prior (n, size): the one place where training and sampling take them from."""
        parameter = next(self.parameters())
        return latent.draw(self.prior, n, self.size, rng, parameter.dtype, truncation, parameter.device)

    def generate(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """Examples (N, *shape) of latents z (N, size); `cond` is one-hot (N, classes)."""
        x = self.generator(z) if cond is None else self.generator(z, cond)
        return ops.tanh(x) if len(self.shape) == 3 else x

    def discriminate(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """Logits (N,) of examples x (N, *shape)."""
        return (self.discriminator(x) if cond is None else self.discriminator(x, cond)).reshape(len(x))

    # -- what they minimise ----------------------------------------------------------------------------------

    def discriminator_loss(self, batch: Any, rng: Generator) -> tuple[Tensor, Terms]:
        """E_p real + E_q fake and the penalties; the samples carry no gradient. Terms: mean logits, penalties."""
        x = as_input(batch["x"], next(self.parameters()))
        cond = self.one_hot(len(x), batch["y"]) if self.classes else None
        with no_grad():
            fake = self.generate(self.draw_latent(len(x), rng), cond)
        on_real, on_fake = self.discriminate(x, cond), self.discriminate(fake, cond)
        loss = self.rules.loss.real(on_real).mean() + self.rules.loss.fake(on_fake).mean()
        terms = {"logit_real": on_real.mean(), "logit_fake": on_fake.mean()}
        critic = lambda at: self.discriminate(at, cond)
        if self.rules.gradient:
            terms["gradient_penalty"] = gradient_penalty(critic, x, fake, rng)
            loss = loss + self.rules.gradient * terms["gradient_penalty"]
        if self.rules.r1:
            terms["r1_penalty"] = r1_penalty(critic, x)
            loss = loss + self.rules.r1 * terms["r1_penalty"]
        return loss, terms

    def generator_loss(self, batch: Any, rng: Generator) -> Tensor:
        """E_q of the generator's loss over as many samples as the batch has examples, of the batch's classes."""
        n = len(batch["x"])
        cond = self.one_hot(n, batch["y"]) if self.classes else None
        return self.rules.loss.generator(self.discriminate(self.generate(self.draw_latent(n, rng), cond), cond)).mean()

    def loss(self, batch: Any, rng: Generator) -> tuple[Tensor, Terms]:
        """The discriminator's: how well it tells this batch from samples."""
        return self.discriminator_loss(batch, rng)

    # -- drawing ---------------------------------------------------------------------------------------------

    def sample(self, n: int, rng: Generator, cond: Any = None, truncation: float = math.inf) -> Tensor:
        """(n, *shape) samples.

        Args:
            cond: a class, or n of them, of a conditional model; None gives every class in turn.
            truncation: of the latent, see `latent.draw`.
        """
        with no_grad():
            return self.generate(self.draw_latent(n, rng, truncation), self.one_hot(n, cond))

    def drawings(self, dataset: Any, rng: Generator) -> Sequence[Drawing]:
        """Ways through the latent space of an image model; the game in the plane of a model of points."""
        with no_grad():
            return pictures.drawings(self, dataset, rng)

    def one_hot(self, n: int, given: Any) -> Tensor | None:
        """One-hot (n, classes) as `class_rows` has it; None without classes.

        Raises:
            ValueError: what is given is no class, or the model has none.
        """
        if not self.classes:
            if given is not None:
                raise ValueError("this model is unconditional: sample(n, rng) takes no condition; cgan does")
            return None
        return class_rows(n, given, self.classes, next(self.parameters()))

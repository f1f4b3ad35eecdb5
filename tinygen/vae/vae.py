"""The variational autoencoder, its beta version, its importance-weighted version and its conditional version.

Kingma and Welling 2014, "Auto-encoding variational Bayes": q(z | x) = N(mu(x), diag sigma(x)^2), p(z) = N(0, I),
trained by the ELBO with reparameterised z; beta times the KL for Higgins et al. 2017; the k-sample bound for Burda et
al. 2016; everything given a class y for Sohn, Lee and Yan 2015, "Learning structured output representation using deep
conditional generative models". The parts are files of their own: `elbo`, `importance`, `likelihood`, `annealed`,
`networks`.

Recipe: perceptron, Adam 1e-3; see `VAEConfig.recipe`. Held by tinygen/checks/vae/ and tests/vae/.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from tinygen import nn, ops
from tinygen.autodiff.tape import no_grad
from tinygen.distributions import Independent, Normal, kl_divergence
from tinygen.distributions.binarise import Binarise
from tinygen.drawing import Drawing, ImageRows
from tinygen.nets.classes import class_rows
from tinygen.ops.creation import zeros
from tinygen.parallel import along
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.tensor import Tensor
from tinygen.vae.elbo import LogLikelihood, Terms, elbo_terms, log_weights, negative_elbo
from tinygen.vae.importance import effective_sample_size, estimate_bound, k_sample_bound
from tinygen.vae.likelihood import BernoulliPixels, Gaussian, Likelihood
from tinygen.vae.networks import NetworkOptions, data_of, finite
from tinygen.vae.pictures import MAPPED, ROWS, code_map, side_by_side, square_of_quantiles, walks


class LogProb(NamedTuple):
    """log p(x) of each example (N,), as far as it is known: its kind and its units."""

    value: np.ndarray
    kind: str
    units: str


class VAE(nn.Module):
    """An encoder and a decoder that are the parameters of q(z | x) and p(x | z).

    Args:
        encoder: examples (N, ...) to mean and log standard deviation of q, (N, 2 latent).
        decoder: codes (N, latent) to what `likelihood` takes, (N, ...).
        likelihood: p(x | z).
        latent: dimensions of the code.
        shape: of one example.
        beta: weight of the KL; 1 for the bound itself.
        samples: k of the importance-weighted bound that is trained; 1 for the ELBO.
        classes: how many classes encoder and decoder take as a one-hot condition beside their input; 0 for none.

    Raises:
        ValueError: beta below 0, samples below 1, or a beta other than 1 with several samples, which has no KL term.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        likelihood: Likelihood,
        latent: int,
        shape: tuple[int, ...],
        beta: float = 1.0,
        samples: int = 1,
        classes: int = 0,
    ):
        super().__init__()
        if not 0 <= beta < np.inf:
            raise ValueError(f"beta is at least 0, not {beta}")
        if samples < 1:
            raise ValueError(f"samples is at least 1, not {samples}")
        if samples > 1 and beta != 1:
            raise ValueError(f"the bound of {samples} samples has no KL term for beta={beta} to weigh: use beta 1")
        self.encoder, self.decoder, self.likelihood = encoder, decoder, likelihood
        self.latent, self.shape, self.beta, self.samples, self.classes = latent, shape, beta, samples, classes

    # -- the laws --------------------------------------------------------------------------------------------

    def prior(self, n: int = 1) -> Independent:
        """p(z) = N(0, I), a batch (n,) of it."""
        parameter = next(self.parameters())
        mean = zeros(n, self.latent, dtype=parameter.dtype, device=parameter.device)
        return Independent(Normal(mean, mean + 1.0))

    def encode(self, x: Tensor, cond: Tensor | None = None) -> Independent:
        """q(z | x), a batch (N,) of laws over `latent` coordinates; `cond` is one-hot (N, classes)."""
        h = finite("encoder", self.encoder(x) if cond is None else self.encoder(x, cond))
        scale = finite("encoder", ops.exp(h[:, self.latent :]))
        return Independent(Normal(h[:, : self.latent], scale))

    def decode(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """What `likelihood` takes, (..., N, *shape), for z (..., N, latent); `cond` is one-hot (N, classes)."""
        lead = z.shape[:-1]
        flat = z if z.ndim == 2 else z.reshape(-1, self.latent)
        if cond is None:
            output = self.decoder(flat)
        else:
            output = self.decoder(flat, ops.broadcast_to(cond, (*lead, self.classes)).reshape(len(flat), -1))
        output = finite("decoder", output)
        return output if output.shape == (*lead, *self.shape) else output.reshape(*lead, *self.shape)

    def log_likelihood(self, x: Tensor, cond: Tensor | None = None) -> LogLikelihood:
        """The function z (..., N, latent) -> log p(x | z) (..., N) for observed x (N, *shape)."""
        return lambda z: self.likelihood.log_prob(self.decode(z, cond), x, len(self.shape))

    # -- the objective ---------------------------------------------------------------------------------------

    def loss(self, batch: Any, rng: Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """-ELBO with the KL weighed by beta, and its terms in nats; or minus the bound of `samples` samples."""
        x, cond = self._observed(batch, rng)
        if self.samples == 1:
            terms = self.terms(x, rng, cond)
            return negative_elbo(terms, self.beta), {
                "reconstruction": -terms.log_likelihood.mean(),
                "kl": terms.kl.mean(),
            }
        posterior = self.encode(x, cond)
        z = posterior.rsample(along(rng, 1), (self.samples,))
        log_w = log_weights(self.log_likelihood(x, cond), z, posterior, self.prior(len(x)))
        return -k_sample_bound(log_w).mean(), {"effective_samples": effective_sample_size(log_w.detach()).mean()}

    def terms(self, x: Tensor, rng: Generator, cond: Tensor | None = None) -> Terms:
        """The terms of the ELBO of observed x (N, *shape), in nats."""
        return elbo_terms(self.log_likelihood(x, cond), self.encode(x, cond), self.prior(len(x)), rng)

    def log_prob(self, x: Tensor, rng: Generator, k: int = 50, cond: Tensor | None = None) -> LogProb:
        """The k-sample bound on log p(x) of observed x (N, *shape); `annealed.py` has a tighter estimate."""
        with no_grad():
            posterior = self.encode(x, cond)
            value = estimate_bound(self.log_likelihood(x, cond), posterior, self.prior(len(x)), k, rng)
        return LogProb(value, "lower bound", self.likelihood.units)

    # -- drawing ---------------------------------------------------------------------------------------------

    def sample(self, n: int, rng: Generator, cond: Any = None, mean: bool = True) -> Tensor:
        """(n, *shape): z from the prior, then E[x | z], or a draw from p(x | z) when not `mean`.

        Args:
            cond: a class, or n of them, of a conditional model; None gives every class in turn.
        """
        with no_grad():
            output = self.decode(self.prior(n).sample(rng), self._classes(n, cond))
            return self.likelihood.mean(output) if mean else self.likelihood.draw(output, rng)

    def reconstruct(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """E[x | z] at the mean of q(z | x), (N, *shape)."""
        with no_grad():
            return self.likelihood.mean(self.decode(self.encode(x, cond).mean, cond))

    def evaluate(self, dataset: Any, rng: Generator) -> dict[str, tuple[float, str]]:
        """The ELBO, its terms and the 50-sample bound, the means over all of `dataset`."""
        parts: list[np.ndarray] = []
        with no_grad():
            for start in range(0, len(dataset), 64):
                x, cond = self._observed(dataset.batch(slice(start, start + 64)), rng)
                terms = self.terms(x, rng, cond)
                bound = self.log_prob(x, rng, 50, cond).value
                parts.append(np.stack([terms.elbo, terms.log_likelihood, terms.kl, bound]))
        means = np.concatenate(parts, axis=1).mean(axis=1)
        units = self.likelihood.units
        return {
            "log p(x), lower bound (ELBO)": (float(means[0]), units),
            "log p(x), lower bound (50 samples)": (float(means[3]), units),
            "E log p(x|z)": (float(means[1]), units),
            "KL(q(z|x) || p(z))": (float(means[2]), "nats"),
        }

    def drawings(self, dataset: Any, rng: Generator) -> list[Drawing]:
        """Reconstructions, the map of codes by class, and what becomes of an example as its code is changed."""
        batch = dataset.batch(slice(MAPPED))
        with no_grad():
            x, cond = self._observed(batch, rng)
            posterior = self.encode(x, cond)
            codes = np.asarray(posterior.mean)
            rows = {"original": np.asarray(x), "reconstruction": np.asarray(self.reconstruct(x, cond))}
            kl = kl_divergence(posterior.base, self.prior(len(x)).base).mean(axis=0).numpy()
            changed = self._changed_codes(codes[0], kl, rng) if len(self.shape) == 3 else []
        caption = "Reconstructions: held-out examples, and the mean of p(x | z) at the mean of q(z | x)"
        return [*side_by_side(caption, rows), *changed, *code_map(codes, dataset)]

    def _changed_codes(self, code: np.ndarray, kl: np.ndarray, rng: Generator) -> list[Drawing]:
        """Images decoded from codes that stand in rows and columns; kl (latent,) is what each coordinate carries."""
        given: Tensor | None = None
        names: tuple[str, ...] = ()
        if self.classes:
            caption = "Style and class: one code a row, told every class in turn"
            codes = np.asarray(self.prior(ROWS).sample(rng))
            grid = np.repeat(codes[:, None], self.classes, axis=1)
            given = self._classes(ROWS * self.classes, None)
        elif self.latent == 2:
            caption = "The plane of codes: equal steps of probability under the prior"
            grid = square_of_quantiles()
        else:
            order = np.argsort(-kl)
            caption = "Walks: the code of an example, one coordinate a row from -3 to 3, those that carry most first"
            grid, names = walks(code, order), tuple(f"{k}: {kl[k]:.2f} nats" for k in order[:ROWS])
        flat = Tensor(grid.reshape(-1, self.latent).astype(code.dtype)).to(next(self.parameters()).device)
        images = np.asarray(self.likelihood.mean(self.decode(flat, given)))
        return [ImageRows(caption, images.reshape(*grid.shape[:2], *self.shape), names)]

    # -- the batch -------------------------------------------------------------------------------------------

    def _observed(self, batch: Any, rng: Generator) -> tuple[Tensor, Tensor | None]:
        x = data_of(self, batch["x"])
        return self.likelihood.observed(x, rng), self._classes(len(x), batch["y"]) if self.classes else None

    def _classes(self, n: int, given: Any) -> Tensor | None:
        """One-hot (n, classes) of a class, of n classes, or of every class in turn."""
        if not self.classes:
            if given is not None:
                raise ValueError("vae is unconditional: sample(n, rng) takes no condition; cvae does")
            return None
        return class_rows(n, given, self.classes, next(self.parameters()))


@dataclass(frozen=True)
class VAEConfig(NetworkOptions):
    """Variational autoencoder (Kingma and Welling 2014): a code with a law, trained by a bound on the likelihood."""

    likelihood: Literal["gaussian", "bernoulli"] = "gaussian"
    """p(x|z): normal around the decoder's output, or black and white pixels."""
    scale: float | None = None
    """Standard deviation of the gaussian likelihood; learned when it is not given."""
    binarise: Binarise = "dynamic"
    """How the bernoulli likelihood gets black and white from grey: drawn anew each time, once an image, or by 1/2."""
    beta: float = 1.0
    """Weight of the KL term; 1 for the bound itself (Higgins et al. 2017)."""
    samples: int = 1
    """Samples of the importance-weighted bound that is trained; 1 for the ELBO (Burda et al. 2016)."""

    def recipe(self, data: str) -> Recipe:
        """Digits in half a minute on 2 cores."""
        steps = 2400 if data == "digits" else 10000
        return Recipe(steps=steps, batch_size=64, lr=1e-3, ema_decay=0.995, warmup=100, sample_every=steps // 4)

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Generator) -> VAE:
        """The model for images (C, H, W), or for points (D,) with the gaussian likelihood."""
        return self._model(shape, 0, rng)

    def _model(self, shape: tuple[int, ...], classes: int, rng: Generator) -> VAE:
        if self.likelihood == "bernoulli" and len(shape) != 3:
            raise ValueError(f"likelihood bernoulli is for images, and the data has shape {shape}: use gaussian")
        if self.likelihood == "bernoulli" and self.scale is not None:
            raise ValueError("scale is of the gaussian likelihood; bernoulli has none")
        likelihood = Gaussian(self.scale) if self.likelihood == "gaussian" else BernoulliPixels(self.binarise)
        networks = self.networks(shape, 2, classes, rng)
        return VAE(*networks, likelihood, self.latent, shape, self.beta, self.samples, classes)


@dataclass(frozen=True)
class CVAEConfig(VAEConfig):
    """Conditional variational autoencoder (Sohn et al. 2015): encoder and decoder are told the class."""

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Generator) -> VAE:
        """The model for data with classes."""
        if not classes:
            raise ValueError("cvae is for data with classes, and this data set has none")
        return self._model(shape, classes, rng)

"""Likelihoods p(x | z): what the numbers that leave a decoder are parameters of. Sums over dimensions, in nats.

Gaussian: N(x; output, scale^2 I), the scale one number, learned unless given (with the best scale for the data there is
no weight left to tune between the two terms; Rybkin et al. 2021, "Simple and effective VAE training with calibrated
decoders"). Bernoulli: the outputs are logits of pixels that are black or white; grey ones are made so first.
Data lies in [-1, 1]; a Gaussian density is per unit of that scale. Held by tests/vae/test_vae_model.py.
"""

import math

import numpy as np

from tinygen import nn, ops
from tinygen.distributions import Bernoulli, Distribution, Independent, Normal
from tinygen.distributions.binarise import Binarise, binarised, check_binarise
from tinygen.ops.creation import full
from tinygen.random import Generator
from tinygen.tensor import Tensor


class Gaussian(nn.Module):
    """p(x | z) = N(output, scale^2 I).

    Args:
        scale: the standard deviation; None learns it, from 0.5.

    Raises:
        ValueError: a scale that is not above 0.
    """

    units = "nats, of density"

    def __init__(self, scale: float | None = None):
        super().__init__()
        if scale is not None and not 0 < scale < math.inf:
            raise ValueError(f"scale is a standard deviation above 0, not {scale}")
        log_scale = full((), math.log(0.5 if scale is None else scale), dtype=np.float32)
        if scale is None:
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale)

    def observed(self, x: Tensor, rng: Generator) -> Tensor:
        """What the model is of: the data itself."""
        return x

    def law(self, output: Tensor, ndim: int) -> Distribution:
        """p(x | z) from a decoder's output (..., *shape), where one example has `ndim` axes."""
        return Independent(Normal(output, ops.exp(self.log_scale)), ndim)

    def log_prob(self, output: Tensor, x: Tensor, ndim: int) -> Tensor:
        """log p(x | z), (...,), of observed x (N, *shape)."""
        return self.law(output, ndim).log_prob(x)

    def mean(self, output: Tensor) -> Tensor:
        """E[x | z], scaled as the data."""
        return output

    def draw(self, output: Tensor, rng: Generator) -> Tensor:
        """A draw from p(x | z), scaled as the data."""
        return self.law(output, 0).sample(rng)


class BernoulliPixels(nn.Module):
    """p(x | z) = product of Bernoulli laws with the outputs as logits; -1 is black (0), 1 is white (1).

    Args:
        binarise: how grey levels become 0 or 1 before the model sees them: drawn with the grey level as the
            probability, anew each time ("dynamic") or once for each image ("static", by a key that is the image's
            checksum; Salakhutdinov and Murray 2008 have one such draw of MNIST), or by "threshold".

    Raises:
        ValueError: another word.
    """

    units = "nats"

    def __init__(self, binarise: Binarise = "dynamic"):
        super().__init__()
        check_binarise(binarise)
        self.binarise = binarise

    def observed(self, x: Tensor, rng: Generator) -> Tensor:
        """Black and white pixels, -1 and 1, from grey ones in [-1, 1]."""
        return binarised(x, self.binarise, rng)

    def law(self, output: Tensor, ndim: int) -> Distribution:
        """p((x + 1) / 2 | z) from a decoder's output (..., *shape), where one example has `ndim` axes."""
        return Independent(Bernoulli(logits=output), ndim)

    def log_prob(self, output: Tensor, x: Tensor, ndim: int) -> Tensor:
        """log p(x | z), (...,), of observed x (N, *shape), which is -1 or 1 everywhere."""
        return self.law(output, ndim).log_prob(0.5 * (x + 1.0))

    def mean(self, output: Tensor) -> Tensor:
        """E[x | z], scaled as the data."""
        return 2.0 * ops.sigmoid(output) - 1.0

    def draw(self, output: Tensor, rng: Generator) -> Tensor:
        """A draw from p(x | z), scaled as the data."""
        return 2.0 * self.law(output, 0).sample(rng) - 1.0


Likelihood = Gaussian | BernoulliPixels

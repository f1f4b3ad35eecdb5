"""What every truth offers: draws, log p, its score, its entropy, its noised versions, the best discriminator.

Noise keeps x_t = sqrt(a) x_0 + sqrt(1 - a) e, a = alpha_bar, e ~ N(0, I) (Ho et al. 2020, eq. 4). The marginal of x_t
gives all that diffusion needs through Tweedie's formula (Efron 2011):

    E[x_0 | x_t] = (x_t + (1 - a) score(x_t)) / sqrt(a)        E[e | x_t] = -sqrt(1 - a) score(x_t)

Held by tests/truth/test_noised.py, which integrates over x_0 instead.
"""

import math
from collections.abc import Callable

import numpy as np

from tinygen import ops
from tinygen.autodiff.backward import grad
from tinygen.autodiff.tape import recording
from tinygen.distributions.distribution import NoClosedForm
from tinygen.distributions.parameters import as_dtype
from tinygen.random import Generator
from tinygen.tensor import ArrayLike, Tensor


class Truth:
    """A law with known answers.

    Attributes:
        event_shape: the shape of one point: (D,), or () for labels.
        discrete: whether `log_prob` is of a probability, not of a density.
    """

    event_shape: tuple[int, ...] = (2,)
    discrete: bool = False

    def sample(self, n: int, rng: Generator) -> Tensor:
        """n independent points, (n, *event_shape)."""
        raise self._missing("sample")

    def log_prob(self, x: ArrayLike) -> Tensor:
        """log p(x) in nats at points (..., *event_shape); shape (...). Differentiable in x.

        Raises:
            ValueError: x does not end in the event's shape.
        """
        raise self._missing("log_prob")

    def score(self, x: ArrayLike) -> Tensor:
        """The gradient of log p at each point, of x's shape.

        Raises:
            NoClosedForm: there is no density.
        """
        if self.discrete:
            raise self._missing("score")
        point = self._point(x)
        onward = point.requires_grad
        with recording(True):
            place = point if onward else Tensor(point._data, requires_grad=True)
            (gradient,) = grad(self.log_prob(place).sum(), [place], create_graph=onward, allow_unused=True)
        return ops.zeros_like(point) if gradient is None else gradient

    def entropy(self) -> float:
        """E[-log p(x)] in nats: the least mean negative log-likelihood that any model can reach.

        Raises:
            NoClosedForm: it is not known to rounding.
        """
        raise self._missing("entropy")

    def at(self, alpha_bar: float) -> "Noised":
        """The law of x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) e for x_0 of this law.

        Raises:
            ValueError: alpha_bar is not above 0 and at most 1.
        """
        a = float(alpha_bar)
        if not 0 < a <= 1:
            raise ValueError(f"alpha_bar must be above 0 and at most 1, found {alpha_bar}")
        return Noised(self, a, self if a == 1 else self.marginal(a))

    def marginal(self, alpha_bar: float) -> "Truth":
        """The law of x_t alone, 0 < alpha_bar < 1."""
        raise self._missing("noised version")

    def optimal_discriminator(self, other: "Truth") -> Callable[[ArrayLike], Tensor]:
        """D*(x) = p(x) / (p(x) + q(x)), q the `other` law (Goodfellow et al. 2014, proposition 1).

        Returns:
            A function of points (..., *event_shape) to probabilities (...); 1/2 where neither law has mass.

        Raises:
            ValueError: the laws are over different points.
        """
        if (self.event_shape, self.discrete) != (other.event_shape, other.discrete):
            raise ValueError(f"{self!r} and {other!r} are not laws over the same points")

        def discriminator(x: ArrayLike) -> Tensor:
            p, q = self.log_prob(x), other.log_prob(x)
            nowhere = Tensor(np.asarray(ops.maximum(p, q)) == -math.inf)
            return ops.sigmoid(ops.where(nowhere, 0.0, p) - ops.where(nowhere, 0.0, q))

        return discriminator

    def __repr__(self) -> str:
        return f"{type(self).__name__}(event_shape={self.event_shape})"

    def _missing(self, what: str) -> NoClosedForm:
        return NoClosedForm(f"{type(self).__name__} has no {what}")

    def _point(self, x: ArrayLike) -> Tensor:
        """`x` in float64, its last axes held to the event's shape."""
        point = as_dtype(x, np.float64)
        n = len(self.event_shape)
        if n and point.shape[-n:] != self.event_shape:
            raise ValueError(f"{self!r}: x of shape {point.shape} does not end in {self.event_shape}")
        return point


class Noised(Truth):
    """The law of x_t, and what is known of x_0 and of the noise given x_t. Made by `Truth.at`.

    Args:
        data: the law of x_0.
        alpha_bar: what is left of the data's variance.
        law: the law of x_t.
    """

    def __init__(self, data: Truth, alpha_bar: float, law: Truth):
        self.data, self.alpha_bar, self.law = data, alpha_bar, law
        self.event_shape, self.discrete = law.event_shape, law.discrete

    def sample(self, n: int, rng: Generator) -> Tensor:
        return self.sample_pairs(n, rng)[1]

    def sample_pairs(self, n: int, rng: Generator) -> tuple[Tensor, Tensor]:
        """n pairs (x_0, x_t), each (n, *event_shape): first the data are drawn, then the noise."""
        x_0 = self._point(self.data.sample(n, rng))
        noise = rng.normal(x_0.shape, np.float64, "cpu")
        return x_0, math.sqrt(self.alpha_bar) * x_0 + math.sqrt(1 - self.alpha_bar) * noise

    def log_prob(self, x: ArrayLike) -> Tensor:
        return self.law.log_prob(x)

    def score(self, x: ArrayLike) -> Tensor:
        return self.law.score(x)

    def entropy(self) -> float:
        return self.law.entropy()

    def marginal(self, alpha_bar: float) -> Truth:
        return self.law.marginal(alpha_bar)

    def denoiser(self, x: ArrayLike) -> Tensor:
        """E[x_0 | x_t = x], of x's shape: the denoiser of least mean squared error."""
        point = self._point(x)
        if self.alpha_bar == 1:
            return point
        return (point + (1 - self.alpha_bar) * self.score(point)) / math.sqrt(self.alpha_bar)

    def noise(self, x: ArrayLike) -> Tensor:
        """E[e | x_t = x], of x's shape: the best noise prediction."""
        return -math.sqrt(1 - self.alpha_bar) * self.score(x)

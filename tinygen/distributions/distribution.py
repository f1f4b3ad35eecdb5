"""What every distribution is: a batch of laws over events.

A draw has the shape (*shape, *batch_shape, *event_shape). `log_prob(x)` takes any x whose shape ends in the event's and
broadcasts against the batch's; outside the support it is -inf, but what cannot be a value of a discrete law is refused.
All results have the parameters' dtype and carry their gradients. What has no closed form is refused by name, never
approximated in silence.
"""

from typing import Any

import numpy as np

from tinygen import ops
from tinygen.autodiff.tape import no_grad
from tinygen.device import Device
from tinygen.distributions.parameters import as_dtype
from tinygen.random import Generator, Shape
from tinygen.tensor import ArrayLike, Tensor


class NoClosedForm(TypeError):
    """The quantity exists but has no closed form here; the message names it and the estimate to use instead."""


class Distribution:
    """The interface, and the refusals for what a distribution does not have.

    Args:
        source: one of the parameters, or a law that this one is made of; gives the dtype and the device of all results.
        batch_shape: the shape of the batch of laws.
        event_shape: the shape of one draw of one law.
    """

    reparameterised: bool = False  # whether `rsample` exists
    discrete: bool = False  # whether log_prob is of a probability, not of a density

    def __init__(
        self, source: "Tensor | Distribution", batch_shape: tuple[int, ...], event_shape: tuple[int, ...] = ()
    ):
        self.dtype: np.dtype[Any] = source.dtype
        self.device: Device = source.device
        self.batch_shape = tuple(batch_shape)
        self.event_shape = tuple(event_shape)

    @property
    def name(self) -> str:
        return type(self).__name__

    def log_prob(self, x: ArrayLike) -> Tensor:
        """The logarithm of the density (of the probability, when discrete) at x, in nats.

        Raises:
            ValueError: x does not end in the event's shape.
        """
        raise self._missing("log_prob")

    def log_prob_of_blocks(self, x: ArrayLike, ndim: int) -> Tensor:
        """`log_prob` summed over the last `ndim` axes of the batch: what `Independent` asks for."""
        value = self.log_prob(x)
        return ops.sum(value, tuple(range(-ndim, 0))) if ndim else value

    def rsample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        """Draws that are differentiable functions of the parameters.

        Raises:
            NoClosedForm: no such function is known; `sample` draws without gradient.
        """
        raise NoClosedForm(
            f"{self.name} has no reparameterised sample: use sample(), which carries no gradient, "
            "and a score-function estimate"
        )

    def sample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        """Draws, without gradient, of shape (*shape, *batch_shape, *event_shape)."""
        with no_grad():
            return self.rsample(rng, shape)

    def entropy(self) -> Tensor:
        """E[-log p(x)] in nats, of the batch's shape.

        Raises:
            NoClosedForm: it has none.
        """
        raise self._missing("entropy", "estimate it by the mean of -log_prob over samples")

    def cdf(self, x: ArrayLike) -> Tensor:
        """P(X <= x), of one-dimensional laws.

        Raises:
            NoClosedForm: it has none.
        """
        raise self._missing("cdf")

    @property
    def mean(self) -> Tensor:
        """E[x], of shape batch_shape + event_shape."""
        raise self._missing("mean", "estimate it by the mean over samples")

    @property
    def variance(self) -> Tensor:
        """The variance of each coordinate, of shape batch_shape + event_shape."""
        raise self._missing("variance", "estimate it by the variance over samples")

    @property
    def stddev(self) -> Tensor:
        """The standard deviation of each coordinate."""
        return self.variance.sqrt()

    def __repr__(self) -> str:
        return f"{self.name}(batch_shape={self.batch_shape}, event_shape={self.event_shape}, dtype={self.dtype})"

    def _missing(self, what: str, instead: str = "") -> NoClosedForm:
        return NoClosedForm(f"{what} of {self.name} has no closed form" + (f": {instead}" if instead else ""))

    def _value(self, x: ArrayLike) -> Tensor:
        """`x` in the distribution's dtype, its last axes held to the event's shape."""
        tensor = as_dtype(x, self.dtype)
        n = len(self.event_shape)
        if n and tensor.shape[-n:] != self.event_shape:
            raise ValueError(
                f"{self.name}: x of shape {tensor.shape} does not end in the event's shape {self.event_shape}"
            )
        return tensor

    def _shape(self, shape: Shape) -> tuple[int, ...]:
        """The shape of draws for a sample shape."""
        return sample_shape(shape) + self.batch_shape + self.event_shape


def sample_shape(shape: Shape) -> tuple[int, ...]:
    """A sample shape, given as an integer or a tuple, as a tuple."""
    return tuple(shape) if isinstance(shape, tuple | list) else (shape,)

"""Independent coordinates taken together as one event."""

from tinygen import ops
from tinygen.distributions.distribution import Distribution
from tinygen.random import Generator, Shape
from tinygen.tensor import ArrayLike, Tensor


class Independent(Distribution):
    """The law of a block of independent draws: the last `ndim` axes of the base's batch become event axes.

    Raises:
        ValueError: the base has fewer batch axes.
    """

    def __init__(self, base: Distribution, ndim: int = 1):
        if not 0 <= ndim <= len(base.batch_shape):
            raise ValueError(
                f"{self.name}: ndim must be from 0 to the {len(base.batch_shape)} batch axes of the base, found {ndim}"
            )
        self.base, self.ndim = base, ndim
        self.reparameterised, self.discrete = base.reparameterised, base.discrete
        cut = len(base.batch_shape) - ndim
        super().__init__(base, base.batch_shape[:cut], base.batch_shape[cut:] + base.event_shape)

    def log_prob(self, x: ArrayLike) -> Tensor:
        return self.base.log_prob_of_blocks(self._value(x), self.ndim)

    def rsample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        return self.base.rsample(rng, shape)

    def sample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        return self.base.sample(rng, shape)

    def entropy(self) -> Tensor:
        return self.summed(self.base.entropy())

    @property
    def mean(self) -> Tensor:
        return self.base.mean

    @property
    def variance(self) -> Tensor:
        return self.base.variance

    def summed(self, value: Tensor) -> Tensor:
        """A quantity of the base's batch summed over the coordinates of the event."""
        return ops.sum(value, tuple(range(-self.ndim, 0))) if self.ndim else value

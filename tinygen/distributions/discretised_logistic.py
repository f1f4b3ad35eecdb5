"""The discretised logistic law on a grid of pixel values (Salimans et al. 2017, "PixelCNN++", equation 2).

Each grid value takes the logistic mass of its cell; the first and the last cell reach to infinity, so the
probabilities sum to 1. The mass of a cell from b to a (in units of the scale) is
sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)), whose logarithm cancels nowhere.
Held by tests/distributions/test_discrete.py.
"""

import numpy as np

from tinygen import ops
from tinygen.distributions import noise
from tinygen.distributions.distribution import Distribution
from tinygen.distributions.parameters import as_dtype, finite, parameters, positive, require, weighted
from tinygen.kernels.array_module import xp
from tinygen.random import Generator, Shape
from tinygen.tensor import ArrayLike, Tensor


class DiscretisedLogistic(Distribution):
    """A logistic law of `loc` and `scale`, rounded to `bins` equally spaced values from `low` to `high`.

    Args:
        loc, scale: of the logistic law, in the units of the grid's values; scale above 0.
        low, high: the first and the last grid value.
        bins: how many values there are, two at least.

    Raises:
        ValueError: a parameter outside its domain.
    """

    discrete = True

    def __init__(self, loc: ArrayLike, scale: ArrayLike, low: float = -1.0, high: float = 1.0, bins: int = 256):
        self.loc, self.scale = parameters(self.name, loc=loc, scale=scale)
        finite(self.name, "loc", self.loc)
        positive(self.name, "scale", self.scale)
        if not isinstance(bins, int) or bins < 2 or not low < high:
            raise ValueError(
                f"{self.name}: the grid needs low < high and two bins at least, found {low}, {high}, {bins}"
            )
        self.low, self.high, self.bins = float(low), float(high), bins
        self.step = (self.high - self.low) / (bins - 1)
        super().__init__(self.loc, self.loc.shape)

    @property
    def support(self) -> Tensor:
        """The grid's values, of shape (bins,)."""
        values = np.linspace(self.low, self.high, self.bins)
        return as_dtype(values, self.dtype).to(self.device)

    def log_prob(self, x: ArrayLike) -> Tensor:
        """The logarithm of the probability of the grid values x.

        Raises:
            ValueError: an entry farther than a thousandth of a step from every grid value.
        """
        x = self._value(x)
        place = (x._data.astype(np.float64) - self.low) / self.step
        index = xp(place).rint(place)
        near = (xp(place).abs(place - index) < max(1e-3, 4e-7 * self.bins)) & (index >= 0) & (index < self.bins)
        grid = f"one of {self.bins} equally spaced values from {self.low:g} to {self.high:g}"
        require(self.name, "x", x, near, grid)
        return self._of_index(Tensor(xp(place).asarray(index)))

    def _of_index(self, index: Tensor) -> Tensor:
        below, above = self._edges(index)
        inner = ops.log(-ops.expm1(-self.step / self.scale))
        middle = -ops.softplus(-above) - ops.softplus(below) + inner
        first, last = index == 0, index == self.bins - 1
        return ops.where(first, -ops.softplus(-above), ops.where(last, -ops.softplus(below), middle))

    def _edges(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The lower and upper edge of each cell, in units of the scale from the centre."""
        value = as_dtype(index * self.step + self.low, self.dtype)
        return (value - 0.5 * self.step - self.loc) / self.scale, (value + 0.5 * self.step - self.loc) / self.scale

    def log_probs(self) -> Tensor:
        """The whole table, of shape (bins, *batch_shape)."""
        index = np.arange(self.bins, dtype=np.float64).reshape(-1, *(1,) * len(self.batch_shape))
        return self._of_index(Tensor(index).to(self.device))

    def sample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        """A logistic draw moved to the nearest grid value."""
        e = noise.logistic(rng, self._shape(shape), self.device)
        continuous = self.loc.detach() + self.scale.detach() * e
        index = ops.clip(ops.round((continuous - self.low) / self.step), 0, self.bins - 1)
        return as_dtype(index * self.step + self.low, self.dtype)

    def entropy(self) -> Tensor:
        """A sum over the grid."""
        table = self.log_probs()
        return -ops.sum(weighted(ops.exp(table), table), 0)

    def cdf(self, x: ArrayLike) -> Tensor:
        x = self._value(x)
        index = ops.floor((x.detach() - self.low) / self.step + 1e-6)
        inside = ops.sigmoid(self._edges(index)[1])
        return ops.where(index < 0, 0.0, ops.where(index >= self.bins - 1, 1.0, inside))

    @property
    def mean(self) -> Tensor:
        return ops.sum(ops.exp(self.log_probs()) * self._column(), 0)

    @property
    def variance(self) -> Tensor:
        return ops.sum(ops.exp(self.log_probs()) * (self._column() - self.mean) ** 2, 0)

    def _column(self) -> Tensor:
        """The grid's values, to stand against the table of `log_probs`."""
        return self.support.reshape(-1, *(1,) * len(self.batch_shape))

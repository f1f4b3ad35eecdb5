"""The multivariate normal law with a full, diagonal, or low-rank-plus-diagonal covariance.

Held by tests/distributions/test_multivariate.py.
"""

import math

import numpy as np

from tinygen import ops
from tinygen.distributions.covariance import WHO, Covariance, Diagonal, Full, LowRank
from tinygen.distributions.distribution import Distribution
from tinygen.distributions.parameters import finite, of_one_dtype, require
from tinygen.kernels.array_module import xp
from tinygen.ops import linalg
from tinygen.random import Generator, Shape
from tinygen.tensor import ArrayLike, Tensor


class MultivariateNormal(Distribution):
    """N(loc, S) over vectors of D coordinates; the structure of S is what it is given by.

    Args:
        loc: the mean, (B..., D).
        covariance: the full S, (B..., D, D), symmetric and positive definite; or
        scale_tril: its lower triangular factor L, S = L L^T; or
        variance: the diagonal of a diagonal S, (B..., D); with
        factor: W of shape (B..., D, R), S = W W^T + diag(variance), whose cost is linear in D.

    Raises:
        ValueError: none or several of the structures, shapes that do not fit, a matrix that is not symmetric
            positive definite, a variance that is not above 0.
    """

    reparameterised = True

    def __init__(
        self,
        loc: ArrayLike,
        covariance: ArrayLike | None = None,
        *,
        scale_tril: ArrayLike | None = None,
        variance: ArrayLike | None = None,
        factor: ArrayLike | None = None,
    ):
        if sum(v is not None for v in (covariance, scale_tril, variance)) != 1 or (
            factor is not None and variance is None
        ):
            raise ValueError(f"{WHO}: give covariance, or scale_tril, or variance, or variance with factor")
        given = [v for v in (covariance, scale_tril, variance, factor) if v is not None]
        self.loc, *rest = of_one_dtype(loc, *given)
        finite(self.name, "loc", self.loc)
        if not self.loc.ndim or not self.loc.shape[-1]:
            raise ValueError(f"{WHO}: loc of shape {self.loc.shape} has no last axis of coordinates")
        size = self.loc.shape[-1]
        self.covariance_form = _structure(size, rest, covariance is not None, scale_tril is not None)
        try:
            batch = np.broadcast_shapes(self.loc.shape[:-1], self.covariance_form.batch_shape)
        except ValueError:
            raise ValueError(
                f"{WHO}: batches of loc {self.loc.shape[:-1]} and of the covariance "
                f"{self.covariance_form.batch_shape} do not broadcast together"
            ) from None
        super().__init__(self.loc, batch, (size,))

    @property
    def covariance(self) -> Tensor:
        """S, (B..., D, D)."""
        return ops.broadcast_to(self.covariance_form.dense(), self.batch_shape + self.event_shape * 2)

    def log_prob(self, x: ArrayLike) -> Tensor:
        form = self.covariance_form
        distance = form.quadratic(self._value(x) - self.loc)
        return -0.5 * (distance + form.log_det() + form.size * math.log(2 * math.pi))

    def rsample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        form = self.covariance_form
        size = self._shape(shape)
        if isinstance(form, Diagonal):
            return self.loc + ops.sqrt(form.variance()) * rng.normal(size, self.dtype, self.device)
        root = form.root()
        e = rng.normal((*size[:-1], root.shape[-1]), self.dtype, self.device)
        return self.loc + ops.einsum("...ij,...j->...i", root, e)

    def entropy(self) -> Tensor:
        per_coordinate = self.covariance_form.size * math.log(2 * math.pi * math.e)
        return ops.broadcast_to(0.5 * (self.covariance_form.log_det() + per_coordinate), self.batch_shape)

    @property
    def mean(self) -> Tensor:
        return ops.broadcast_to(self.loc, self.batch_shape + self.event_shape)

    @property
    def variance(self) -> Tensor:
        return ops.broadcast_to(self.covariance_form.variance(), self.batch_shape + self.event_shape)


def _structure(size: int, given: list[Tensor], full: bool, factored: bool) -> Covariance:
    matrix = given[0]
    if full or factored:
        if matrix.ndim < 2 or matrix.shape[-2:] != (size, size):
            name = "covariance" if full else "scale_tril"
            raise ValueError(f"{WHO}: {name} must end in ({size}, {size}), as loc has it, found shape {matrix.shape}")
        return Full(_factor(matrix) if full else matrix)
    if not matrix.ndim or matrix.shape[-1] != size:
        raise ValueError(f"{WHO}: variance must end in ({size},), as loc has it, found shape {matrix.shape}")
    if len(given) == 1:
        return Diagonal(matrix)
    if given[1].ndim < 2 or given[1].shape[-2] != size:
        raise ValueError(f"{WHO}: factor must have shape (..., {size}, rank), found {given[1].shape}")
    return LowRank(given[1], matrix)


def _factor(covariance: Tensor) -> Tensor:
    finite(WHO, "covariance", covariance)
    array = covariance._data
    tolerance = 1e3 * np.finfo(array.dtype).eps * float(xp(array).abs(array).max())
    gap = xp(array).abs(array - array.swapaxes(-1, -2))
    require(WHO, "covariance - its transpose", Tensor(gap), gap <= tolerance, "0 (it must be symmetric)")
    try:
        return linalg.cholesky(covariance)
    except ValueError:
        raise ValueError(f"{WHO}: covariance must be positive definite, found one that is not") from None

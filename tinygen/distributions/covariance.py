"""Covariance matrices of three structures behind one interface: full, diagonal, and diagonal plus low rank.

Each knows S^-1 through the quadratic form, log|S|, and a root R with S = R R^T. Sizes: D coordinates, B... a batch.
Low rank S = W W^T + diag(v): Woodbury's identity and the determinant lemma through M = I + W^T diag(v)^-1 W.
Held by tests/distributions/test_multivariate.py, which compares every structure with the dense matrix.
"""

import math
from typing import Protocol

import numpy as np

from tinygen import ops
from tinygen.distributions.parameters import finite, positive, require
from tinygen.kernels.array_module import xp
from tinygen.ops import linalg
from tinygen.tensor import Tensor

WHO = "MultivariateNormal"


class Covariance(Protocol):
    """What the normal law asks of its covariance S, a batch of D x D matrices."""

    batch_shape: tuple[int, ...]
    size: int

    def quadratic(self, x: Tensor) -> Tensor:
        """x^T S^-1 x over the last axis of x; the other axes broadcast against the batch."""
        ...

    def log_det(self) -> Tensor:
        """log|S|, of the batch's shape."""
        ...

    def variance(self) -> Tensor:
        """The diagonal of S, (B..., D)."""
        ...

    def dense(self) -> Tensor:
        """S itself, (B..., D, D)."""
        ...

    def root(self) -> Tensor:
        """R with S = R R^T, (B..., D, K)."""
        ...

    def trace_of_ratio(self, other: "Covariance") -> Tensor:
        """tr(S^-1 T) of another covariance T."""
        ...


def diagonal_matrix(v: Tensor) -> Tensor:
    """Square matrices with the entries of the last axis of v on their diagonals."""
    return ops.expand_dims(v, -1) * Tensor(xp(v._data).eye(v.shape[-1], dtype=v.dtype))


def solve_rows(a: Tensor, x: Tensor) -> Tensor:
    """a^-1 applied to the last axis of x, (..., D); a is (B..., D, D), and is factorised once for leading axes of x."""
    batch = a.shape[:-2]
    shape = (*np.broadcast_shapes(x.shape[:-1], batch), x.shape[-1])
    extra = len(shape) - 1 - len(batch)
    columns = ops.broadcast_to(x, shape).reshape(math.prod(shape[:extra]), *shape[extra:])
    solved = linalg._solve(a, ops.moveaxis(columns, 0, -1))
    return ops.moveaxis(solved, -1, 0).reshape(shape)


def _columns(a: Tensor, rank: int) -> Tensor:
    """Matrices (B..., D, K) as their columns, (K, B..., D), with B... of `rank` axes at least."""
    columns = ops.moveaxis(a, -1, 0)
    return columns.reshape(len(columns), *(1,) * (rank + 2 - columns.ndim), *columns.shape[1:])


class Full:
    """S = L L^T from its lower triangular factor L."""

    def __init__(self, scale_tril: Tensor):
        diagonal = ops.diagonal(scale_tril.detach())
        finite(WHO, "scale_tril", scale_tril)
        array = scale_tril._data
        above = array * ~xp(array).tri(array.shape[-1], dtype=bool)
        require(WHO, "scale_tril above its diagonal", Tensor(above), above == 0, "0")
        positive(WHO, "the diagonal of scale_tril", diagonal)
        self.scale_tril = ops.tril(scale_tril)
        self.batch_shape, self.size = scale_tril.shape[:-2], scale_tril.shape[-1]

    def quadratic(self, x: Tensor) -> Tensor:
        return ops.sum(solve_rows(self.scale_tril, x) ** 2, -1)

    def log_det(self) -> Tensor:
        return 2.0 * ops.sum(ops.log(ops.diagonal(self.scale_tril)), -1)

    def variance(self) -> Tensor:
        return ops.sum(self.scale_tril**2, -1)

    def dense(self) -> Tensor:
        return self.scale_tril @ self.scale_tril.mT

    def root(self) -> Tensor:
        return self.scale_tril

    def trace_of_ratio(self, other: Covariance) -> Tensor:
        return ops.sum(self.quadratic(_columns(other.root(), len(self.batch_shape))), 0)


class Diagonal:
    """S = diag(v)."""

    def __init__(self, variance: Tensor):
        positive(WHO, "variance", variance)
        self._variance = variance
        self.batch_shape, self.size = variance.shape[:-1], variance.shape[-1]

    def quadratic(self, x: Tensor) -> Tensor:
        return ops.sum(x**2 / self._variance, -1)

    def log_det(self) -> Tensor:
        return ops.sum(ops.log(self._variance), -1)

    def variance(self) -> Tensor:
        return self._variance

    def dense(self) -> Tensor:
        return diagonal_matrix(self._variance)

    def root(self) -> Tensor:
        return diagonal_matrix(ops.sqrt(self._variance))

    def trace_of_ratio(self, other: Covariance) -> Tensor:
        return ops.sum(other.variance() / self._variance, -1)


class LowRank:
    """S = W W^T + diag(v), W of shape (B..., D, R)."""

    def __init__(self, factor: Tensor, variance: Tensor):
        finite(WHO, "factor", factor)
        positive(WHO, "variance", variance)
        self.factor, self._variance = factor, variance
        self.size = variance.shape[-1]
        self.batch_shape = np.broadcast_shapes(factor.shape[:-2], variance.shape[:-1])
        scaled = factor / ops.expand_dims(variance, -1)
        self._capacitance = factor.mT @ scaled + Tensor(np.eye(factor.shape[-1], dtype=factor.dtype)).to(factor.device)
        self._root = linalg.cholesky(self._capacitance)

    def quadratic(self, x: Tensor) -> Tensor:
        projected = ops.sum(self.factor * ops.expand_dims(x / self._variance, -1), -2)
        return ops.sum(x**2 / self._variance, -1) - ops.sum(solve_rows(self._root, projected) ** 2, -1)

    def log_det(self) -> Tensor:
        inner = 2.0 * ops.sum(ops.log(ops.diagonal(self._root)), -1)
        return inner + ops.sum(ops.log(self._variance), -1)

    def variance(self) -> Tensor:
        return ops.sum(self.factor**2, -1) + self._variance

    def dense(self) -> Tensor:
        return self.factor @ self.factor.mT + diagonal_matrix(self._variance)

    def root(self) -> Tensor:
        noise = diagonal_matrix(ops.sqrt(self._variance))
        factor = ops.broadcast_to(self.factor, (*self.batch_shape, *self.factor.shape[-2:]))
        return ops.concat([factor, ops.broadcast_to(noise, (*self.batch_shape, self.size, self.size))], axis=-1)

    def trace_of_ratio(self, other: Covariance) -> Tensor:
        return ops.sum(self.quadratic(_columns(other.root(), len(self.batch_shape))), 0)

"""Bernoulli and categorical laws, from probabilities or from logits; a probability of exactly 0 or 1 is allowed.

Held by tests/distributions/test_discrete.py.
"""

import math
from typing import Any

import numpy as np

from tinygen import ops
from tinygen.autodiff.fusion import fused
from tinygen.distributions.distribution import Distribution
from tinygen.distributions.parameters import as_dtype, of_one_dtype, require, weighted
from tinygen.kernels.array_module import xp
from tinygen.random import Generator, Shape
from tinygen.tensor import ArrayLike, Tensor, asarray

_SUM_TOLERANCE = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-9}


def _one_of(who: str, probs: ArrayLike | None, logits: ArrayLike | None) -> tuple[Tensor, bool]:
    """The one that was given, and whether it is probabilities."""
    if (probs is None) == (logits is None):
        raise ValueError(f"{who}: give probs or logits, and only one of them")
    (given,) = of_one_dtype(logits if probs is None else probs)  # type: ignore[arg-type]
    return given, probs is not None


def _log_prob(logits: Tensor, x: Tensor) -> Tensor:
    """log sigmoid(logits) where x is 1, log sigmoid(-logits) where it is 0."""
    return -ops.softplus((1.0 - 2.0 * x) * logits)


_log_prob_of_logits = fused(_log_prob, name="log_prob_of_logits")
_log_prob_by_example = fused(_log_prob, total="examples", name="log_prob_by_example")


class Bernoulli(Distribution):
    """1 with probability `probs`, else 0; logits = log p / (1 - p).

    Raises:
        ValueError: both or neither of `probs` and `logits`; a probability outside [0, 1]; a logit that is NaN.
    """

    discrete = True

    def __init__(self, probs: ArrayLike | None = None, *, logits: ArrayLike | None = None):
        given, direct = _one_of(self.name, probs, logits)
        array = given._data
        if direct:
            require(self.name, "probs", given, (array >= 0) & (array <= 1), "from 0 to 1")
        else:
            require(self.name, "logits", given, ~xp(array).isnan(array), "a number")
        self._given, self._direct = given, direct
        super().__init__(given, given.shape)

    @property
    def probs(self) -> Tensor:
        """The probability p of 1."""
        return self._given if self._direct else ops.sigmoid(self._given)

    @property
    def log_p(self) -> Tensor:
        """log p."""
        return self._given.log() if self._direct else -ops.softplus(-self._given)

    @property
    def log_q(self) -> Tensor:
        """log(1 - p)."""
        return ops.log1p(-self._given) if self._direct else -ops.softplus(self._given)

    def log_prob(self, x: ArrayLike) -> Tensor:
        """log p where x is 1, log(1 - p) where it is 0.

        Raises:
            ValueError: an entry that is neither.
        """
        x = self._black_or_white(x)
        if not self._direct:
            return _log_prob_of_logits(self._given, x)
        return ops.where(x == 1, self.log_p, self.log_q)

    def log_prob_of_blocks(self, x: ArrayLike, ndim: int) -> Tensor:
        x = self._value(x)
        if self._direct or not ndim or max(x.ndim, len(self.batch_shape)) != ndim + 1:
            return super().log_prob_of_blocks(x, ndim)
        return _log_prob_by_example(self._given, self._black_or_white(x))

    def _black_or_white(self, x: ArrayLike) -> Tensor:
        """`x` without its history. Raises ValueError for an entry that is not 0 or 1."""
        x = self._value(x).detach()
        require(self.name, "x", x, (x._data == 0) | (x._data == 1), "0 or 1")
        return x

    def sample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        """Zeros and ones of the parameters' dtype."""
        draws = rng.bernoulli(np.asarray(self.probs), self._shape(shape), self.device)
        return draws.astype(self.dtype)

    def entropy(self) -> Tensor:
        return -(weighted(self.probs, self.log_p) + weighted(1.0 - self.probs, self.log_q))

    def cdf(self, x: ArrayLike) -> Tensor:
        x = self._value(x)
        return ops.where(x < 0, 0.0, ops.where(x < 1, 1.0 - self.probs, 1.0))

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def variance(self) -> Tensor:
        return self.probs * (1.0 - self.probs)


class Categorical(Distribution):
    """The labels 0 ... K - 1; the last axis of `probs` or `logits` holds the K categories.

    `mean` and `variance` treat the label as a number. Gradients with respect to `probs` are those of free entries:
    nothing projects them onto the simplex.

    Raises:
        ValueError: both or neither given; no axis of categories; probabilities below 0 or not summing to 1; logits
            that are NaN, +inf, or all -inf.
    """

    discrete = True

    def __init__(self, probs: ArrayLike | None = None, *, logits: ArrayLike | None = None):
        given, direct = _one_of(self.name, probs, logits)
        array = given._data
        if not given.ndim or not given.shape[-1]:
            raise ValueError(f"{self.name}: shape {given.shape} has no last axis of categories")
        if direct:
            require(self.name, "probs", given, array >= 0, "0 or above")
            total = ops.sum(given.detach(), -1)
            close = xp(array).abs(total._data - 1) <= _SUM_TOLERANCE[given.dtype] * given.shape[-1]
            require(self.name, "the sum of probs", total, close, "1")
            self.probs, self.log_probs = given, given.log()
        else:
            require(self.name, "logits", given, array < math.inf, "a number below inf")
            top = ops.max(given.detach(), -1)
            require(self.name, "the largest logit", top, top._data > -math.inf, "finite")
            self.log_probs = ops.log_softmax(given, -1)
            self.probs = ops.exp(self.log_probs)
        self.categories = given.shape[-1]
        super().__init__(given, given.shape[:-1])

    def log_prob(self, x: ArrayLike) -> Tensor:
        """log p of the labels x, integers (or floats of integer value) below K.

        Raises:
            ValueError: an entry that is no label.
        """
        labels = asarray(x)
        good = (labels >= 0) & (labels < self.categories) & (labels == xp(labels).floor(labels))
        require(self.name, "x", Tensor(labels), good, f"an integer from 0 to {self.categories - 1}")
        labels = labels.astype(np.int64)
        shape = np.broadcast_shapes(labels.shape, self.batch_shape)
        index = Tensor(xp(labels).broadcast_to(labels, shape)[..., None])
        table = ops.broadcast_to(self.log_probs, (*shape, self.categories))
        return ops.squeeze(ops.take_along_axis(table, index, -1), -1)

    def sample(self, rng: Generator, shape: Shape = ()) -> Tensor:
        """int64 labels, by the inverse of the distribution function: never one of probability 0."""
        p = self.probs._data
        edges = xp(p).cumsum(p.astype(np.float64), -1)
        edges = edges / edges[..., -1:]
        u = rng.uniform((*self._shape(shape), 1), np.float64, self.device)._data
        return ops.sum(Tensor(edges) <= Tensor(u), -1)

    def entropy(self) -> Tensor:
        return -ops.sum(weighted(self.probs, self.log_probs), -1)

    def cdf(self, x: ArrayLike) -> Tensor:
        below = self._labels() <= ops.expand_dims(self._value(x), -1)
        return ops.sum(ops.where(below, self.probs, 0.0), -1)

    @property
    def mean(self) -> Tensor:
        return ops.sum(self.probs * self._labels(), -1)

    @property
    def variance(self) -> Tensor:
        return ops.sum(self.probs * (self._labels() - ops.expand_dims(self.mean, -1)) ** 2, -1)

    def _labels(self) -> Tensor:
        return as_dtype(xp(self.probs._data).arange(self.categories), self.dtype)


def same_categories(p: Any, q: Any) -> None:
    """Raises ValueError when two categorical laws differ in their number of categories."""
    if p.categories != q.categories:
        raise ValueError(f"categorical laws of {p.categories} and {q.categories} categories cannot be compared")

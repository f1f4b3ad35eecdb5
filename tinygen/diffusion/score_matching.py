"""Score matching: objectives for s(x) = grad log p(x) that need no normaliser, (N,) each, one number an example.

    implicit    |s|^2 / 2 + tr ds/dx                         Hyvarinen 2005, eq. 4: E|s - grad log p|^2 / 2 - a constant
    sliced      |s|^2 / 2 + v.(ds/dx v)                      Song et al. 2019: its mean over v ~ N(0, I) is implicit
    denoising   |s(x + sd e) + e / sd|^2 / 2                 Vincent 2011, eq. 11: the score of the noised data
    explicit    |s - grad log p|^2 / 2                       where the score of the data is known

Implicit and denoising differ from explicit by constants of the data (Vincent 2011, appendix), so they have its
minimum. Held by tinygen.checks.diffusion (19).
"""

from collections.abc import Callable

from tinygen.autodiff.transforms import jvp, value_and_divergence
from tinygen.tensor import Tensor

Score = Callable[[Tensor], Tensor]
"""Maps points (N, ...) to vectors of their shape; no example sees another."""


def implicit(score: Score, x: Tensor) -> Tensor:
    """Hyvarinen's objective at x (N, ...); the trace exactly, by one vjp per entry of an example."""
    s, divergence = value_and_divergence(score, x)
    return _half_square(s) + divergence


def sliced(score: Score, x: Tensor, v: Tensor) -> Tensor:
    """The objective along directions v ~ N(0, I) of x's shape, in the variant of reduced variance."""
    s, along = jvp(score, [x], [v])
    return _half_square(s) + _total(v * along)


def denoising(score: Score, x: Tensor, noise: Tensor, sd: float) -> Tensor:
    """The objective at x + sd noise, noise ~ N(0, I): minus noise / sd is the score of the law that moved x there."""
    return _half_square(score(x + sd * noise) + noise / sd)


def explicit(score: Score, true_score: Score, x: Tensor) -> Tensor:
    """Half the squared distance between the scores at x (N, ...)."""
    return _half_square(score(x) - true_score(x))


def _half_square(x: Tensor) -> Tensor:
    return 0.5 * _total(x * x)


def _total(x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], -1).sum(axis=1)

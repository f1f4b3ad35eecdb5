"""What keeps a critic's slope in check: clipped weights, penalties on its gradient, a penalty on its weights.

Spectral normalisation is a layer's own affair: `nn.spectral_norm`. Held by tinygen/checks/gan/ (CHECKS 29, 32) and
tests/gan/test_penalties.py.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinygen import ops
from tinygen.autodiff import guard
from tinygen.autodiff.backward import grad
from tinygen.autodiff.tape import recording
from tinygen.kernels.array_module import xp
from tinygen.kernels.definitions.update import refused
from tinygen.ops import linalg
from tinygen.random import Generator
from tinygen.tensor import Tensor

Critic = Callable[[Tensor], Tensor]
"""Examples (N, ...) to logits (N,)."""


def clip_weights_(parameters: Iterable[Tensor], bound: float, when: Any = None) -> None:
    """Every entry into [-bound, bound], in place (Arjovsky et al. 2017, algorithm 1).

    Args:
        when: as for `Optimiser.step`: unless all these numbers are finite the weights stay.

    Raises:
        ValueError: a bound that is not above 0.
    """
    if not bound > 0:
        raise ValueError(f"clip_weights_: the bound must be above 0, not {bound}")
    if refused(when):
        return
    most: Any = bound if when is None else xp(when).where(xp(when).isfinite(when).all(), bound, np.inf)
    for p in parameters:
        own = most if when is None else most.astype(p.dtype)
        xp(p._data).clip(p._data, -own, own, out=p._data)
        guard.written(p._data)


def slopes(critic: Critic, x: Tensor) -> Tensor:
    """The gradient of each example's logit in that example, (N, D), all its axes as one; differentiable once more.

    Examples must not see each other in the critic: with batch statistics the gradient of the sum is not this.
    """
    with recording(True):
        place = Tensor(x._data, requires_grad=True)
        (slope,) = grad(critic(place).sum(), [place], create_graph=True)
        return slope.reshape(len(x), -1)


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, rng: Generator) -> Tensor:
    """E (|grad D(x)| - 1)^2 between the two (Gulrajani et al. 2017, eq. 3, without its lambda).

    x = e real + (1 - e) fake with e uniform on [0, 1), one for each example; the norm is that of an example.

    Args:
        real, fake: (N, ...) of one shape.
    """
    e = rng.uniform((len(real), *[1] * (real.ndim - 1)), real.dtype, real.device)._data
    between = Tensor(e * real._data + (1 - e) * fake._data)
    return ((linalg.norm(slopes(critic, between), axis=1) - 1.0) ** 2).mean()


def r1_penalty(critic: Critic, real: Tensor) -> Tensor:
    """E |grad D(x)|^2 / 2 on the data (Mescheder et al. 2018, eq. 9, without its gamma)."""
    return 0.5 * (slopes(critic, real) ** 2).sum(1).mean()


def orthogonal_penalty(weight: Tensor) -> Tensor:
    """|W^T W * (1 - I)|^2, which leaves the columns' lengths free (Brock et al. 2019, eq. 3, without its beta).

    Its gradient is 4 W (W^T W * (1 - I)).

    Args:
        weight: (n, m); of a convolution the axes from the second on count as one.
    """
    w = weight.reshape(weight.shape[0], -1)
    gram = linalg.matmul(w.T, w)
    off_diagonal = Tensor(1 - np.eye(gram.shape[0], dtype=gram.dtype)).to(gram.device)
    return ops.sum((gram * off_diagonal) ** 2)

"""Coupling layers: what a mask keeps decides how the rest is moved.

With b the mask (1 = kept) and m = b x what the networks see,

    additive (NICE; Dinh et al. 2014, eq. 8)        y = m + (1 - b) (x + t(m))              log|det| = 0
    affine (RealNVP; Dinh et al. 2017, eq. 9)       y = m + (1 - b) (x exp(s(m)) + t(m))    log|det| = sum (1 - b) s(m)

The Jacobian is triangular once the kept entries come first, so the networks need no inverse and may be anything.
Held by tinygen.checks.flow (33) and tests/flow/test_coupling.py.
"""

import numpy as np

from tinygen import nn
from tinygen.autodiff.fusion import fused
from tinygen.flow.contract import Flow, no_change
from tinygen.ops.elementwise import exp, tanh
from tinygen.tensor import Tensor


class _Coupling(Flow):
    """A mask (1 = kept, of the shape of an example, both values present) and a network."""

    mask: Tensor

    def __init__(self, mask: np.ndarray, net: nn.Module):
        if not (np.isin(mask, (0, 1)).all() and mask.any() and not mask.all()):
            raise ValueError(f"{type(self).__name__}: a mask of 0 and 1, with some of each, is needed; found {mask}")
        self.register_buffer("mask", Tensor(np.array(mask, np.float32)), persistent=False)
        self.net = net


class AdditiveCoupling(_Coupling):
    """y = x where the mask is 1, x + net(mask x) elsewhere; volume is kept.

    Args:
        mask: 1 for what is kept, of the shape of an example.
        net: maps (N, *shape) to t of the same shape.

    Raises:
        ValueError: a mask that keeps everything or nothing.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + (1.0 - self.mask) * self.net(self.mask * x), no_change(x)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return y - (1.0 - self.mask) * self.net(self.mask * y), no_change(y)


class AffineCoupling(_Coupling):
    """y = x where the mask is 1, x exp(s) + t elsewhere, (s, t) = net(mask x); s is bounded by 2 tanh.

    Args:
        mask: 1 for what is kept, of the shape of an example.
        net: maps (N, C, ...) to (N, 2 C, ...): s before its tanh, then t.

    Raises:
        ValueError: a mask that keeps everything or nothing.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self._moves(x)
        return _stretched(x, s, t, self.mask), _log_stretch(s, self.mask)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self._moves(y)
        return _restored(y, s, t, self.mask), -_log_stretch(s, self.mask)

    def _moves(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """s before its bound, and t, of every entry; x and y agree at what is kept, so either will do."""
        h = self.net(self.mask * x)
        half = h.shape[1] // 2
        return h[:, :half], h[:, half:]


def _bounded(s: Tensor, mask: Tensor) -> Tensor:
    return (1.0 - mask) * (2.0 * tanh(0.5 * s))


@fused
def _stretched(x: Tensor, s: Tensor, t: Tensor, mask: Tensor) -> Tensor:
    return x * exp(_bounded(s, mask)) + (1.0 - mask) * t


@fused
def _restored(y: Tensor, s: Tensor, t: Tensor, mask: Tensor) -> Tensor:
    return (y - (1.0 - mask) * t) * exp(-_bounded(s, mask))


@fused(total="examples")
def _log_stretch(s: Tensor, mask: Tensor) -> Tensor:
    return _bounded(s, mask)

"""The invertible 1 x 1 convolution: a C x C matrix at every pixel (Kingma and Dhariwal 2018, section 3.2).

    W = P L (U + diag(s))        log|det dy/dx| = H W log|det W| = H W sum log|s|        (eqs. 9 to 11)

P is a fixed permutation, L unit lower and U strictly upper triangular; the signs of s are fixed. They start from a
random rotation. Held by tinygen.checks.flow (33).
"""

import math

import numpy as np

from tinygen import nn
from tinygen.flow.contract import Flow, no_change
from tinygen.nn import init
from tinygen.ops.creation import empty, eye
from tinygen.ops.elementwise import exp
from tinygen.ops.indexing import tril, triu
from tinygen.ops.linalg import inv, matmul
from tinygen.ops.manipulation import moveaxis
from tinygen.random import Generator
from tinygen.tensor import Tensor


class InvertibleConvolution(Flow):
    """y = W x over axis 1 at every place: images (N, C, H, W), or points (N, C), where it is one matrix.

    Args:
        channels: C.
        rng: of the first rotation.
    """

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int, *, rng: Generator):
        rotation = np.asarray(init.orthogonal_(empty(channels, channels, dtype=np.float64), rng=rng))
        p, lower, upper = _plu(rotation)
        s = np.diagonal(upper)
        self.register_buffer("permutation", Tensor(p.astype(np.float32)))
        self.register_buffer("sign", Tensor(np.sign(s).astype(np.float32)))
        self.lower = nn.Parameter(np.tril(lower, -1).astype(np.float32))
        self.upper = nn.Parameter(np.triu(upper, 1).astype(np.float32))
        self.log_s = nn.Parameter(np.log(np.abs(s)).astype(np.float32))

    @property
    def weight(self) -> Tensor:
        """W = P L (U + diag(s)), (C, C); only the proper triangles of the parameters count."""
        identity = eye(self.log_s.size, dtype=self.log_s.dtype, device=self.log_s.device)
        lower = tril(self.lower, -1) + identity
        upper = triu(self.upper, 1) + identity * (self.sign * exp(self.log_s))
        return matmul(self.permutation, matmul(lower, upper))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return _at_every_place(self.weight, x), self._log_det(x)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return _at_every_place(inv(self.weight), y), -self._log_det(y)

    def _log_det(self, x: Tensor) -> Tensor:
        return no_change(x) + math.prod(x.shape[2:]) * self.log_s.sum()


def _at_every_place(weight: Tensor, x: Tensor) -> Tensor:
    last = moveaxis(x, 1, -1)
    return moveaxis(matmul(last.reshape(-1, x.shape[1]), weight.T).reshape(last.shape), -1, 1)


def _plu(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P, L, U with a = P L U, by Gaussian elimination with partial pivoting."""
    n = len(a)
    order, lower, upper = np.arange(n), np.eye(n), a.copy()
    for k in range(n):
        pivot = k + int(np.abs(upper[k:, k]).argmax())
        order[[k, pivot]] = order[[pivot, k]]
        upper[[k, pivot]] = upper[[pivot, k]]
        lower[[k, pivot], :k] = lower[[pivot, k], :k]
        lower[k + 1 :, k] = upper[k + 1 :, k] / upper[k, k]
        upper[k + 1 :] -= np.outer(lower[k + 1 :, k], upper[k])
    return np.eye(n)[:, order], lower, np.triu(upper)

"""The square root of a symmetric positive semidefinite matrix, differentiable to any order.

If R R = A then R dR + dR R = dA, Lyapunov's equation; its solution in the eigenbasis of R divides by sums of
eigenvalues, and is self-adjoint, so it is its own vjp. Held by tests/divergence/test_gaussian.py.
"""

from typing import Any

import numpy as np

from tinygen.autodiff.primitive import primitive
from tinygen.kernels.array_module import quiet, xp
from tinygen.ops.manipulation import matrix_transpose
from tinygen.tensor import Tensor


def _symmetric(x: Any) -> Any:
    return 0.5 * (x + matrix_transpose(x)) if isinstance(x, Tensor) else 0.5 * (x + x.swapaxes(-1, -2))


def _lyapunov_vjp(g: Tensor, y: Tensor, s: Tensor) -> Tensor:
    h = lyapunov(s, g)
    return -_symmetric(h @ matrix_transpose(y) + matrix_transpose(y) @ h)


@primitive(s=_lyapunov_vjp, c=lambda g, s: lyapunov(s, g))
@quiet
def lyapunov(s: Any, c: Any) -> Any:
    """The X with S X + X S = C, of a symmetric S without opposite eigenvalues; (..., n, n)."""
    values, vectors = xp(s).linalg.eigh(_symmetric(s))
    back = vectors.swapaxes(-1, -2)
    return vectors @ ((back @ c @ vectors) / (values[..., :, None] + values[..., None, :])) @ back


@primitive(a=lambda g, y: lyapunov(y, _symmetric(g)))
def symmetric_root(a: Any) -> Any:
    """The symmetric positive semidefinite R with R R = A, (..., n, n); infinite gradient where A is singular.

    Raises:
        ValueError: A is not square, or has an eigenvalue below 0 by more than rounding.
    """
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"symmetric_root: shape {a.shape} is not a square matrix (or a stack of them)")
    values, vectors = xp(a).linalg.eigh(_symmetric(a))
    least, size = float(values.min()), float(xp(a).abs(values).max())
    if not least >= -100 * a.shape[-1] * float(np.finfo(a.dtype).eps) * size:
        raise ValueError(f"symmetric_root: the matrix must be positive semidefinite, found the eigenvalue {least:.3g}")
    roots = xp(a).sqrt(xp(a).maximum(values, 0))
    return (vectors * roots[..., None, :]) @ vectors.swapaxes(-1, -2)

"""The matrix product."""

from typing import Any

from tinygen.kernels.array_module import rounded_once, xp

QUIET = 1 << 18  # multiply-adds up to which NumPy's product runs on the calling thread alone


@rounded_once
def matmul(a: Any, b: Any, bias: Any = None) -> Any:
    """a (..., M, K) times b (..., K, N), leading sizes broadcast, plus bias (N,) or none: (..., M, N)."""
    c = xp(a).matmul(a, b)
    return c if bias is None else c + bias

"""The matrix product."""

from typing import Any

from tinygen.kernels.array_module import rounded_once, xp


@rounded_once
def matmul(a: Any, b: Any, bias: Any = None) -> Any:
    """a (..., M, K) times b (..., K, N), leading sizes broadcast, plus bias (N,) or none: (..., M, N)."""
    c = xp(a).matmul(a, b)
    return c if bias is None else c + bias

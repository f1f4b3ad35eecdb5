"""The matrix product."""

from typing import Any

from tinygen.kernels.array_module import rounded_once, xp


@rounded_once
def matmul(a: Any, b: Any) -> Any:
    """a (..., M, K) times b (..., K, N), leading sizes broadcast: (..., M, N)."""
    return xp(a).matmul(a, b)

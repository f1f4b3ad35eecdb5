"""The matrix product, as NumPy has it: (..., M, K) @ (..., K, N) -> (..., M, N), leading dimensions broadcast."""

import numpy as np
from numpy.typing import NDArray


def matmul(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """a @ b."""
    return a @ b

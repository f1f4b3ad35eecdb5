"""The matrix product on the CPU: OpenBLAS on one thread.

OpenBLAS's threads go on spinning after a product and take the cores from the kernel that follows; between kernels one
thread is several times faster than two (see threads.py). Held by tests/kernels/test_product.py.
"""

from typing import Any

import numpy as np

from tinygen.kernels.cpu.threads import one_blas_thread


def matmul(a: Any, b: Any) -> Any:
    """a (..., M, K) times b (..., K, N), leading sizes broadcast: (..., M, N)."""
    with one_blas_thread():
        return np.matmul(a, b)

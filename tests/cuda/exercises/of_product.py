from typing import Any

import numpy as np

from exercises.common import Results, both, normals
from tinygen.kernels.definitions import product


def exercise(kernels: Any) -> Results:
    """Two tiles and a rest each way; operands by rows and by columns; pieces of 16 bytes and of 4; cut into parts."""
    by_columns = lambda x: np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    a, b = normals((36, 72), (72, 40))
    yield from both("matmul", kernels, product, a, b)
    yield from both("matmul", kernels, product, by_columns(a), by_columns(b))
    a, b = normals((2, 35, 37), (37, 33))
    yield from both("matmul", kernels, product, by_columns(a), b)
    a, b = normals((5, 600), (600, 3))
    yield from both("matmul", kernels, product, a, b)

from typing import Any

import numpy as np

from exercises.common import Results, both, normals
from tinygen.kernels import precision
from tinygen.kernels.array_module import bfloat16
from tinygen.kernels.definitions import product


def exercise(kernels: Any) -> Results:
    """Two tiles and a rest each way; operands by rows and by columns; pieces of 16 bytes and of 4; cut into parts.

    On tensor cores the product is that of the rounded operands.
    """
    by_columns = lambda x: np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)
    a, b = normals((5, 600), (600, 3))
    yield from both("matmul", kernels, product, a, b)
    a, b, bias = normals((2, 35, 37), (37, 33), (33,))
    yield from both("matmul", kernels, product, by_columns(a), b)
    yield from both("matmul", kernels, product, a, b, bias)
    a, b = normals((36, 72), (72, 40))
    with precision("tf32"):
        found = kernels.matmul(a, b)
    yield "matmul in tf32", found, product.matmul(_tf32(a), _tf32(b))
    with precision("bf16"):
        found = kernels.matmul(by_columns(a), by_columns(b))
    a, b = (x.astype(bfloat16()).astype(np.float32) for x in (a, b))
    yield "matmul in bf16", found, product.matmul(a, b)


def _tf32(x: np.ndarray) -> np.ndarray:
    """To 10 bits after the point, ties away from zero."""
    return ((x.view(np.uint32) + 0x1000) & 0xFFFFE000).astype(np.uint32).view(np.float32)

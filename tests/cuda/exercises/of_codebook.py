from typing import Any

from exercises.common import Results, both, normals
from tinygen.kernels.definitions import codebook


def exercise(kernels: Any) -> Results:
    z, book = normals((37, 19), (70, 19))
    yield from both("nearest_code", kernels, codebook, z, book)
    yield from both("nearest_code", kernels, codebook, z, book[:3])
    yield from both("nearest_code", kernels, codebook, z, book[:35].repeat(2, axis=0))  # the first of equals

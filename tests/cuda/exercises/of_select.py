from typing import Any

from exercises.common import Results, both, normals
from tinygen.kernels.definitions import select


def exercise(kernels: Any) -> Results:
    a, b = normals((7, 100), (7, 100))
    yield from both("select", kernels, select, a.T, a.T > 0, b.T)
    yield from both("select", kernels, select, a, b > 0, 0.25)

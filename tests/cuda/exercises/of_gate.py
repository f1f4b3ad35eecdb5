from typing import Any

from exercises.common import Results, both, normals
from tinygen.kernels.definitions import gate


def exercise(kernels: Any) -> Results:
    x, g = normals((2, 14, 5, 9), (2, 7, 5, 9))
    yield from both("gate", kernels, gate, x)
    yield from both("gate_backward", kernels, gate, g, x)

from typing import Any

from exercises.common import Results, both, normals
from tinygen.kernels.definitions import rectifier


def exercise(kernels: Any) -> Results:
    x, g = normals((7, 100), (7, 100))
    yield from both("relu", kernels, rectifier, x)
    yield from both("relu_backward", kernels, rectifier, g, x)
    for name in ("leaky_relu", "elu"):
        yield from both(name, kernels, rectifier, x, 0.3)
        yield from both(f"{name}_backward", kernels, rectifier, g, x, 0.3)

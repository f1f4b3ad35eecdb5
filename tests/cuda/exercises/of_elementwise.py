from typing import Any

from exercises.common import Results, both, normals
from tinygen.kernels.definitions import elementwise


def exercise(kernels: Any) -> Results:
    x, g = normals((7, 100), (7, 100))
    for name in ("silu", "gelu", "sigmoid", "softplus", "erf"):
        yield from both(name, kernels, elementwise, x)
    for name in ("silu_backward", "gelu_backward"):
        yield from both(name, kernels, elementwise, g, x)

from typing import Any

import numpy as np

from exercises.common import Results, both, normals
from tinygen.kernels.definitions import softmax


def exercise(kernels: Any) -> Results:
    x, g = normals((9, 45), (9, 45))
    for name in ("softmax", "log_softmax"):
        yield from both(name, kernels, softmax, x, 1)
        yield from both(f"{name}_backward", kernels, softmax, g, getattr(softmax, name)(x, 1), 1)
    target = np.arange(9) * 5
    yield from both("cross_entropy", kernels, softmax, x, target)
    yield from both("cross_entropy", kernels, softmax, x, target, 0.25)
    lse = softmax.cross_entropy(x, target)[1]
    yield from both("cross_entropy_backward", kernels, softmax, g[:, 0], x, target, lse)

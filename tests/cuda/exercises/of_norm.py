from typing import Any

import numpy as np

from exercises.common import Results, both, normals
from tinygen.kernels.definitions import norm


def exercise(kernels: Any) -> Results:
    shapes = [(5000,), (4, 4), (4096,), (0,), (30, 140), *[(3,)] * 300]  # more chunks than threads of a block
    arrays, expected = normals(*shapes), normals(*shapes)
    yield from both("gradient_norm", kernels, norm, arrays)
    factor = np.asarray(0.3, np.float32)
    norm.scale_all(expected, factor)
    kernels.scale_all(arrays, factor)
    for found, exact in zip(arrays, expected):
        yield "scale_all", found, exact

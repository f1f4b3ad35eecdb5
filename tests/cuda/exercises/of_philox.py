from typing import Any

import numpy as np

from exercises.common import Results, both
from tinygen.kernels.definitions import philox


def exercise(kernels: Any) -> Results:
    place = ((5, 2**31 + 3), 2**64 - 7)  # the counter's lower half overflows on the way
    yield from both("philox_bits", kernels, philox, *place, 1027)
    for dtype in (np.float32, np.float64):
        yield from both("philox_uniform", kernels, philox, *place, 1027, dtype)
        yield from both("philox_normal", kernels, philox, *place, 1027, dtype)

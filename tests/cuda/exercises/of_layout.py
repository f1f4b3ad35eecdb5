from typing import Any

import numpy as np

from exercises.common import Results, normals


def exercise(kernels: Any) -> Results:
    for x in (*normals((2, 35, 5, 9), (1, 3, 70)), np.moveaxis(normals((2, 5, 9, 35))[0], -1, 1)):
        yield "channels_last", kernels.channels_last(x, x.dtype), np.ascontiguousarray(np.moveaxis(x, 1, -1))

from typing import Any

from exercises.common import Results, both, normals
from tinygen.kernels.definitions import reduction


def exercise(kernels: Any) -> Results:
    x, tall, rows, long = normals((3, 41, 2, 37), (600, 3), (9, 100), 5000)
    for name in ("reduce_sum", "reduce_prod", "sum_of_squares", "euclidean_norm", "reduce_max", "reduce_min"):
        for axes in (None, (0,), (1, 3), (0, 2)):
            yield from both(name, kernels, reduction, x, axes)
        for other, axes in ((tall, (0,)), (rows, (1,)), (long, None)):
            yield from both(name, kernels, reduction, other, axes)

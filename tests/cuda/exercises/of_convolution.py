from typing import Any

from exercises.common import Results, both, normals
from tinygen.kernels.definitions import convolution


def exercise(kernels: Any) -> Results:
    """Images that leave a rest of every tile; channels by 4 and one by one; groups; phases; depths cut into parts; and
    few channels, of narrow groups and of wide images."""
    for n, c, k, size, kernel, stride, padding, dilation, groups in (
        (2, 8, 36, (5, 7), (3, 2), (1, 1), (1, 0), (1, 1), 1),
        (2, 12, 10, (8, 7), (3, 4), (2, 3), (1, 2), (2, 1), 2),
        (1, 64, 8, (5, 6), (3, 3), (2, 2), (1, 2), (1, 3), 1),
        (2, 8, 8, (16, 17), (1, 1), (1, 1), (0, 0), (1, 1), 1),
        (2, 9, 9, (8, 7), (3, 4), (2, 3), (1, 2), (2, 1), 3),
        (6, 40, 3, (10, 3), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    ):
        geometry = (stride, padding, dilation)
        out = convolution.output_size(size, kernel, *geometry)
        x, w, bias, back, g = normals((n, c, *size), (k, c // groups, *kernel), k, c, (n, k, *out))
        yield from both("conv2d", kernels, convolution, x, w, bias, *geometry, groups, 0.25)
        if x.dtype.kind == "f":  # bfloat16 is rounded once more
            (own,) = normals((n, k))
            yield from both("conv2d", kernels, convolution, x, w, own, *geometry, groups, 0.25)
        yield from both("conv2d_input_grad", kernels, convolution, g, w, back, size, *geometry, groups)
        yield from both("conv2d_weight_grad", kernels, convolution, x, g, kernel, *geometry, groups)

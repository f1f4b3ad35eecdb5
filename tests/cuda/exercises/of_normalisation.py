from typing import Any

from exercises.common import Results, both, normals
from tinygen.kernels.definitions import normalisation


def exercise(kernels: Any) -> Results:
    x, g, w, b = normals((2, 40, 20, 15), (2, 40, 20, 15), 40, 40)
    for slope in (1.0, 0.2, 0.0):
        yield from both("batch_norm", kernels, normalisation, x, w, b, 1e-3, slope)
        y, *statistics = normalisation.batch_norm(x, w, b, 1e-3, slope)
        yield from both("batch_norm_backward", kernels, normalisation, g, x, w, *statistics, y, slope)
    given = (w, w * w + 1, 0.1), False
    yield from both("batch_norm", kernels, normalisation, x, w, b, 1e-3, 1.0, *given)
    y, *statistics = normalisation.batch_norm(x, w, b, 1e-3, 1.0, *given)
    yield from both("batch_norm_backward", kernels, normalisation, g, x, w, *statistics, y, 1.0, None, False)
    for silu in (False, True):
        yield from both("group_norm", kernels, normalisation, x, 4, w, b, 1e-3, silu)
        statistics = normalisation.group_norm(x, 4, w, b, 1e-3, silu)[1:]
        yield from both("group_norm_backward", kernels, normalisation, g, x, 4, w, b, *statistics, silu)
    x, g, w, b = normals((300, 45), (300, 45), 45, 45)
    yield from both("layer_norm", kernels, normalisation, x, 1, w, b, 1e-3)
    statistics = normalisation.layer_norm(x, 1, w, b, 1e-3)[1:]
    yield from both("layer_norm_backward", kernels, normalisation, g, x, 1, w, *statistics)
    yield from both("rms_norm", kernels, normalisation, x, 1, w, 1e-3)
    rstd = normalisation.rms_norm(x, 1, w, 1e-3)[1]
    yield from both("rms_norm_backward", kernels, normalisation, g, x, 1, w, rstd)

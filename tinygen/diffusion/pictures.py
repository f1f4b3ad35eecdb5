"""What there is to see of a sampler: images as the noise leaves them, or the paths of points.

Held by tests/diffusion/test_diffusion_pictures.py.
"""

from collections.abc import Iterable

import numpy as np

from tinygen.drawing import Drawing, ImageRows, Paths
from tinygen.tensor import Tensor

IMAGES, WALKERS = 10, 200
COLUMNS, INSTANTS = 12, 100
"""How many of the times are shown: of images in columns, of points along each path."""


def of_steps(x_T: Tensor, steps: Iterable[tuple[int, Tensor]], T: int) -> list[Drawing]:
    """The way from `x_T` (N, *shape) down to t = 0, whose (t, x_t) `steps` yields; the last must be t = 0."""
    image = x_T.ndim == 4
    shown = set(np.linspace(T, 0, min(T + 1, COLUMNS if image else INSTANTS)).round().astype(int).tolist())
    kept = [np.asarray(x_T), *(np.asarray(x) for t, x in steps if t in shown)]
    if image:
        return [ImageRows("Denoising: x_t from noise, left, to a sample, right", np.stack(kept, axis=1))]
    return [Paths("Paths of the sampler, from noise to the data", np.stack(kept))] if x_T.shape[1:] == (2,) else []

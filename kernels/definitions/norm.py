"""The Euclidean norm of many arrays taken as one vector, and a factor for all of them: the NumPy definition.

What clipping by the global norm is made of (Pascanu et al. 2013, algorithm 1). Neither asks what a number is, so on a
CUDA device nothing waits for it. Computed in float64 and rounded once. Held by tests/kernels/test_norm.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy

from ..array_module import xp

Array = Any


def gradient_norm(arrays: Sequence[Array]) -> Array:
    """The root of the sum of all squares: an array of shape () and of the first one's dtype; float32 0 of none."""
    if not arrays:
        return numpy.zeros((), numpy.float32)
    np = xp(arrays[0])
    squares = [np.square(a.astype(np.float64)).sum() for a in arrays]
    return np.asarray(np.sqrt(sum(squares)).astype(arrays[0].dtype))


def scale_all(arrays: Sequence[Array], factor: Array) -> None:
    """Multiplies all arrays in place by `factor`, of shape (); a factor of 1 leaves their bits as they are."""
    for a in arrays:
        a[...] = a.astype("float64") * factor

"""`check_adjoint`: two linear maps are each other's transpose."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.tensor import Tensor, asarray


def _array(value: Any) -> np.ndarray:
    return np.asarray(value if isinstance(value, Tensor) else asarray(value))


def check_adjoint(
    forward: Callable[[Tensor], Any],
    adjoint: Callable[[Tensor], Any],
    x: Any,
    y: Any = None,
    rtol: float = 1e-10,
    seed: int = 0,
) -> bool:
    """<forward(x), y> = <x, adjoint(y)>: the definition of the transpose of a linear map.

    Args:
        forward: a linear map on tensors.
        adjoint: what should be its transpose.
        x: a float64 array in the domain of `forward`.
        y: one in its range; drawn from N(0, 1) when None.
        rtol: tolerance relative to the sum of the magnitudes of the products' terms.

    Returns:
        True.

    Raises:
        AssertionError: a shape does not come back, or the two products differ; both are printed.
    """
    x = _array(x)
    image = _array(forward(Tensor(x)))
    y = np.random.default_rng(seed).standard_normal(image.shape) if y is None else _array(y)
    if image.shape != y.shape:
        raise AssertionError(f"forward gives shape {image.shape}, y has {y.shape}: they must be equal")
    back = _array(adjoint(Tensor(y)))
    if back.shape != x.shape:
        raise AssertionError(f"adjoint gives shape {back.shape}, x has {x.shape}: they must be equal")
    left, right = float((image * y).sum()), float((x * back).sum())
    scale = float(np.abs(image * y).sum() + np.abs(x * back).sum())
    if not abs(left - right) <= rtol * scale:
        raise AssertionError(f"<forward(x), y> = {left:.12g}, <x, adjoint(y)> = {right:.12g}: not an adjoint pair")
    return True

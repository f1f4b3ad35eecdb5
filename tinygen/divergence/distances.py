"""Distances between all pairs of points of two sets."""

from tinygen import ops
from tinygen.distributions.parameters import of_one_dtype
from tinygen.ops.reduction import vector_norm
from tinygen.tensor import ArrayLike, Tensor


def point_sets(who: str, x: ArrayLike, y: ArrayLike) -> tuple[Tensor, Tensor]:
    """x and y as tensors (n, d) and (m, d) of one dtype; a vector is n points of the line.

    Raises:
        ValueError: other shapes, or no points.
    """
    x, y = (ops.expand_dims(v, -1) if v.ndim == 1 else v for v in of_one_dtype(x, y))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not x.size or not y.size:
        raise ValueError(f"{who}: points of shape (n, d) and (m, d) are needed, found {x.shape} and {y.shape}")
    return x, y


def squared_distances(x: ArrayLike, y: ArrayLike) -> Tensor:
    """|x_i - y_j|^2, (n, m), by one matrix product: to rounding of the points' spread, so possibly -1e-16 for 0.

    Raises:
        ValueError: shapes that are not (n, d) and (m, d).
    """
    x, y = point_sets("squared_distances", x, y)
    centre: Tensor = ops.mean(y.detach(), 0, keepdims=True)
    x, y = x - centre, y - centre
    return ops.sum(x**2, 1, True) + ops.sum(y**2, 1) - 2.0 * (x @ y.mT)


def distances(x: ArrayLike, y: ArrayLike) -> Tensor:
    """|x_i - y_j|, (n, m); the gradient is 0 where two points are equal.

    Raises:
        ValueError: shapes that are not (n, d) and (m, d).
    """
    x, y = point_sets("distances", x, y)
    return vector_norm(ops.expand_dims(x, 1) - y, -1)

"""`check_adjoint`: two linear maps are each other's transpose. Held by tests/testing/test_check_adjoint.py."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.tensor import Tensor
from tinygen.testing.counterexample import as_array

Pairing = Callable[[np.ndarray, np.ndarray], float]


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
        seed: of y, where it is drawn.

    Returns:
        True.

    Raises:
        AssertionError: a shape does not come back, a map is not linear, or the two products differ; then it says what
            the mistake looks like, and names one entry of x and one of y for which they do.
    """
    x = as_array(x)
    image = as_array(forward(Tensor(x)))
    y = np.random.default_rng(seed).standard_normal(image.shape) if y is None else as_array(y)
    if image.shape != y.shape:
        raise AssertionError(f"forward gives shape {image.shape}, y has {y.shape}: they must be equal")
    back = as_array(adjoint(Tensor(y)))
    if back.shape != x.shape:
        raise AssertionError(f"adjoint gives shape {back.shape}, x has {x.shape}: they must be equal")
    left, right = float((image * y).sum()), float((x * back).sum())
    scale = float(np.abs(image * y).sum() + np.abs(x * back).sum())
    if abs(left - right) <= rtol * scale:
        return True
    _check_linear("forward", forward, x, image, rtol)
    _check_linear("adjoint", adjoint, y, back, rtol)

    def products(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
        return float((as_array(forward(Tensor(x))) * y).sum()), float((x * as_array(adjoint(Tensor(y)))).sum())

    def apart(x: np.ndarray, y: np.ndarray) -> float:
        return abs(float(np.subtract(*products(x, y))))

    one_x = _one_entry(x, lambda part: apart(part, y))
    one_y = _one_entry(y, lambda part: apart(one_x, part))
    entry, image_entry = products(one_x, one_y)
    raise AssertionError(
        f"<forward(x), y> = <x, adjoint(y)> broken: with 1 in entry {_place(one_x)} of x and {_place(one_y)} of y, and "
        f"0 elsewhere, it is {entry:.10g} and {image_entry:.10g}{_mistake(forward, adjoint, x, y, rtol)}"
    )


def _check_linear(name: str, fn: Callable[[Tensor], Any], x: np.ndarray, image: np.ndarray, rtol: float) -> None:
    zero = as_array(fn(Tensor(np.zeros_like(x))))
    if np.abs(zero).max(initial=0.0) > 0:
        raise AssertionError(
            f"{name}(0) = 0 broken: it is {zero.flat[np.abs(zero).argmax()]:.10g} in one entry; a bias?"
        )
    twice = as_array(fn(Tensor(2 * x)))
    if not np.allclose(twice, 2 * image, rtol=rtol, atol=rtol * float(np.abs(image).max(initial=0.0))):
        raise AssertionError(f"{name}(2 x) = 2 {name}(x) broken: only linear maps have a transpose")


def _one_entry(x: np.ndarray, apart: Callable[[np.ndarray], float]) -> np.ndarray:
    """1 in one entry and 0 elsewhere: halves x for as long as it has more entries, into that which is further apart."""
    places = np.flatnonzero(x)
    while len(places) > 1:
        halves = np.array_split(places, 2)
        places = max(halves, key=lambda half: apart(_only(x, half)))
    return _only(np.ones_like(x), places)


def _only(x: np.ndarray, places: np.ndarray) -> np.ndarray:
    kept = np.zeros_like(x)
    kept.flat[places] = x.flat[places]
    return kept


def _place(one: np.ndarray) -> Any:
    place = tuple(int(i) for i in np.unravel_index(int(one.argmax()), one.shape))
    return place[0] if len(place) == 1 else place


def _mistake(
    forward: Callable[[Tensor], Any], adjoint: Callable[[Tensor], Any], x: np.ndarray, y: np.ndarray, rtol: float
) -> str:
    """What the adjoint does instead, where it is one of the known mistakes."""
    image, back = as_array(forward(Tensor(x))), as_array(adjoint(Tensor(y)))
    if np.allclose(as_array(adjoint(Tensor(image))), x, rtol=1e-8, atol=1e-8):
        return "; adjoint(forward(x)) = x: this is the inverse, not the transpose"
    if x.shape == y.shape and np.allclose(as_array(forward(Tensor(y))), back, rtol=1e-8, atol=1e-8):
        return "; adjoint(y) = forward(y): the map itself, not transposed"
    rng = np.random.default_rng(1)
    factors = []
    for _ in range(3):
        a, b = rng.standard_normal(x.shape), rng.standard_normal(y.shape)
        factors.append((a * as_array(adjoint(Tensor(b)))).sum() / (as_array(forward(Tensor(a))) * b).sum())
    if not np.allclose(factors, factors[0], rtol=1e-8):
        return ""
    if factors[0] == 0:
        return "; adjoint gives 0 everywhere"
    return "; the sign is wrong" if abs(factors[0] + 1) < 1e-8 else f"; it is {factors[0]:.6g} times the transpose"

"""`check_inverse` and `check_log_det`: a flow undoes itself, and its log-determinant is that of its Jacobian.

A flow is any object with `forward(x) -> (y, log_det)` and `inverse(y) -> (x, log_det)`, x (N, ...), log_det (N,).
The Jacobian of each example is taken by autodiff, one vjp per entry: for examples of up to some hundred entries.
What fails is shrunk, entry by entry, to the plainest example that still fails.

Held by tests/testing/test_check_flow.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygen.autodiff.tape import no_grad
from tinygen.autodiff.transforms import jacobian
from tinygen.tensor import Tensor
from tinygen.testing.counterexample import as_array, plainest, written


def check_inverse(flow: Any, x: Any, atol: float = 1e-9) -> bool:
    """inverse(forward(x)) = x, and the two log-determinants are each other's negative.

    Args:
        flow: the map, in float64: `flow.to("float64")` where it has parameters.
        x: examples (N, ...); taken in float64.
        atol: tolerance, relative to the magnitude of the entries where that is above 1.

    Returns:
        True.

    Raises:
        AssertionError: it is not so; says which formula is broken, and the plainest example found that breaks it.
        ValueError: x holds no example.
    """
    x = _double(x)
    _call(flow.forward, "forward", x)  # what starts from data starts from all of it

    def faults(z: np.ndarray) -> tuple[float, str]:
        y, there = _call(flow.forward, "forward", z)
        back, here = _call(flow.inverse, "inverse", y)
        if back.shape != z.shape:
            raise AssertionError(f"inverse(forward(x)) = x broken: x has shape {z.shape}, what comes back {back.shape}")
        apart = _excess(back - z, np.abs(z).max(initial=1.0), atol)
        if not apart <= 1.0:
            return apart, f"inverse(forward(x)) = x broken: x = {written(z[0])} comes back as {written(back[0])}"
        off = _excess(there + here, max(1.0, float(np.abs(there).max())), atol * max(1, z[0].size))
        return off, (
            f"log|det dx/dy| = -log|det dy/dx| broken: at x = {written(z[0])} forward gives {there[0]:.10g} and "
            f"inverse {here[0]:.10g}" + (", of the same sign" if there[0] * here[0] > 0 else "")
        )

    _search(x, faults)
    return True


def check_log_det(flow: Any, x: Any, rtol: float = 1e-8) -> bool:
    """log_det = log|det dy/dx|, for every example, against the Jacobian by autodiff; and det keeps its sign.

    Args:
        flow: the map, in float64: `flow.to("float64")` where it has parameters.
        x: examples (N, ...), several, inside the domain; taken in float64.
        rtol: tolerance, relative where the log-determinant is above 1.

    Returns:
        True.

    Raises:
        AssertionError: it is not so; says which formula is broken, what the mistake looks like, and the plainest
            example found that shows it.
        ValueError: x holds no example.
    """
    x = _double(x)
    _, together = _call(flow.forward, "forward", x)
    signs, exact, ranks = np.array([_determinant(flow, z[None]) for z in x]).T
    alone = np.array([_call(flow.forward, "forward", z[None])[1][0] for z in x])
    wrong = ~(np.abs(alone - exact) <= rtol * np.maximum(1.0, np.abs(exact)))
    hint = _mistake(alone[wrong], exact[wrong], ranks, x.shape)

    def faults(z: np.ndarray) -> tuple[float, str]:
        _, given = _call(flow.forward, "forward", z)
        true = _determinant(flow, z)[1]
        return _excess(given - true, max(1.0, abs(true)), rtol), (
            f"log_det = log|det dy/dx| broken: at x = {written(z[0])} the flow says {given[0]:.10g}, its Jacobian "
            f"{true:.10g}{hint}"
        )

    _search(x, faults)
    if not np.allclose(together, alone, rtol=1e-6, atol=1e-6):
        i = int(np.abs(together - alone).argmax())
        raise AssertionError(
            f"log_det is of each example by itself, broken: for x = {written(x[i])} it is {together[i]:.10g} in "
            f"the batch and {alone[i]:.10g} alone; no example may see another"
        )
    if len(set(signs)) > 1:
        i, j = int(signs.argmin()), int(signs.argmax())
        raise AssertionError(
            f"det dy/dx != 0 broken: it is negative at x = {written(x[i])}, positive at {written(x[j])}, "
            f"so it is 0 between them, and the map has no inverse{_mistake(alone[:0], exact[:0], ranks, x.shape)}"
        )
    return True


def _mistake(given: np.ndarray, exact: np.ndarray, ranks: np.ndarray, shape: tuple[int, ...]) -> str:
    """What the numbers look like: the known mistakes that turn the exact ones into the given ones."""
    places, size = int(np.prod(shape[2:])), int(np.prod(shape[1:]))
    looks = [
        (-exact, "the sign is wrong: this is log|det dx/dy|, that of the inverse"),
        (exact / size, "it is the mean over the entries of an example, not the sum"),
        (np.exp(np.minimum(exact, 700.0)), "it is |det dy/dx|, not its logarithm"),
        (0.0 * exact, "it is left out, as if the map kept volume"),
    ]
    if places > 1:
        missing = f"the factor H W = {places} is missing: a 1x1 convolution has log_det = H W log|det W|"
        looks.insert(0, (exact / places, missing))
    for like, name in looks:
        if len(given) and np.allclose(given, like, rtol=1e-6, atol=1e-9):
            return f"; {name}"
    if size > 1 and (ranks <= 1).all():
        return (
            "; dy/dx = I + u psi^T, whose determinant is 1 + u.psi: a planar flow needs w.u_hat = m(w.u) > -1, "
            "u_hat = u + (m(w.u) - w.u) w / |w|^2, with the square, and the same u_hat in its log_det"
        )
    return ""


def _determinant(flow: Any, x: np.ndarray) -> tuple[float, float, int]:
    """The sign of det dy/dx at one example (1, ...), log|det dy/dx|, and the rank of dy/dx - I."""
    size = x.size

    def image(z: Tensor) -> Tensor:
        y = flow.forward(z.reshape(x.shape))[0]
        if y.size != size:
            raise AssertionError(f"a flow keeps the number of entries: x has {size}, y {y.size}")
        return y.reshape(size)

    matrix = np.asarray(jacobian(image, Tensor(x.reshape(size))))
    if not np.isfinite(matrix).all():
        return np.nan, np.nan, size
    sign, log_abs = np.linalg.slogdet(matrix)
    return float(sign), float(log_abs), int(np.linalg.matrix_rank(matrix - np.eye(size), tol=1e-8))


def _double(x: Any) -> np.ndarray:
    array = np.array(as_array(x), dtype=np.float64)
    if array.ndim < 2 or not array.size:
        raise ValueError(f"examples (N, ...) are needed, N at least 1, found shape {array.shape}")
    return array


def _call(fn: Callable[[Tensor], Any], name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two arrays that `fn` gives, their shapes and dtypes held to the contract."""
    with no_grad():
        y, log_det = fn(Tensor(x))
    if log_det.shape != (len(x),):
        raise AssertionError(
            f"{name}: log_det has shape {log_det.shape}, should be ({len(x)},), a sum over each example"
        )
    if y.dtype != np.float64 or log_det.dtype != np.float64:
        raise AssertionError(f'{name} gives {y.dtype} and {log_det.dtype} for float64: use flow.to("float64")')
    return np.asarray(y), np.asarray(log_det)


def _excess(error: np.ndarray, scale: float, tolerance: float) -> float:
    """The greatest error in units of what is allowed; infinite for NaN."""
    worst = float(np.abs(error).max(initial=0.0)) / (scale * tolerance)
    return worst if np.isfinite(worst) else np.inf


def _search(x: np.ndarray, faults: Callable[[np.ndarray], tuple[float, str]]) -> None:
    """Raises with the message of the plainest example found with a fault, if any example of x has one."""
    for z in x:
        worst, _ = faults(z[None])
        if worst <= 1.0:
            continue

        def message(plain: np.ndarray, worst: float = worst) -> str | None:
            excess, said = faults(plain[None])
            outside = excess == np.inf and worst < np.inf  # not finite, where the example that fails is
            return said if excess > 1.0 and not outside else None

        raise AssertionError(plainest(z, message))

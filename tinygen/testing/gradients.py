"""`gradcheck`: derivatives of any order against central differences, and the first against the complex step.

A derivative of order k is checked by projections: with fixed random u_1 ... u_{k-1} and cotangent v the number
phi(x, v) = D^{k-1} f(x)[u_1, ..., u_{k-1}] . v is differentiated by the engine once more and by differences,
(phi(x + h u) - phi(x - h u)) / 2h at h and h/2, extrapolated (Richardson). From order 2 on the cotangent counts as an
input, because a gradient that forgets how it depends on its cotangent is right once and wrong ever after.

For order 1 there is a reference without cancellation (Squire and Trapp 1998, SIAM Review 40): where f is analytic,
d/dt f(x + t u) = Im f(x + i h u) / h + O(h^2), exact to rounding with h = 2^-100. Operations whose forward is plain
NumPy accept complex arrays; those in compiled code do not, and functions with abs or real parts in them are not
analytic. So the step is used only where the function runs on complex numbers and agrees with the differences.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np

from tinygen.autodiff.backward import grad
from tinygen.autodiff.tape import recording
from tinygen.tensor import Tensor

STEP = 2.0**-13  # h^4 is below rounding; rounding / h is near 1e-12, in float64
COMPLEX_STEP = 2.0**-100  # h^2 is below rounding, and nothing is subtracted
CENTRAL = 1e-6, 1e-7  # relative and absolute tolerance
COMPLEX = 1e-10, 1e-10

Function = Callable[..., Any]
Method = Literal["auto", "complex", "central"]


def gradcheck(
    fn: Function,
    *inputs: Any,
    order: int = 1,
    rtol: float | None = None,
    atol: float | None = None,
    seed: int = 0,
    method: Method = "auto",
) -> bool:
    """Holds the derivatives of `fn` of orders 1 to `order` to central differences, and to the complex step.

    Args:
        fn: a function of tensors that gives a tensor, or a tuple of them.
        inputs: its arguments. Floating tensors and NumPy arrays are differentiated, in float64; integer and
            boolean ones, numbers and anything else are handed on as they are.
        order: the highest derivative to check.
        rtol, atol: tolerances on a directional derivative along a random direction of unit length; when None 1e-6 and
            1e-7 against differences, 1e-10 both against the complex step.
        seed: of the random directions and cotangents.
        method: "auto" holds order 1 to the complex step where it applies, "central" never does, and "complex" insists.

    Returns:
        True.

    Raises:
        AssertionError: a derivative is wrong (names the worst input, with the measured and the expected value), `fn`
            is not differentiable at the point, changes its inputs, gives other values when called again, or does not
            stay in float64.
        ValueError: no input to differentiate, an order below 1, or "complex" where the complex step does not apply:
            order 2, a function that cannot take complex numbers, one that is not analytic.
    """
    if order < 1:
        raise ValueError(f"order={order}: a derivative has order 1 at least")
    if method not in get_args(Method):
        raise ValueError(f"method={method!r}: it is one of {', '.join(get_args(Method))}")
    if method == "complex" and order > 1:
        raise ValueError(f'method="complex" is for order 1, not {order}: gradients are taken of real numbers only')
    values = [_double(value) for value in inputs]
    places = [i for i, value in enumerate(values) if isinstance(value, np.ndarray) and value.dtype.kind == "f"]
    if not places:
        raise ValueError("no input to differentiate: none is a floating tensor or NumPy array")

    def of_places(*xs: Tensor) -> list[Tensor]:
        arguments = list(values)
        for i, x in zip(places, xs):
            arguments[i] = x
        return _outputs(fn(*(Tensor(a) if isinstance(a, np.ndarray) else a for a in arguments)))

    rng = np.random.default_rng(seed)
    points = [values[i] for i in places]
    names = [f"input {i}" for i in places]
    outputs = _check_behaviour(of_places, points)
    projection = _projected(of_places, len(points))
    points = points + [_direction(rng, y.shape) for y in outputs]
    names = names + [f"cotangent {i}" for i in range(len(outputs))]
    for level in range(1, order + 1):
        checked = len(places) if level == 1 else len(points)  # phi is linear in the cotangent at level 1
        _compare(projection, points, names[:checked], level, rng, (rtol, atol), method if level == 1 else "central")
        if level < order:
            projection = _derivative(projection, [_direction(rng, p.shape) for p in points[: len(places)]])
    return True


def _double(value: Any) -> Any:
    if isinstance(value, Tensor | np.ndarray):
        array = np.asarray(value)
        return np.array(array, dtype=np.float64, order="K") if array.dtype.kind == "f" else array
    return value


def _outputs(result: Any) -> list[Tensor]:
    results = result if isinstance(result, tuple | list) else (result,)
    kept = []
    for y in results:
        if not isinstance(y, Tensor):
            raise AssertionError(f"the function gives {type(y).__name__}, not a tensor or a tuple of tensors")
        if y.dtype.kind in "fc":
            if y.dtype not in (np.float64, np.complex128):
                raise AssertionError(f"the function gives {y.dtype} for float64 inputs")
            kept.append(y)
    if not kept:
        raise AssertionError("the function gives no floating tensor")
    return kept


def _direction(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Of unit length, with no entry near 0: a mistake in any one entry shows."""
    u = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    return np.asarray(u / max(1.0, float(np.sqrt((u * u).sum()))))


def _check_behaviour(fn: Function, points: Sequence[np.ndarray]) -> list[Tensor]:
    """Runs `fn` twice: it must leave its inputs alone and give the same values again."""
    given = [p.copy(order="K") for p in points]
    outputs = fn(*(Tensor(p, requires_grad=True) for p in given))
    for i, (p, q) in enumerate(zip(points, given)):
        if p.tobytes() != q.tobytes():
            raise AssertionError(f"the function changes its differentiable input {i} in place")
    again = fn(*(Tensor(p) for p in given))
    for y, z in zip(outputs, again):
        if np.asarray(y).tobytes() != np.asarray(z).tobytes():
            raise AssertionError("the function gives other values when it is called again")
        if not np.isfinite(np.asarray(y)).all():
            raise AssertionError("the function is not finite at the point")
    return outputs


def _projected(fn: Function, count: int) -> Function:
    """phi(x..., v...) = sum of <f_i(x...), v_i>."""

    def phi(*arguments: Tensor) -> Tensor:
        total: Any = 0.0
        for y, v in zip(fn(*arguments[:count]), arguments[count:]):
            total = (y * v).sum() + total
        return total

    return phi


def _gradients(phi: Function, points: Sequence[Tensor], count: int) -> list[Tensor]:
    """Recorded gradients of phi in its first `count` arguments; zeros where it does not depend on one."""
    value = phi(*points)
    if value._node is None:
        return [Tensor(np.zeros(p.shape)) for p in points[:count]]
    found = grad(value, points[:count], create_graph=True, allow_unused=True)
    return [Tensor(np.zeros(p.shape)) if d is None else d for d, p in zip(found, points)]


def _derivative(phi: Function, directions: Sequence[np.ndarray]) -> Function:
    """D phi [directions], recorded, in the first arguments."""

    def derivative(*points: Tensor) -> Tensor:
        with recording(True):
            places = tuple(p if p.requires_grad else Tensor(p._data, requires_grad=True) for p in points)
            total: Any = 0.0
            for d, u in zip(_gradients(phi, places, len(directions)), directions):
                total = (d * Tensor(u)).sum() + total
        return total

    return derivative


def _compare(
    phi: Function,
    points: Sequence[np.ndarray],
    names: Sequence[str],
    level: int,
    rng: np.random.Generator,
    tolerances: tuple[float | None, float | None],
    method: Method,
) -> None:
    """The engine's derivative of phi in each of the named arguments against the reference along one direction.

    At level 1 both ways of taking it are held: unrecorded, as training does, so that fused kernels run; and recorded,
    on which the higher derivatives stand.
    """
    tensors = [Tensor(p.copy(order="K"), requires_grad=True) for p in points]
    ways = [_gradients(phi, tensors, len(names))]
    if level == 1:
        ways.append(_first_order(phi, tensors, len(names)))
    middle = _value(phi, points)
    worst, message = 0.0, ""
    for i, name in enumerate(names):
        u = _direction(rng, points[i].shape)
        along = _along(phi, points, i, u)
        expected, means, tolerance = _reference(along, middle, f"order {level} in {name}", method)
        rtol, atol = (tolerance[k] if given is None else given for k, given in enumerate(tolerances))
        for exact in ways:
            if exact[i].shape != points[i].shape or exact[i].dtype != np.float64:
                raise AssertionError(
                    f"derivative of order {level} in {name} has shape {exact[i].shape} and dtype {exact[i].dtype}, "
                    f"expected {points[i].shape} and float64"
                )
            measured = float((np.asarray(exact[i]) * u).sum())
            excess = abs(measured - expected) / (atol + rtol * max(abs(measured), abs(expected)))
            if not excess <= 1.0 and not excess <= worst:
                worst = excess
                message = (
                    f"derivative of order {level} in {name}, of shape {points[i].shape}: measured {measured:.10g}, "
                    f"expected {expected:.10g} by {means}"
                )
    if message:
        raise AssertionError(message)


def _first_order(phi: Function, tensors: Sequence[Tensor], count: int) -> list[Tensor]:
    """Gradients as training takes them, unrecorded, so that fused backward kernels are what is checked."""
    value = phi(*tensors)
    found = grad(value, tensors[:count], allow_unused=True)
    return [Tensor(np.zeros(p.shape)) if d is None else d for d, p in zip(found, tensors)]


def _value(phi: Function, points: Sequence[np.ndarray]) -> Any:
    with recording(False):
        return np.asarray(phi(*(Tensor(p.copy(order="K")) for p in points))).item()


def _along(phi: Function, points: Sequence[np.ndarray], i: int, u: np.ndarray) -> Function:
    """phi(... x_i + t u ...) as a function of the number t; where that is complex, all arguments are."""

    def along(t: complex) -> Any:
        still = [p.astype(type(t), copy=False) for p in points]
        return _value(phi, [np.asarray(p + t * u) if j == i else p for j, p in enumerate(still)])

    return along


def _reference(along: Function, middle: float, what: str, method: Method) -> tuple[float, str, tuple[float, float]]:
    """The derivative at 0 by the best means that applies, their name, and the tolerances that go with them."""
    central = _difference(along, middle, what)
    if method != "central":
        step = _complex_step(along)
        if isinstance(step, str):
            problem = step
        elif abs(step - central) <= CENTRAL[1] + CENTRAL[0] * abs(central):
            return step, "the complex step", COMPLEX
        else:
            problem = f"the function is not analytic: {step:.10g}, and {central:.10g} by central differences"
        if method == "complex":
            raise ValueError(f"the complex step does not apply to the derivative of {what}: {problem}")
    return central, "central differences", CENTRAL


def _difference(along: Function, middle: float, what: str) -> float:
    """By central differences, with the test that their error falls as it must."""
    wide, narrow = (along(STEP), along(-STEP)), (along(STEP / 2), along(-STEP / 2))
    coarse = (wide[0] - wide[1]) / (2 * STEP)
    fine = (narrow[0] - narrow[1]) / STEP
    # One-sided slopes differ by h phi'' where phi is smooth, so by half as much at h/2; at a kink by the same.
    bend, half_bend = (wide[0] - 2 * middle + wide[1]) / STEP, (narrow[0] - 2 * middle + narrow[1]) / (STEP / 2)
    rounding = 1e-7 * max(1.0, abs(fine), abs(middle))
    if abs(half_bend) > max(0.75 * abs(bend), rounding) or not np.isfinite([coarse, fine, bend]).all():
        raise AssertionError(
            f"derivative of {what}: not differentiable at the point; one-sided slopes differ by {half_bend:.4g} "
            f"and do not close up as the step shrinks"
        )
    return (4 * fine - coarse) / 3


def _complex_step(along: Function) -> float | str:
    """Im phi(i h) / h, or why there is none."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", np.exceptions.ComplexWarning)  # a cast that drops the imaginary part
            return float(np.imag(along(1j * COMPLEX_STEP))) / COMPLEX_STEP
    except Exception as error:  # whatever the function says to an argument it was not written for
        return f"{type(error).__name__}: {error}"

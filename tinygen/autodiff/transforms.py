"""Functions of functions: vjp, jvp, jacobian, divergence, hessian, hvp, stop_gradient.

They nest, and differentiate through.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tinygen.autodiff.backward import grad
from tinygen.autodiff.primitive import REGISTRY, operation
from tinygen.autodiff.tape import mode, now, reachable, recording
from tinygen.kernels.array_module import xp
from tinygen.tensor import ArrayLike, Tensor, as_tensor, asarray


@operation(x=lambda g: g, elementwise=True)
def alias(x: Any) -> Any:
    """The same values at a place of their own on the tape."""
    return x[...]


def _entry(x: ArrayLike) -> Tensor:
    """`x` at a fresh place on the tape: the inner differentiation stops there, an outer one goes through."""
    if isinstance(x, Tensor) and x._node is not None:
        return alias(x)
    return Tensor(as_tensor(x)._data, requires_grad=True)


def _gradients(y: Tensor, xs: Sequence[Tensor], g: ArrayLike | None) -> tuple[Tensor, ...]:
    """Gradients that stay differentiable, with zeros where y does not depend on an input."""
    if y._node is None:
        return tuple(Tensor(xp(x._data).zeros_like(x._data)) for x in xs)
    found = grad(y, xs, g, create_graph=True, allow_unused=True)
    return tuple(Tensor(xp(x._data).zeros_like(x._data)) if d is None else d for d, x in zip(found, xs))


def _start() -> int | None:
    """Marks where a transform begins on the tape; None when nobody outside is recording."""
    return now() if mode.recording else None


def _release(value: Tensor, start: int | None) -> Tensor:
    """What a transform hands out: attached when it depends on something recorded before `start`, else bare."""
    if start is None or value._node is None:
        return value.detach()
    outside = any(node.time < start for node in reachable(value._node, stop_before=start))
    return value if outside else value.detach()


def vjp(fn: Callable[..., Tensor], *args: ArrayLike) -> tuple[Tensor, Callable[[ArrayLike], tuple[Tensor, ...]]]:
    """`fn(*args)` and the function that maps a cotangent of its output to those of its arguments.

    Returns:
        `(y, pullback)`; `pullback(g)`, with g of y's shape, is a tuple of one tensor per argument.
    """
    start = _start()
    with recording(True):
        xs = [_entry(x) for x in args]
        y = fn(*xs)

    def pullback(g: ArrayLike) -> tuple[Tensor, ...]:
        with recording(True):
            return tuple(_release(d, start) for d in _gradients(y, xs, g))

    return _release(y, start), pullback


def jvp(fn: Callable[..., Tensor], args: Sequence[ArrayLike], tangents: Sequence[ArrayLike]) -> tuple[Tensor, Tensor]:
    """`fn(*args)` and its derivative along `tangents`, one per argument and of its shape.

    A vjp is linear in its cotangent, so differentiating it once more, in the cotangent, transposes it back.

    Raises:
        ValueError: tangents and arguments that differ in number or shape.
    """
    if isinstance(args, Tensor) or isinstance(tangents, Tensor) or len(args) != len(tangents):
        raise ValueError("jvp needs a sequence of arguments and a sequence of tangents of the same length")
    start = _start()
    with recording(True):
        xs = [_entry(x) for x in args]
        vs = [as_tensor(v if isinstance(v, Tensor) else asarray(v, x.dtype)) for v, x in zip(tangents, xs)]
        for i, (x, v) in enumerate(zip(xs, vs)):
            if x.shape != v.shape:
                raise ValueError(f"tangent {i} has shape {v.shape}, its argument has {x.shape}: they must be equal")
        y = fn(*xs)
        u = Tensor(xp(y._data).zeros_like(y._data), requires_grad=True)
        total = None
        for d, v in zip(_gradients(y, xs, u), vs):
            term = (d * v).sum()
            total = term if total is None else total + term
        tangent = _gradients(total, [u], None)[0]  # type: ignore[arg-type]
    return _release(y, start), _release(tangent, start)


def jacobian(fn: Callable[[Tensor], Tensor], x: ArrayLike) -> Tensor:
    """The matrix of partial derivatives of `fn` at `x`, of shape `fn(x).shape + x.shape`; one vjp per output."""
    start = _start()
    with recording(True):
        entry = _entry(x)
        y = fn(entry)
        basis = xp(y._data).eye(y.size, dtype=y.dtype).reshape(y.size, *y.shape)
        rows = [_gradients(y, [entry], Tensor(e))[0].reshape(-1) for e in basis]
        if not rows:
            return Tensor(xp(y._data).zeros(y.shape + entry.shape, dtype=y.dtype))
        return _release(REGISTRY["concat"](rows).reshape(y.shape + entry.shape), start)


def value_and_divergence(fn: Callable[[Tensor], Tensor], x: ArrayLike) -> tuple[Tensor, Tensor]:
    """`fn(x)` and its divergence, for a vector field on examples (N, ...) none of which sees another.

    Returns:
        The field, of x's shape, and sum_i d fn_i / d x_i for each example, (N,); one vjp per entry of an example.

    Raises:
        ValueError: the field is of another shape than x.
    """
    start = _start()
    with recording(True):
        entry = _entry(x)
        y = fn(entry)
        if y.shape != entry.shape:
            raise ValueError(f"the divergence needs a field of x's shape {entry.shape}, this one has {y.shape}")
        n = y.shape[0]
        total = Tensor(xp(y._data).zeros(n, dtype=y.dtype))
        for i in range(y.size // max(n, 1)):
            unit = xp(y._data).zeros((n, y.size // n), dtype=y.dtype)
            unit[:, i] = 1.0
            total = total + _gradients(y, [entry], Tensor(unit.reshape(y.shape)))[0].reshape(n, -1)[:, i]
        return _release(y, start), _release(total, start)


def hessian(fn: Callable[[Tensor], Tensor], x: ArrayLike) -> Tensor:
    """The second derivatives of a scalar `fn` at `x`, of shape `x.shape + x.shape`."""

    def gradient(z: Tensor) -> Tensor:
        return _gradients(_scalar(fn(z), "hessian"), [z], None)[0]

    return jacobian(gradient, x)


def hvp(fn: Callable[[Tensor], Tensor], x: ArrayLike, v: ArrayLike) -> Tensor:
    """The Hessian of a scalar `fn` at `x` times `v`, of x's shape, without forming the matrix."""
    start = _start()
    with recording(True):
        entry = _entry(x)
        direction = as_tensor(v if isinstance(v, Tensor) else asarray(v, entry.dtype))
        if direction.shape != entry.shape:
            raise ValueError(f"v has shape {direction.shape}, x has {entry.shape}: they must be equal")
        gradient = _gradients(_scalar(fn(entry), "hvp"), [entry], None)[0]
        return _release(_gradients((gradient * direction).sum(), [entry], None)[0], start)


def _scalar(y: Tensor, who: str) -> Tensor:
    if y.size != 1:
        raise ValueError(f"{who} needs a function with one value, this one gave shape {y.shape}")
    return y.reshape(())


def stop_gradient(x: ArrayLike) -> Tensor:
    """`x` as a constant: the same values, no gradient."""
    return as_tensor(x).detach()

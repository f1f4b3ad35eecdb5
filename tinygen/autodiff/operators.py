"""`a * b`, `-a`, `a.tanh()`: operations as methods of tensors.

A method is a call that was written for it (call.py), with no object in between; of an operator, one that gives
`NotImplemented`, as Python's protocol asks, where the other side is no number and no array. It is written when it is
called for the first time. Held by tests/autodiff/test_operators.py.
"""

from collections.abc import Callable, Sequence
from typing import Any

from tinygen.autodiff.call import is_operand, written
from tinygen.autodiff.primitive import Primitive
from tinygen.tensor import Tensor


def method(name: str, op: Callable[..., Any]) -> None:
    """`x.name(...)` as `op(x, ...)`."""
    _set(name, op if not isinstance(op, Primitive) else _later(name, op, None, False))


def operator(name: str, op: Callable[..., Any], reflected: bool = False) -> None:
    """`x.name(other)` as `op(x, other)`; `reflected`, as `op(other, x)`."""
    if isinstance(op, Primitive):
        _set(name, _later(name, op, (1, 0) if reflected else (0, 1), True))
    elif reflected:
        _set(name, lambda self, other: op(other, self) if is_operand(other) else NotImplemented)
    else:
        _set(name, lambda self, other: op(self, other) if is_operand(other) else NotImplemented)


def _set(name: str, function: Callable[..., Any]) -> None:
    setattr(Tensor, name, function)


def _later(name: str, op: Primitive, order: Sequence[int] | None, operator: bool) -> Callable[..., Any]:
    def first(*args: Any, **kwargs: Any) -> Any:
        call = written(op, order, operator)
        _set(name, call)
        return call(*args, **kwargs)

    return first

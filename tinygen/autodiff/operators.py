"""`a * b` where both are what they nearly always are: the engine's shortest way from an operator to a node.

`Primitive.__call__` takes anything: lists, integers, NumPy's arrays, symbols, bfloat16, arrays so large that they are
shared out among threads. An operator between two tensors of one floating dtype, or between one and a number, needs none
of this looked for; on tiny arrays that takes longer than the arithmetic. Whatever else an operator meets goes there.

Held by tests/autodiff/test_operators.py: the same values, nodes and errors either way.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from tinygen.autodiff import guard
from tinygen.autodiff.primitive import Primitive, recorded
from tinygen.autodiff.tape import Node, mode
from tinygen.kernels.definitions.arithmetic import LARGE
from tinygen.tensor import Tensor, float32, float64

Method = Callable[[Tensor, Any], Any]


def operators(op: Callable[..., Any]) -> tuple[Method, Method]:
    """The methods of tensors that give `op(self, other)` and, reflected, `op(other, self)`; `NotImplemented`, as
    Python's protocol asks, for what is no number and no array."""

    def general(self: Tensor, other: Any) -> Any:
        return op(self, other) if _is_operand(other) else NotImplemented

    def reflected(self: Tensor, other: Any) -> Any:
        return op(other, self) if _is_operand(other) else NotImplemented

    if not isinstance(op, Primitive) or not op.elementwise or [r.positions for r in op.rules] != [(0,), (1,)]:
        return general, reflected
    of_both, of_a, of_b = (_kept(op, used) for used in ((True, True), (True, False), (False, True)))
    with_output = op.output is not None

    def between(a: Tensor, b: Any) -> Any:
        x, node = a._data, a._node
        dtype = x.dtype
        if dtype is not float32 and dtype is not float64:
            return general(a, b)
        if isinstance(b, Tensor):
            y, other = b._data, b._node
            alike = y.dtype is dtype and y.size < LARGE
        else:
            y, other = b, None
            alike = type(b) is float or type(b) is int
        if not alike or x.size >= LARGE or mode.anomaly:
            return general(a, b)
        try:
            out = op.forward(x, y)
        except ValueError:
            return op(a, b)  # which explains
        return placed(a, b, node, other, out)

    def after_number(b: Tensor, a: Any) -> Any:
        y, other = b._data, b._node
        dtype = y.dtype
        if (type(a) is not float and type(a) is not int) or (dtype is not float32 and dtype is not float64):
            return reflected(b, a)
        if y.size >= LARGE or mode.anomaly:
            return reflected(b, a)
        return placed(a, b, None, other, op.forward(a, y))

    def placed(a: Any, b: Any, node: Node | None, other: Node | None, out: Any) -> Tensor:
        if type(out) is not ndarray and isinstance(out, np.generic):
            out = np.asarray(out)
        result = Tensor(out)
        if (node is not None or other is not None) and mode.recording:
            kept = of_a if other is None else of_b if node is None else of_both
            if kept is None:
                saved: tuple[Any, ...] = ()
            else:
                saved = (a if kept[0] else None, b if kept[1] else None)
                if with_output:
                    saved = (*saved, out if kept[2] else None)
            result._node = (recorded if guard.exposed else Node)(op, (node, other), saved, out)
        return result

    return between, after_number


def _kept(op: Primitive, used: tuple[bool, bool]) -> tuple[bool, bool, bool] | None:
    """Whether a node retains a, b and the output where the rules `used` are in use; None: nothing of these."""
    sources = op.sources(used)
    kept = (0 in sources.arguments, 1 in sources.arguments, sources.output is not None)
    return kept if any(kept) else None


def _is_operand(value: Any) -> bool:
    return isinstance(value, _OPERANDS) or hasattr(value, "dtype")


_OPERANDS = (Tensor, float, int, bool)

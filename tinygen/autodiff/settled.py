"""What an operation is given where that is not the usual (call.py): integers, lists, NumPy's arrays, bfloat16, symbols,
arrays so large that they are shared out among threads; and what it does then.

Held by tests/ops/test_call.py and tests/autodiff/test_primitive.py.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygen.autodiff import anomaly
from tinygen.autodiff.arguments import NUMBERS, beside_bfloat16, nodes_of, promoted
from tinygen.autodiff.mixed_precision import widened
from tinygen.autodiff.tape import mode
from tinygen.kernels.array_module import bfloat16, is_bfloat16
from tinygen.kernels.definitions.arithmetic import LARGE
from tinygen.tensor import Tensor, float32, float64

if TYPE_CHECKING:
    from tinygen.autodiff.primitive import Primitive


def settled(op: "Primitive", args: tuple[Any, ...]) -> Any:
    """The arrays that the forward of `op` computes with, the nodes of arguments that carry a gradient, and the forward;
    or the result, where other operations give it."""
    raw = [value._data if isinstance(value, Tensor) else value for value in args]
    dtypes = [array.dtype for array, value in zip(raw, args) if array is not value]
    narrow = any(map(is_bfloat16, dtypes))
    if not _is_ready(op, args, dtypes):
        if mode.tracer is not None:
            return mode.tracer(op, args)
        wide = widened(op.name, op.elementwise, args) if narrow else None
        if wide is not None:
            return op(*wide)
        raw = promoted(raw, op.tensor_positions) if op.elementwise else op.arrays(args, raw)
        if narrow and op.elementwise:
            raw = beside_bfloat16(raw, op.tensor_positions)
    nodes = [args[i]._node if isinstance(args[i], Tensor) else nodes_of(args[i]) for i in op.tensor_positions]
    return *raw, *nodes, _forward(op, raw, narrow)


def _is_ready(op: "Primitive", args: tuple[Any, ...], dtypes: list[Any]) -> bool:
    """Whether there are floating tensors, and parameters where these may be."""
    if not dtypes or any(dtype is not float32 and dtype is not float64 for dtype in dtypes):
        return False
    others = [(i, value) for i, value in enumerate(args) if not isinstance(value, Tensor)]
    if op.elementwise:
        return all(type(value) in NUMBERS for _, value in others)
    return all(value is None or (type(value) in _STATIC and i not in op.tensor_positions) for i, value in others)


_STATIC = (*NUMBERS, tuple)


def _forward(op: "Primitive", raw: list[Any], narrow: bool) -> Any:
    """The forward of `op`: on every thread, rounded to bfloat16, looked at for anomalies, where that is due."""
    large = op.scalar is not None and any(type(a) is np.ndarray and a.dtype is float32 and a.size >= LARGE for a in raw)
    compute = op.on_large if large else op.forward
    if not ((narrow and op.elementwise) or mode.anomaly):
        return compute

    def forward(*arrays: Any) -> Any:
        out = compute(*arrays)
        if mode.anomaly:
            anomaly.check_value(op.name, getattr(out, "y", out))
        if narrow and op.elementwise and out.dtype.kind == "f":
            out = out.astype(bfloat16())  # a number stood beside it
        return out

    return forward

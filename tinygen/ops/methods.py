"""Operators and methods of `Tensor`: the functions of this floor under their other names, bound once."""

from functools import lru_cache
from typing import Any

from tinygen.autodiff.operators import method, operator
from tinygen.ops import comparison as c
from tinygen.ops import elementwise as e
from tinygen.ops import indexing, linalg, reduction
from tinygen.ops import manipulation as m
from tinygen.ops import trigonometry as t
from tinygen.tensor import Tensor

BINARY = {
    "add": e.add,
    "sub": e.subtract,
    "mul": e.multiply,
    "truediv": e.divide,
    "floordiv": e.floor_divide,
    "mod": e.remainder,
    "pow": e.power,
    "matmul": linalg.matmul,
    "and": c.bitwise_and,
    "or": c.bitwise_or,
    "xor": c.bitwise_xor,
    "lshift": c.bitwise_left_shift,
    "rshift": c.bitwise_right_shift,
}
COMPARISONS = {
    "eq": c.equal,
    "ne": c.not_equal,
    "lt": c.less,
    "le": c.less_equal,
    "gt": c.greater,
    "ge": c.greater_equal,
}
UNARY = {"neg": e.negative, "pos": e.positive, "abs": e.abs, "invert": c.bitwise_invert}

METHODS = [
    *(e.exp, e.log, e.sqrt, e.abs, e.tanh, e.sigmoid, e.clip, e.square, t.sin, t.cos, e.relu, e.sign),
    *(e.floor, e.ceil, e.round, c.isnan, c.isfinite, e.log1p, e.expm1),
    *(
        reduction.sum,
        reduction.mean,
        reduction.max,
        reduction.min,
        reduction.var,
        reduction.std,
        reduction.prod,
    ),
    *(
        reduction.any,
        reduction.all,
        reduction.argmax,
        reduction.argmin,
        reduction.cumsum,
        reduction.logsumexp,
    ),
    *(m.squeeze, m.flatten, m.astype, m.to, m.flip),
]


def reshape(self: Tensor, *shape: Any) -> Tensor:
    """The same entries in another shape, given as sizes or as one tuple."""
    return m.reshape(self, shape[0] if len(shape) == 1 else shape)


def permute(self: Tensor, *axes: Any) -> Tensor:
    """The dimensions in another order, given as axes or as one tuple."""
    return m.permute_dims(self, axes[0] if len(axes) == 1 and isinstance(axes[0], tuple | list) else axes)


@lru_cache(maxsize=64)
def _backwards(ndim: int) -> tuple[int, ...]:
    return tuple(range(ndim))[::-1]


def transposed(self: Tensor) -> Tensor:
    """The dimensions in reverse order."""
    return m.permute_dims(self, _backwards(self._data.ndim))


for _name, _function in BINARY.items():
    operator(f"__{_name}__", _function)
    operator(f"__r{_name}__", _function, reflected=True)
for _name, _function in COMPARISONS.items():
    operator(f"__{_name}__", _function)
for _name, _function in UNARY.items():
    method(f"__{_name}__", _function)
for _function in METHODS:
    method(getattr(_function, "name", _function.__name__), _function)
Tensor.reshape = reshape  # type: ignore[method-assign]
Tensor.permute = permute  # type: ignore[method-assign]
Tensor.transpose = lambda self, axis0, axis1: m.swapaxes(self, axis0, axis1)  # type: ignore[method-assign]
Tensor.T = property(transposed)  # type: ignore[assignment]
Tensor.mT = property(m.matrix_transpose)  # type: ignore[assignment, arg-type]
Tensor.__getitem__ = lambda self, index: indexing.getitem(self, index)  # type: ignore[method-assign]
Tensor.__setitem__ = indexing.setitem  # type: ignore[method-assign]

"""bfloat16 in operations, and the switch of mixed precision: what takes bfloat16, and what gives it.

bfloat16 is the upper half of a float32: its range, with 8 bits of significand, so that rounding changes a number by
2^-8 of its size at most (Kalamkar et al. 2019, "A study of BFLOAT16 for deep learning training"). It halves memory and
its traffic; arithmetic is in float32 or wider, and an operation rounds once, at its end. What an operation makes of it
does not depend on the switch:

    KEPT         give bfloat16 for bfloat16; where float32 or float64 stands beside it, all is computed in that
    all others   take it as float32 and give float32: sums, exp and log, softmax, losses, determinants

Within `mixed_precision()` the LAYERS, which do most of the work of a network and make most of its activations, take
bfloat16 copies of their float32 arguments. Parameters, their gradients and the optimiser's moments stay float32: the
copy is an operation, and its gradient comes back in its argument's dtype. Losses need no scaling against underflow, as
they do with float16: bfloat16 has the exponents of float32. A plain product (`tg.matmul`, `@`) is no layer: densities,
distances and covariances are made of it.

Held by tests/autodiff/test_mixed_precision.py.
"""

from collections.abc import Sequence
from contextlib import ContextDecorator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygen.autodiff.tape import mode
from tinygen.kernels.array_module import arithmetic, bfloat16, is_bfloat16

if TYPE_CHECKING:
    from tinygen.tensor import Tensor

LAYERS = frozenset(["linear", "conv2d", "conv_transpose2d", "scaled_dot_product_attention"])
KEPT = frozenset(
    [
        *("matmul", "linear", "conv2d", "conv_transpose2d", "conv2d_weight", "attention"),
        *("batch_norm", "group_norm", "layer_norm", "rms_norm"),
        *("add", "subtract", "multiply", "divide", "negative", "positive", "abs", "maximum", "minimum"),
        *("where", "scaled_where"),
        *("relu", "leaky_relu", "elu", "silu", "gelu", "sigmoid", "tanh", "gate"),
        *("astype", "alias", "_to_device", "reshape", "permute_dims", "broadcast_to", "concat"),
        *("flip", "roll", "_pad_constant", "_getitem", "scatter_add", "take", "add_taken"),
        *("sum_windows", "spread_windows"),
    ]
)


class mixed_precision(ContextDecorator):
    """Within the block layers compute with bfloat16 copies of their arguments; with `on=False` they do not.

    Only the forward pass looks at it: the backward pass runs in the dtypes that were recorded.

    >>> with tg.mixed_precision():
    ...     loss, _ = model.loss(batch, rng)
    >>> loss.backward()
    """

    def __init__(self, on: bool = True):
        self._on = on
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(mode.mixed)
        mode.mixed = self._on

    def __exit__(self, *error: Any) -> None:
        mode.mixed = self._before.pop()

    def _recreate_cm(self) -> "mixed_precision":
        return mixed_precision(self._on)  # a decorated function may run in several threads


def operands(who: str, *tensors: Any) -> "Sequence[Tensor]":
    """The tensors (a None stays) in the one dtype in which the layer or product `who` takes them.

    Raises:
        TypeError: float32 beside float64, which is a mistake, not a wish; names the dtypes.
    """
    first = tensors[0].dtype
    alike = True
    for t in tensors:
        if t is not None and t.dtype is not first and t.dtype != first:
            alike = False
    if mode.mixed and who in LAYERS and all(t is None or arithmetic(t.dtype) == np.float32 for t in tensors):
        return [as_dtype(t, bfloat16()) for t in tensors]
    if alike:
        return tensors
    same_arithmetic(who, *tensors)
    real = arithmetic(first)
    return [as_dtype(t, real) for t in tensors]


def same_arithmetic(who: str, *arrays: Any) -> None:
    """bfloat16 counts as float32.

    Raises:
        TypeError: dtypes that are computed differently; names them.
    """
    present = [a for a in arrays if a is not None]
    if any(arithmetic(a.dtype) != arithmetic(present[0].dtype) for a in present):
        found = " and ".join(sorted({str(a.dtype) for a in present}))
        raise TypeError(f'{who}: dtypes {found} are mixed; convert one, as in x.to("float32")')


def as_dtype(x: Any, dtype: Any) -> Any:
    """The tensor `x` in `dtype`; itself where it is, as is None."""
    return x if x is None or x.dtype == dtype else x.astype(dtype)


def widened(name: str, elementwise: bool, args: Sequence[Any]) -> list[Any] | None:
    """The arguments of operation `name`, some of them bfloat16, as it takes them; None: as they are."""
    if name in KEPT and not ((elementwise or name == "concat") and _has_wider(args)):
        return None
    return [_wide(value) for value in args]


def _has_wider(args: Sequence[Any]) -> bool:
    """Whether a float32 or float64 array is there."""
    for value in args:
        if _has_wider(value) if isinstance(value, list | tuple) else getattr(value, "dtype", bool) in _WIDER:
            return True
    return False


_WIDER = (np.float32, np.float64)


def _wide(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)([_wide(v) for v in value])
    return value.astype(np.float32) if hasattr(value, "dtype") and is_bfloat16(value.dtype) else value

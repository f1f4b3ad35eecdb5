"""`Tensor`: an array and, when it carries a gradient, its place on the tape.

Operators and methods such as `x + y` or `x.sum()` are the functions of `tinygen.ops`, attached there once
(`tinygen/ops/methods.py`); this file holds only what a tensor is.
"""

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np

from tinygen.autodiff import guard
from tinygen.autodiff.tape import Node
from tinygen.device import Device, device, device_of, transfer
from tinygen.kernels.array_module import bfloat16, is_bfloat16

ArrayLike: TypeAlias = Union["Tensor", np.ndarray, float, int, bool]
DTypeLike: TypeAlias = Any

float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)


class Tensor:
    """An n-dimensional array that operations can be recorded on.

    Made by `tg.tensor`, the functions that create arrays, and operations. `Tensor(array)` wraps without a copy and is
    for code inside the project: who wraps an array says that nobody else writes into it, and nobody looks whether it
    changed, wherever the tensor stands.
    """

    __slots__ = ("__weakref__", "_data", "_node", "grad")
    __array_priority__ = 1000  # NumPy leaves mixed operators to us
    __array_ufunc__ = None

    def __init__(self, data: Any, requires_grad: bool = False):
        self._data = data
        self._node: Node | None = None
        self.grad: Tensor | None = None
        if requires_grad:
            self.requires_grad = True

    # -- what it is ------------------------------------------------------------------------------------------

    @property
    def data(self) -> Any:
        """The array's own memory (NumPy or CuPy), not a copy. Writing into it after it was recorded is found out."""
        return guard.lend(self._data)

    @data.setter
    def data(self, value: Any) -> None:
        array = value._data if isinstance(value, Tensor) else asarray(value)
        if array.shape != self.shape or array.dtype != self.dtype:
            raise ValueError(
                f"data of shape {array.shape} and dtype {array.dtype} cannot replace "
                f"shape {self.shape} and dtype {self.dtype}"
            )
        self._assign(array)

    def _assign(self, array: Any) -> None:
        """Writes `array` into this tensor's memory; graphs that recorded it become stale."""
        self._data[...] = transfer(array, self.device) if hasattr(array, "shape") else array
        guard.written(self._data)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def dtype(self) -> np.dtype:
        return self._data.dtype

    @property
    def device(self) -> Device:
        return device_of(self._data)

    # -- gradients -------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded; settable on tensors that no operation made."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        if on == (self._node is not None):
            return
        if not on:
            if not self.is_leaf:
                raise ValueError(f"requires_grad is fixed on the result of {self._node.name}; use detach()")  # type: ignore[union-attr]
            self._node = None
            return
        if self.dtype.kind not in "fV":
            raise TypeError(f"a tensor of dtype {self.dtype} carries no gradient: only floating dtypes do")
        node = Node(None, (), (), self._data)
        node.leaf = weakref.ref(self)
        self._node = node

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return self._node is None or self._node.op is None

    def detach(self) -> "Tensor":
        """The same array without its history; memory is shared."""
        return Tensor(self._data)

    # -- conversions -----------------------------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array: the tensor's own memory on the CPU, a copy from a device."""
        if isinstance(self._data, np.ndarray):
            return self.data
        return transfer(self._data, device("cpu"))

    def item(self) -> Any:
        """The value of a one-element tensor as a Python number.

        Raises:
            ValueError: more or fewer than one element.
        """
        if self.size != 1:
            raise ValueError(f"item() needs a tensor of one element, this one has shape {self.shape}")
        return self._data.item()

    def tolist(self) -> Any:
        return self._data.tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        host = transfer(self._data, device("cpu"))
        if copy or (dtype is not None and host.dtype != dtype):
            if copy is False:
                raise ValueError(f"a tensor of dtype {self.dtype} cannot be seen as {np.dtype(dtype)} without a copy")
            return np.array(host, dtype=dtype)
        view = host.view()
        view.flags.writeable = False
        return view

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.data.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._data.__dlpack_device__()

    # -- Python's protocols ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a tensor of no dimensions has no length")
        return len(self._data)

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"the truth of a tensor of shape {self.shape} is ambiguous: use tg.any or tg.all")
        return bool(self._data)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"a tensor of dtype {self.dtype} cannot be used as an index: only integers can")
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 and spec else str(self)

    def __hash__(self) -> int:
        return id(self)

    def __copy__(self) -> "Tensor":
        return self.__deepcopy__({})

    def __deepcopy__(self, memo: Any) -> "Tensor":
        if not self.is_leaf:
            raise TypeError(f"only tensors that no operation made can be copied, not a result of {self._node.name}")  # type: ignore[union-attr]
        twin = type(self)(self._data.copy())
        twin.requires_grad = self.requires_grad
        return twin

    def __reduce__(self) -> Any:
        if not self.is_leaf:
            raise TypeError("only tensors that no operation made can be pickled: use detach()")
        return _unpickled, (type(self), np.asarray(self), self.requires_grad)

    def __repr__(self) -> str:
        values = np.asarray(self)
        shown = values.astype(float32) if is_bfloat16(values.dtype) else values
        body = np.array2string(shown, separator=", ", prefix="tensor(", threshold=100, precision=6)
        extra = "" if self.dtype in (float32, np.dtype(np.int64), np.dtype(bool)) else f", dtype={self.dtype}"
        if self.device != "cpu":
            extra += f', device="{self.device}"'
        if self._node is not None:
            extra += ", requires_grad=True" if self.is_leaf else f", made by {self._node.name}"
        return f"tensor({body}{extra})"

    if TYPE_CHECKING:  # attached by tinygen/ops/methods.py and tinygen/autodiff/backward.py
        T: "Tensor"
        mT: "Tensor"

        def backward(self, grad: "ArrayLike | None" = None) -> None: ...
        def to(self, target: Any) -> "Tensor": ...
        def astype(self, dtype: DTypeLike) -> "Tensor": ...
        def __add__(self, other: ArrayLike) -> "Tensor": ...
        def __radd__(self, other: ArrayLike) -> "Tensor": ...
        def __sub__(self, other: ArrayLike) -> "Tensor": ...
        def __rsub__(self, other: ArrayLike) -> "Tensor": ...
        def __mul__(self, other: ArrayLike) -> "Tensor": ...
        def __rmul__(self, other: ArrayLike) -> "Tensor": ...
        def __truediv__(self, other: ArrayLike) -> "Tensor": ...
        def __rtruediv__(self, other: ArrayLike) -> "Tensor": ...
        def __floordiv__(self, other: ArrayLike) -> "Tensor": ...
        def __rfloordiv__(self, other: ArrayLike) -> "Tensor": ...
        def __mod__(self, other: ArrayLike) -> "Tensor": ...
        def __rmod__(self, other: ArrayLike) -> "Tensor": ...
        def __pow__(self, other: ArrayLike) -> "Tensor": ...
        def __rpow__(self, other: ArrayLike) -> "Tensor": ...
        def __matmul__(self, other: ArrayLike) -> "Tensor": ...
        def __rmatmul__(self, other: ArrayLike) -> "Tensor": ...
        def __neg__(self) -> "Tensor": ...
        def __pos__(self) -> "Tensor": ...
        def __abs__(self) -> "Tensor": ...
        def __invert__(self) -> "Tensor": ...
        def __and__(self, other: ArrayLike) -> "Tensor": ...
        def __rand__(self, other: ArrayLike) -> "Tensor": ...
        def __or__(self, other: ArrayLike) -> "Tensor": ...
        def __ror__(self, other: ArrayLike) -> "Tensor": ...
        def __xor__(self, other: ArrayLike) -> "Tensor": ...
        def __rxor__(self, other: ArrayLike) -> "Tensor": ...
        def __lshift__(self, other: ArrayLike) -> "Tensor": ...
        def __rshift__(self, other: ArrayLike) -> "Tensor": ...
        def __eq__(self, other: object) -> "Tensor": ...  # type: ignore[override]
        def __ne__(self, other: object) -> "Tensor": ...  # type: ignore[override]
        def __lt__(self, other: ArrayLike) -> "Tensor": ...  # type: ignore[misc]
        def __le__(self, other: ArrayLike) -> "Tensor": ...  # type: ignore[misc]
        def __gt__(self, other: ArrayLike) -> "Tensor": ...  # type: ignore[misc]
        def __ge__(self, other: ArrayLike) -> "Tensor": ...  # type: ignore[misc]
        def __getitem__(self, index: Any) -> "Tensor": ...
        def __setitem__(self, index: Any, value: ArrayLike) -> None: ...
        def sum(self, axis: Any = None, keepdims: bool = False) -> "Tensor": ...
        def mean(self, axis: Any = None, keepdims: bool = False) -> "Tensor": ...
        def max(self, axis: Any = None, keepdims: bool = False) -> "Tensor": ...
        def min(self, axis: Any = None, keepdims: bool = False) -> "Tensor": ...
        def var(self, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> "Tensor": ...
        def std(self, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> "Tensor": ...
        def prod(self, axis: Any = None, keepdims: bool = False) -> "Tensor": ...
        def any(self, axis: Any = None, keepdims: bool = False) -> "Tensor": ...
        def all(self, axis: Any = None, keepdims: bool = False) -> "Tensor": ...
        def argmax(self, axis: Any = None, keepdims: bool = False) -> "Tensor": ...
        def argmin(self, axis: Any = None, keepdims: bool = False) -> "Tensor": ...
        def reshape(self, *shape: Any) -> "Tensor": ...
        def permute(self, *axes: Any) -> "Tensor": ...
        def transpose(self, axis0: int, axis1: int) -> "Tensor": ...
        def squeeze(self, axis: Any = None) -> "Tensor": ...
        def flatten(self, start_dim: int = 0, end_dim: int = -1) -> "Tensor": ...
        def exp(self) -> "Tensor": ...
        def log(self) -> "Tensor": ...
        def sqrt(self) -> "Tensor": ...
        def abs(self) -> "Tensor": ...
        def tanh(self) -> "Tensor": ...
        def sigmoid(self) -> "Tensor": ...
        def clip(self, min: Any = None, max: Any = None) -> "Tensor": ...


def named(dtype: Any) -> Any:
    """`dtype`; by its name bfloat16 too, which NumPy does not know until it is asked for here."""
    return bfloat16() if type(dtype) is str and dtype == "bfloat16" else dtype


def asarray(value: Any, dtype: DTypeLike = None) -> Any:
    """`value` as a raw array: Python floats become float32, arrays keep their dtype; arrays are not copied."""
    dtype = named(dtype)
    if isinstance(value, Tensor):
        value = value._data
    if hasattr(value, "dtype"):
        array = value if type(value).__module__.partition(".")[0] == "cupy" else np.asarray(value)
        return _with_our_dtype(array if dtype is None else array.astype(dtype, copy=False))
    if isinstance(value, list | tuple):
        value = _nested(value)
    try:
        array = np.asarray(value, dtype=dtype)
    except (ValueError, TypeError) as error:
        raise type(error)(f"cannot make a tensor of {type(value).__name__}: {error}") from None
    if array.dtype.kind not in "fiub" and not is_bfloat16(array.dtype):
        raise TypeError(f"cannot make a tensor of {type(value).__name__}: dtype {array.dtype} is not a number or bool")
    if dtype is None and array.dtype == float64 and not _holds_float64(value):
        array = array.astype(float32)
    return array


def _with_our_dtype(array: Any) -> Any:
    """The same array; what was pickled has a dtype that only equals float32, and calls ask for that very object."""
    for dtype in (float32, float64):
        if array.dtype is not dtype and array.dtype == dtype:
            return array.view(dtype)
    return array


def _unpickled(kind: type[Tensor], array: Any, requires_grad: bool) -> Tensor:
    return kind(_with_our_dtype(array), requires_grad)


def is_of_caller(array: Any, x: Any) -> bool:
    """Whether what `asarray` made of x is on x's own memory."""
    return array is x or (hasattr(x, "dtype") and array.base is not None)


def as_tensor(x: ArrayLike) -> Tensor:
    """`x` itself when it is a tensor, else a tensor without gradient on the same values.

    A NumPy array stays the caller's, who may change it: it is watched from here on, as are views of it.
    """
    if isinstance(x, Tensor):
        return x
    array = asarray(x)
    if is_of_caller(array, x):
        guard.expose(array)
    return Tensor(array)


def _nested(value: Sequence[Any]) -> Any:
    """Nested lists with the tensors in them as arrays."""
    return [_nested(v) if isinstance(v, list | tuple) else np.asarray(v) if isinstance(v, Tensor) else v for v in value]


def _holds_float64(value: Any) -> bool:
    """Whether nested lists hold a NumPy float64, which asks for double precision as a Python float does not."""
    if isinstance(value, list | tuple):
        return any(_holds_float64(v) for v in value)
    return isinstance(value, np.ndarray | np.generic) and value.dtype == float64


def tensor(
    data: Any, dtype: DTypeLike = None, device: "str | Device | None" = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of `data`.

    Args:
        data: numbers, nested lists, NumPy or CuPy arrays, tensors.
        dtype: NumPy's or its name; by default Python floats give float32 and arrays keep their dtype.
        device: "cpu", "cuda", ...; by default where an array already is, else `tg.device(None)`.
        requires_grad: whether operations on it are recorded.

    Raises:
        TypeError: data that is not numbers, or a gradient asked of an integer or boolean dtype.
    """
    from tinygen.device import device as find_device

    array = asarray(data, dtype)
    if device is not None or not hasattr(data, "dtype"):
        array = transfer(array, find_device(device))
    return Tensor(array.copy(), requires_grad)


def from_dlpack(x: Any) -> Tensor:
    """A tensor on the memory of any array that speaks DLPack; no copy."""
    if isinstance(x, Tensor):
        return x.detach()
    if x.__dlpack_device__()[0] == 2:  # kDLCUDA
        import cupy

        array = cupy.from_dlpack(x)
    else:
        array = np.from_dlpack(x)
    guard.expose(array)  # whoever made it can write into it
    return Tensor(array)

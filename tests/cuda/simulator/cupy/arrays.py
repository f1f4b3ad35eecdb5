"""`cupy.ndarray` and CuPy's functions, made of NumPy's: what CuPy refuses is refused, what it waits for is counted.

Unlike what `everywhere` gives the kernels these are no NumPy arrays. An array of the host beside one in an operation,
or NumPy asked to convert one, is the TypeError that CuPy raises. A value that is looked at is a read, for which the
host waits: `SESSION.reads` counts them. Every operation goes through `SESSION.stream`, which runs it, or records it
(graph.py). Held by test_simulated_cupy.py.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from simulator.cupy.graph import SESSION, Fault


class ndarray:
    """An array of the simulated device. One that owns its memory has no `base`; a view's base is its owner."""

    __array_priority__ = 100
    __slots__ = ("__weakref__", "_host", "base")

    def __init__(self, host: np.ndarray, base: "ndarray | None" = None):
        self._host, self.base = host, base

    # -- what is known without the values

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    strides = property(lambda self: self._host.strides)
    flags = property(lambda self: self._host.flags)
    T = property(lambda self: self.transpose())
    device = property(lambda self: SESSION.device)
    data = property(lambda self: _Pointer(self._host.ctypes.data))

    def __len__(self) -> int:
        return len(self._host)

    # -- what the host waits for

    def get(self, stream: Any = None) -> np.ndarray:
        SESSION.read()
        return self._host.copy()

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.get())

    def __index__(self) -> int:
        return self.get().__index__()

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct one.")

    def __repr__(self) -> str:
        return f"simulated {self.dtype} {self.shape}"

    # -- operations

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
        return call(ufunc if method == "__call__" else getattr(ufunc, method), args, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call(function, args, kwargs)

    def __getitem__(self, index: Any) -> "ndarray":
        for part in index if isinstance(index, tuple) else (index,):
            if isinstance(part, np.ndarray | list):
                SESSION.upload()  # CuPy copies an index of the host
            elif isinstance(part, ndarray) and part.dtype == bool:
                SESSION.read()  # how many are chosen
        return call(lambda x, i: x[i], (self, index), {}, hosts=True)

    def __setitem__(self, index: Any, value: Any) -> None:
        if isinstance(value, np.ndarray):
            raise TypeError(f"Unsupported type {type(value)}")

        def write(x: np.ndarray, i: Any, v: Any) -> None:
            x[i] = v

        raw = unwrapped((self, index, value))
        SESSION.stream.run(lambda: write(*raw), [self, index, value])

    def fill(self, value: Any) -> None:
        self[...] = value

    def set(self, host: np.ndarray, stream: Any = None) -> None:
        SESSION.upload(stream, pinned=False)
        if host.shape != self.shape or host.dtype != self.dtype:
            raise ValueError(f"set: {host.dtype} {host.shape} into {self.dtype} {self.shape}")
        self._host[...] = host

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))


class _Pointer:
    def __init__(self, address: int) -> None:
        self.ptr = address


def unwrapped(value: Any) -> Any:
    """`value` with NumPy arrays in place of the device's, in lists, tuples, slices and dicts too."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, list | tuple):
        return type(value)(map(unwrapped, value))
    return {k: unwrapped(v) for k, v in value.items()} if isinstance(value, dict) else value


def operands(value: Any) -> list[ndarray]:
    """The device's arrays in `value`."""
    if isinstance(value, ndarray):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [array for v in inner for array in operands(v)]


def check_no_host_array(value: Any) -> None:
    """CuPy computes with its own arrays and with scalars."""
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        check_no_host_array(inner)


def call(function: Callable[..., Any], args: Any, kwargs: dict[str, Any], hosts: bool = False) -> Any:
    """One operation of CuPy: `function` of NumPy on what the device's arrays hold; new arrays, or views."""
    if not hosts:
        check_no_host_array(args)
        check_no_host_array(kwargs)
    inputs, raw, options = operands((args, kwargs)), unwrapped(tuple(args)), unwrapped(kwargs)
    out = kwargs.get("out")
    if out is not None or getattr(function, "__name__", "") in WRITES:
        SESSION.stream.run(lambda: function(*raw, **options), inputs)
        return out[0] if isinstance(out, tuple) else out
    with np.errstate(all="ignore"):
        result = function(*raw, **options)
    if isinstance(result, tuple | list):
        parts = [_made(r, lambda i=i: function(*raw, **options)[i], inputs) for i, r in enumerate(result)]
        return type(result)(parts)
    return _made(result, lambda: function(*raw, **options), inputs)


WRITES = {"at", "copyto"}


def _made(result: Any, again: Callable[[], Any], inputs: list[ndarray]) -> Any:
    """The result as an array of the device: a view of an input, or memory of its own."""
    if not isinstance(result, np.ndarray | np.generic):
        return result
    result = np.asarray(result)
    for array in inputs:
        if result.size and np.may_share_memory(result, array._host):
            return ndarray(result, array if array.base is None else array.base)
    made = ndarray(result)
    SESSION.stream.fill(made, result, again, inputs)
    return SESSION.allocate(made)


def _method(name: str) -> Callable[..., Any]:
    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        return call(lambda x, *a, **k: getattr(x, name)(*a, **k), (self, *args), kwargs)

    return method


def _binary(ufunc: np.ufunc, swapped: bool = False, in_place: bool = False) -> Callable[..., Any]:
    def operator(self: ndarray, other: Any) -> Any:
        if in_place:
            return call(ufunc, (self, other), {"out": self})
        return call(ufunc, (other, self) if swapped else (self, other), {})

    return operator


METHODS = (
    "all any argmax argmin argsort astype clip copy cumsum flatten max mean min prod ravel repeat reshape squeeze std "
    "sum swapaxes take transpose var view"
)
for _name in METHODS.split():
    setattr(ndarray, _name, _method(_name))
_OPERATORS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
    "lshift": np.left_shift, "rshift": np.right_shift,
}  # fmt: skip
for _name, _ufunc in _OPERATORS.items():
    setattr(ndarray, f"__{_name}__", _binary(_ufunc))
    setattr(ndarray, f"__r{_name}__", _binary(_ufunc, swapped=True))
    setattr(ndarray, f"__i{_name}__", _binary(_ufunc, in_place=True))
for _name, _ufunc in {"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
                      "ge": np.greater_equal}.items():  # fmt: skip
    setattr(ndarray, f"__{_name}__", _binary(_ufunc))
for _name, _ufunc in {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}.items():
    setattr(ndarray, f"__{_name}__", lambda self, ufunc=_ufunc: call(ufunc, (self,), {}))


def _library(*operands: Any) -> None:
    """What CuPy leaves to cuBLAS and its kin, which it refuses under capture."""
    if SESSION.stream.is_capturing():
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")


def _matmul(self: ndarray, other: Any) -> Any:
    _library()
    return call(np.matmul, (self, other), {})


ndarray.__matmul__ = _matmul  # type: ignore[attr-defined]
ndarray.dot = lambda self, other: (_library(), call(np.dot, (self, other), {}))[1]  # type: ignore[attr-defined]
ndarray.__hash__ = object.__hash__  # type: ignore[assignment]
ndarray.__module__ = "cupy"

__all__ = ["Fault", "call", "ndarray", "unwrapped"]

"""The simulated device as the module `cupy`: `with as_cupy(): ...`, and `import cupy` gives it.

Then `tg.device("cuda")` works, operations run on its arrays (arrays.py), kernels on the fibers of runtime.cpp, and
steps are captured (graph.py).
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from simulator import DEVICE, RawModule
from simulator.cupy import graph as graphs
from simulator.cupy.arrays import _library, call, ndarray, unwrapped
from simulator.cupy.graph import SESSION, Graph, MemoryPool, Stream, poisoned, using_allocator
from tinygen.device import cuda_status

READS = {"nonzero", "flatnonzero", "argwhere", "unique", "bincount", "repeat"}  # how large the result is, is a value
TABLES = {"concatenate", "stack", "hstack", "vstack"}  # a table of addresses, made on the host
LIBRARY = {"matmul", "dot", "einsum", "tensordot", "vdot", "inner"}


class _Ufunc:
    """A ufunc of CuPy."""

    def __init__(self, ufunc: np.ufunc) -> None:
        self._ufunc = ufunc
        self.__name__ = ufunc.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return call(self._ufunc, args, kwargs)

    def at(self, *args: Any) -> None:
        call(self._ufunc.at, args, {})

    def reduce(self, *args: Any, **kwargs: Any) -> Any:
        return call(self._ufunc.reduce, args, kwargs)


class _Linalg:
    def __getattr__(self, name: str) -> Any:
        def function(*args: Any, **kwargs: Any) -> Any:
            _library()
            return call(getattr(np.linalg, name), args, kwargs)

        return function


class _RawModule:
    """`cupy.RawModule`, whose kernels take the device's arrays."""

    def __init__(self, code: str, options: Sequence[str]) -> None:
        self._module = RawModule(code, tuple(options), DEVICE._next_order)

    def get_function(self, name: str) -> Callable[..., None]:
        function = self._module.get_function(name)

        def launch(grid: Any, block: Any, args: Sequence[Any], shared_mem: int = 0) -> None:
            if any(isinstance(a, np.ndarray) for a in args):
                raise TypeError("Unsupported type <class 'numpy.ndarray'>")
            function.max_dynamic_shared_size_bytes = launch.max_dynamic_shared_size_bytes
            raw = unwrapped(tuple(args))
            SESSION.stream.run(lambda: function(grid, block, raw, shared_mem), list(args))

        launch.max_dynamic_shared_size_bytes = function.max_dynamic_shared_size_bytes  # type: ignore[attr-defined]
        return launch


class _Current:
    """`cupy.cuda.Device`: there is one."""

    def __init__(self, index: int) -> None:
        self._index = index

    def use(self) -> None:
        if self._index:
            raise graphs.CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    __enter__ = use

    def __exit__(self, *_: object) -> None: ...


class _Cupy:
    """What the project uses of CuPy."""

    __name__, __version__ = "cupy", "simulated"
    ndarray = ndarray
    linalg = _Linalg()
    RawModule = _RawModule

    def __init__(self) -> None:
        self.cuda = SimpleNamespace(
            Stream=Stream,
            Graph=Graph,
            MemoryPool=MemoryPool,
            using_allocator=using_allocator,
            get_current_stream=lambda: SESSION.stream,
            Device=_Current,
            alloc_pinned_memory=lambda size: None,
            set_pinned_memory_allocator=lambda allocator=None: setattr(SESSION, "pinned", allocator),
            runtime=SimpleNamespace(
                CUDARuntimeError=graphs.CUDARuntimeError,
                getDeviceCount=lambda: 1,
                getDeviceProperties=lambda index: {"name": b"simulated", "major": 9, "minor": 0},
            ),
        )

    def __getattr__(self, name: str) -> Any:
        value = getattr(np, name)
        if isinstance(value, np.ufunc) and name not in LIBRARY:
            return _Ufunc(value)
        if isinstance(value, type) or not callable(value):
            return value

        def function(*args: Any, **kwargs: Any) -> Any:
            if name in LIBRARY:
                _library()
            if name in READS:
                SESSION.read()
            if name in TABLES:
                SESSION.upload()
            return call(value, args, kwargs)

        return function

    def get_default_pinned_memory_pool(self) -> Any:
        return SimpleNamespace(malloc=None)

    def get_default_memory_pool(self) -> Any:
        return SimpleNamespace(free_all_blocks=lambda: setattr(SESSION, "given_back", SESSION.given_back + 1))

    def asnumpy(self, array: Any) -> np.ndarray:
        return array.get() if isinstance(array, ndarray) else np.asarray(array)

    def asarray(self, value: Any, dtype: Any = None) -> ndarray:
        if isinstance(value, ndarray):
            return value if dtype is None else value.astype(dtype, copy=False)
        SESSION.upload()
        return SESSION.allocate(ndarray(np.array(value, dtype)))

    array = asarray

    def empty(self, shape: Any, dtype: Any = np.float64) -> ndarray:
        return self._unwritten(np.empty(shape, dtype))

    def empty_like(self, array: ndarray, dtype: Any = None, shape: Any = None) -> ndarray:
        return self._unwritten(np.empty_like(array._host, dtype, shape=shape))

    def _unwritten(self, host: np.ndarray) -> ndarray:
        made = SESSION.allocate(ndarray(poisoned(host)))
        if SESSION.stream.graph is not None:
            SESSION.stream.graph.own.add(id(made))
            SESSION.alive.append(made)
        return made


CUPY: Any = _Cupy()


@contextmanager
def as_cupy() -> Iterator[graphs.Session]:
    """Within the block `import cupy` is the simulated device; gives its state."""
    cuda_status.cache_clear()
    SESSION.reads = SESSION.uploads = SESSION.given_back = 0
    SESSION.launched = DEVICE.launched = set()
    before, sys.modules["cupy"] = sys.modules.get("cupy"), CUPY
    try:
        yield SESSION
    finally:
        sys.modules.pop("cupy")
        if before is not None:
            sys.modules["cupy"] = before
        SESSION.alive.clear()
        cuda_status.cache_clear()

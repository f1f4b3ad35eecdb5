"""Every block that NumPy asks for, counted: its allocator (NEP 49) with a counter before malloc.

Arrays made here must not outlive the interpreter's functions, so a process that counts ends with `os._exit`.
"""

import ctypes
from typing import Any

import numpy as np

_SET_HANDLER = 304  # PyDataMem_SetHandler in NumPy's table of C functions, since 1.22


class _Allocator(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("context", "malloc", "calloc", "realloc", "free")]


class _Handler(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 127), ("version", ctypes.c_uint8), ("allocator", _Allocator)]


class Counter:
    """Counts from when it is made, for the rest of the process, what this thread's arrays are allocated with."""

    def __init__(self) -> None:
        self.blocks = self.bytes = 0
        libc = ctypes.CDLL(None)
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        for name, arguments in (("malloc", [size]), ("calloc", [size, size]), ("realloc", [pointer, size])):
            getattr(libc, name).restype, getattr(libc, name).argtypes = pointer, arguments
        libc.free.restype, libc.free.argtypes = None, [pointer]

        def malloc(_: Any, count: int) -> Any:
            return self._counted(count, libc.malloc(count))

        def calloc(_: Any, count: int, each: int) -> Any:
            return self._counted(count * each, libc.calloc(count, each))

        def realloc(_: Any, block: int, count: int) -> Any:
            return self._counted(count, libc.realloc(block, count))

        def free(_: Any, block: int, count: int) -> None:
            libc.free(block)

        types = {
            "malloc": ctypes.CFUNCTYPE(pointer, pointer, size),
            "calloc": ctypes.CFUNCTYPE(pointer, pointer, size, size),
            "realloc": ctypes.CFUNCTYPE(pointer, pointer, pointer, size),
            "free": ctypes.CFUNCTYPE(None, pointer, pointer, size),
        }
        functions = {"malloc": malloc, "calloc": calloc, "realloc": realloc, "free": free}
        self._callbacks = {name: types[name](function) for name, function in functions.items()}
        entries = {name: ctypes.cast(callback, pointer).value for name, callback in self._callbacks.items()}
        self._handler = _Handler(b"counting", 1, _Allocator(None, **entries))
        api = ctypes.pythonapi
        api.PyCapsule_New.restype = ctypes.py_object
        api.PyCapsule_New.argtypes = [pointer, ctypes.c_char_p, pointer]
        api.PyCapsule_GetPointer.restype = pointer
        api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
        self._capsule = api.PyCapsule_New(ctypes.addressof(self._handler), b"mem_handler", None)
        table = api.PyCapsule_GetPointer(np._core._multiarray_umath._ARRAY_API, None)  # type: ignore[attr-defined]
        address = ctypes.cast(table, ctypes.POINTER(pointer))[_SET_HANDLER]
        set_handler = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(address)
        self._before = set_handler(self._capsule)

    def _counted(self, count: int, block: Any) -> Any:
        self.blocks += 1
        self.bytes += count
        return block

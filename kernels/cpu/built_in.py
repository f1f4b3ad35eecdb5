"""A compiled function that Python calls as one of its own, as it calls `len`.

What Numba makes for Python looks up which version of a function is meant and turns every argument into a number, which
takes longer than to work on a tiny array. A built-in function is told where the objects are that it is given, and no
more; what it wants to know of them it reads there (arguments.py).

Held by tests/kernels/test_arguments.py.
"""

import ctypes
from typing import Any

from llvmlite import ir
from numba import types

from .compiled import c_function
from .simd import intrinsic

_INT = ir.IntType(64)


class _Definition(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("about", ctypes.c_char_p),
    )


_FASTCALL = 0x80  # its METH_FASTCALL
_kept: list[Any] = []  # what built-in functions are made of


def built_in(function: Any, own: Any) -> Any:
    """`function(own, given, count)` as a built-in function: it is told where `own` is, and `count` addresses of what it
    is called with, which begin at `given`. It returns `none()`, or `type_error(...)`."""
    compiled = c_function(function, types.intp, 3)
    definition = _Definition(function.__name__.encode(), compiled.address, _FASTCALL, None)
    _kept.append((compiled, definition))
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    return make(ctypes.addressof(definition), own, None)


@intrinsic
def none(typing: Any) -> Any:
    """None, for Python."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(context.get_python_api(builder).make_none(), _INT)

    return types.intp(), build


def type_error(text: str) -> Any:
    """A function that raises TypeError with this text, in Python."""

    def function(typing: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            context.get_python_api(builder).err_set_string("PyExc_TypeError", text)
            return ir.Constant(_INT, 0)

        return types.intp(), build

    return intrinsic(function)

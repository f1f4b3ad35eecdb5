"""The arguments of a launch as machine code wants them: looked up in Python's objects by machine code.

A tiny array is worked on in a tenth of a microsecond; Python takes as long to find the address of one array. So a
launch hands over the tuple of its arguments as it is, and what follows reads it: where CPython and NumPy keep the
things that are read has been the same in all their versions, since compiled extensions read them there.

Held by tests/kernels/test_arguments.py.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numpy.typing import NDArray

from tinygen.kernels.cpu.compiled import njit
from tinygen.kernels.cpu.simd import intrinsic

Arguments = tuple[NDArray[Any] | float, ...]
ARRAY = id(np.ndarray)  # the type that arrays have

_INT = ir.IntType(64)

# Where the parts of CPython's and NumPy's objects lie, in bytes: their type at the end of what every object begins
# with; then a float's value; a tuple's length and, last, its entries; an array's data, number of axes (a C int), sizes.
_HEAD = object.__basicsize__
_TYPE, _VALUE = _HEAD - 8, _HEAD
_LENGTH, _ENTRIES = _HEAD, tuple.__basicsize__
_DATA, _AXES, _SIZES = _HEAD, _HEAD + 8, _HEAD + 16


@intrinsic
def word(typing: Any, address: Any) -> Any:
    """The intp at an address."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], _INT.as_pointer()))

    return types.intp(types.intp), build


def _type_called(name: str) -> Any:
    """A function that gives the address of one of Python's types; that of an array's Python has to say (`ARRAY`)."""

    def function(typing: Any) -> Any:
        def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.ptrtoint(context.get_python_api(builder).get_c_object(name), _INT)

        return types.intp(), build

    return intrinsic(function)


_tuple_type, _float_type = _type_called("PyTuple_Type"), _type_called("PyFloat_Type")


@intrinsic
def _is_subtype(typing: Any, kind: Any, of: Any) -> Any:
    """Whether the type at an address is the other one, or made from it."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        api = context.get_python_api(builder)
        asked = api._get_function(ir.FunctionType(ir.IntType(32), [api.pyobj, api.pyobj]), "PyType_IsSubtype")
        found = builder.call(asked, [builder.inttoptr(a, api.pyobj) for a in args])
        return builder.icmp_signed("!=", found, ir.Constant(found.type, 0))

    return types.boolean(types.intp, types.intp), build


@intrinsic
def integer_of(typing: Any, item: Any) -> Any:
    """The integer that the object at an address is, and whether it is one."""

    def build(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        api = context.get_python_api(builder)
        convert = api._get_function(ir.FunctionType(_INT, [api.pyobj, api.pyobj]), "PyNumber_AsSsize_t")
        item = builder.inttoptr(args[0], api.pyobj)
        value = builder.call(convert, [item, ir.Constant(api.pyobj, None)])
        failed = cgutils.is_not_null(builder, api.err_occurred())
        with builder.if_then(failed, likely=False):
            api.err_clear()
        return context.make_tuple(builder, sig.return_type, [value, builder.not_(failed)])

    return types.Tuple([types.intp, types.boolean])(types.intp), build


@njit()
def _enter(item, array_type, block, at):
    """Whether it is one of the things that a task can be given."""
    kind = word(item + _TYPE)
    if _is_subtype(kind, array_type):
        size, sizes = 1, word(item + _SIZES)
        for axis in range(word(item + _AXES) & 0xFF):
            size *= word(sizes + 8 * axis)
        block[at], block[at + 1] = word(item + _DATA), size
    elif _is_subtype(kind, _float_type()):
        block[at], block[at + 1] = word(item + _VALUE), 1
    else:
        value, known = integer_of(item)
        block[at], block[at + 1] = value, 0
        return known
    return True


@njit()
def table(arguments, array_type):
    """A table of the arguments in the tuple at an address, two numbers for each: address and size of an array; an
    integer and 0; the bits of a float and 1. In place of a tuple among them stand its entries. And whether there is
    nothing else among them.

    In machine code, since for tiny arrays the same in Python takes longer than all else that a launch does.
    """
    count = 0
    for i in range(word(arguments + _LENGTH)):
        item = word(arguments + _ENTRIES + 8 * i)
        count += word(item + _LENGTH) if word(item + _TYPE) == _tuple_type() else 1
    block = np.empty(2 * count, np.intp)
    at, known = 0, True
    for i in range(word(arguments + _LENGTH)):
        item = word(arguments + _ENTRIES + 8 * i)
        if word(item + _TYPE) == _tuple_type():
            for j in range(word(item + _LENGTH)):
                known &= _enter(word(item + _ENTRIES + 8 * j), array_type, block, at)
                at += 2
        else:
            known &= _enter(item, array_type, block, at)
            at += 2
    return block, known

"""From a .cu file to a kernel that runs: `launch("softmax/softmax_rows", dtype, blocks, threads, *arguments)`.

A file is compiled by CuPy (`RawModule`, NVRTC) when one of its kernels is first launched, once for each dtype, and kept
in CuPy's cache on disk. The cache goes by the text it is given, so `#include "..."` is written out here.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..array_module import arithmetic

HERE = Path(__file__).parent
STORED = {"float32": "float", "float64": "double", "bfloat16": "bfloat16"}  # dtype of arrays -> C's name
OWN_OPTIONS = {"philox": ("--fmad=false",)}  # the same bits as on the CPU: a * b + c is rounded twice
GENERATED: dict[str, str] = {}  # files that are nowhere but here: what fusion.py writes

THREADS = 256  # in a block, where each thread goes its own way
SHARED = 48 * 1024  # bytes of shared memory that a block gets without asking


_stand_ins: list[Any] = []


def cupy() -> Any:
    """CuPy, imported when first needed; or what stands in for it."""
    if _stand_ins:
        return _stand_ins[-1]
    import cupy

    return cupy


@contextmanager
def instead_of_cupy(device: Any) -> Iterator[None]:
    """Within the block `device` is used as CuPy is: for the tests, which have a device without a GPU."""
    _stand_ins.append(device)
    try:
        yield
    finally:
        _stand_ins.pop()


def source(file: str) -> str:
    """The text of kernels/cuda/<file>.cu with its includes written out, each once; lines keep their names."""
    return _flat(f"{file}.cu", set())


def _flat(name: str, seen: set[str]) -> str:
    lines = [f'#line 1 "{name}"']
    text = GENERATED[name] if name in GENERATED else (HERE / name).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        include = re.match(r'#include "(.+)"', line)
        if include is None:
            lines.append("" if line == "#pragma once" else line)
        elif include[1] not in seen:
            seen.add(include[1])
            lines += [_flat(include[1], seen), f'#line {number + 1} "{name}"']
        else:
            lines.append("")
    return "\n".join(lines)


def options(file: str, dtype: Any, constants: Mapping[str, str | int] | None = None) -> tuple[str, ...]:
    """What the compiler is told for arrays of `dtype`. Not --use_fast_math: infinities and NaN are results."""
    names = {"REAL": STORED[arithmetic(dtype).name], "STORED": STORED[np.dtype(dtype).name], **(constants or {})}
    return ("--std=c++17", *(f"-D{name}={value}" for name, value in names.items()), *OWN_OPTIONS.get(file, ()))


@cache
def _function(device: Any, kernel: str, dtype: Any, constants: tuple[tuple[str, str | int], ...]) -> Any:
    file, _, name = kernel.partition("/")
    return device.RawModule(code=source(file), options=options(file, dtype, dict(constants))).get_function(name)


def launch(
    kernel: str,
    dtype: Any,
    blocks: int | tuple[int, ...],
    threads: int | tuple[int, ...],
    *args: Any,
    shared: int = 0,
    constants: Mapping[str, str | int] | None = None,
) -> None:
    """Starts `kernel` ("file/name", arrays of `dtype`) on a grid of `blocks` blocks of `threads` threads.

    Arguments are contiguous arrays, None (a null pointer), int (Index, 64 bits), float (`real`, of `arithmetic(dtype)`)
    or NumPy scalars.
    A grid without a block does nothing.

    Args:
        shared: bytes of dynamic shared memory (`extern __shared__`) of a block.
        constants: names that the file is compiled with, beside REAL and STORED; once for each choice of their values.
    """
    grid = blocks if isinstance(blocks, tuple) else (blocks,)
    block = threads if isinstance(threads, tuple) else (threads,)
    if 0 not in grid:
        dtype = np.dtype(dtype)
        function = _function(cupy(), kernel, dtype, tuple(constants.items()) if constants else ())
        if shared > SHARED:  # has to be asked for, on each device anew
            function.max_dynamic_shared_size_bytes = shared
        function(grid, block, tuple(_argument(value, dtype) for value in args), shared_mem=shared)


def _argument(value: Any, dtype: np.dtype) -> Any:
    if value is None:
        return 0
    return arithmetic(dtype).type(value) if type(value) is float else value


def ceil_div(a: int, b: int) -> int:
    """a / b rounded up: how many blocks of b cover a."""
    return -(-a // b)


def address(array: Any) -> int:
    """Where the array lies: CuPy's answer, or that of NumPy, whose arrays the tests' device has."""
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr

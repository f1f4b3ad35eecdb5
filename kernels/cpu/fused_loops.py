"""What the text of a fused chain is written in: see fusion.py. `from tinygen.kernels.cpu.fused_loops import *`."""

from functools import cached_property
from typing import Any

import numba
from numba import types

from . import launch
from .functions import (
    AS_WRITTEN,
    vceil,
    vequal,
    vexp,
    vexpm1,
    vfirst,
    vfloor,
    vless,
    vless_equal,
    vlog,
    vlog1p,
    vnormal_cdf,
    vsoftplus,
    vtanh,
    vtrunc,
    vwhere,
)
from .launch import _array, floats, integer
from .packing import load_vector, store_vector
from .simd import LANES, vabs, vbroadcast, vfill, vround, vsigmoid, vsqrt, vsum, vzero

doubles = _array(types.float64, 8)  # doubles(block, i): argument i as a flat array of float64
BLOCK = 1024  # entries that are added up in float32; the sums of blocks in float64


class task(launch.task):
    """As in launch.py, but computed as written (functions.py)."""

    @cached_property
    def address(self) -> int:
        n = types.intp
        options: dict[str, Any] = {"cache": True, "fastmath": AS_WRITTEN, "error_model": "numpy"}
        self.kept: Any = numba.cfunc(types.void(n, n, n), **options)(self.function)
        return self.kept.address


__all__ = [
    "BLOCK",
    "LANES",
    "doubles",
    "floats",
    "integer",
    "load_vector",
    "store_vector",
    "task",
    "vabs",
    "vbroadcast",
    "vceil",
    "vequal",
    "vexp",
    "vexpm1",
    "vfill",
    "vfirst",
    "vfloor",
    "vless",
    "vless_equal",
    "vlog",
    "vlog1p",
    "vnormal_cdf",
    "vround",
    "vsigmoid",
    "vsoftplus",
    "vsqrt",
    "vsum",
    "vtanh",
    "vtrunc",
    "vwhere",
    "vzero",
]

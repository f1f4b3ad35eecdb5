"""What the text of a fused chain is written in: see fusion.py. `from tinygen.kernels.cpu.fused_loops import *`."""

from typing import Any

from . import launch
from .elementwise import vsoftplus
from .functions import (
    AS_WRITTEN,
    vceil,
    vequal,
    vexp,
    vexp2,
    vexpm1,
    vfirst,
    vfloor,
    vless,
    vless_equal,
    vlog,
    vlog1p,
    vlog2,
    vlog10,
    vnormal_cdf,
    vtanh,
    vtrunc,
    vwhere,
)
from .launch import doubles, floats, integer
from .packing import load_vector
from .simd import LANES, vabs, vbroadcast, vfill, vheld, vload_back, vround, vsigmoid, vsqrt, vsum, vzero
from .streaming import cut, end, put_vector
from .trigonometry import vacos, vasin, vatan, vatan2, vatanh, vcopysign, vcos, vcosh, vsin, vsinh, vtan

BLOCK = 1024  # entries that are added up in float32; the sums of blocks in float64


def task(function: Any) -> launch.task:
    """As in launch.py, but computed as written (functions.py)."""
    return launch.task(function, AS_WRITTEN)


__all__ = [
    "BLOCK",
    "LANES",
    "cut",
    "doubles",
    "end",
    "floats",
    "integer",
    "load_vector",
    "put_vector",
    "task",
    "vabs",
    "vacos",
    "vasin",
    "vatan",
    "vatan2",
    "vatanh",
    "vbroadcast",
    "vceil",
    "vcopysign",
    "vcos",
    "vcosh",
    "vequal",
    "vexp",
    "vexp2",
    "vexpm1",
    "vfill",
    "vfirst",
    "vfloor",
    "vheld",
    "vless",
    "vless_equal",
    "vload_back",
    "vlog",
    "vlog1p",
    "vlog2",
    "vlog10",
    "vnormal_cdf",
    "vround",
    "vsigmoid",
    "vsin",
    "vsinh",
    "vsoftplus",
    "vsqrt",
    "vsum",
    "vtan",
    "vtanh",
    "vtrunc",
    "vwhere",
    "vzero",
]

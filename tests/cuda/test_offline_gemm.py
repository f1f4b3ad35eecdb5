"""Kernels over gemm.cuh compile for A100 and H100/H200 with every arithmetic and tile, and nothing spills.

`__launch_bounds__` gives a thread the registers of as many blocks as gemm.py says run on a multiprocessor at once: 128
for two of LARGE, 168 for three of MEDIUM, 96 for five of SMALL. Their shared memory fits those blocks of an H100 (227
KiB, less one for each; float64 has no goal), and one block every card from sm_80 on (99 KiB, the least of them).
"""

import numpy as np
import offline
import pytest
from test_offline_compile import ARCHITECTURES, needs_compiler

from tinygen.kernels.array_module import bfloat16
from tinygen.kernels.cuda import gemm, launch

TILES = {name.lower(): getattr(gemm, name) for name in ("LARGE", "MEDIUM", "TALL", "WIDE", "SMALL")}
REGISTERS = {"large": 128, "medium": 168, "tall": 168, "wide": 168, "small": 96}
ROWS, COLUMNS = (1, 0), (0, 1)  # both operands by rows, or by columns
PRODUCTS = [  # dtype, tile, arithmetic, along depth, elements at a time
    *(
        ("float32", tile, arithmetic, ROWS, 4)
        for tile in ("large", "medium", "small")
        for arithmetic in ("Simt", "Tf32", "Bf16")
    ),
    *(("float32", "large", arithmetic, COLUMNS, 1) for arithmetic in ("Simt", "Tf32")),
    *(("float64", "small", "Simt", along, 2) for along in (ROWS, COLUMNS)),
    *(("bfloat16", tile, "StoredBf16", along, 8) for tile in ("large", "small") for along in (ROWS, COLUMNS)),
]


def usage(file, dtype, tile, arithmetic, along, more):
    plan = gemm.Plan(bfloat16() if dtype == "bfloat16" else np.dtype(dtype), 1, 1, 1, 1, TILES[tile], 1, arithmetic)
    options = launch.options(file, dtype, {**gemm.constants(plan), **more})
    shared = gemm.shared_bytes(plan, along)
    return shared, [offline.usage(launch.source(file), options, arch) for arch in ARCHITECTURES]


@needs_compiler
@pytest.mark.parametrize(("dtype", "tile", "arithmetic", "along", "width"), PRODUCTS)
def test_products_spill_nothing(dtype, tile, arithmetic, along, width):
    names = {"A_ALONG_DEPTH": along[0], "B_ALONG_DEPTH": along[1], "WIDTH": width}
    shared, used = usage("product", dtype, tile, arithmetic, along, names)
    assert shared <= 99 * 1024
    assert dtype == "float64" or (shared + 1024) * TILES[tile].blocks <= 228 * 1024
    for kernels in used:
        (kernel,) = kernels.values()
        assert kernel.local == 0
        assert kernel.registers <= REGISTERS[tile]


CONVOLUTIONS = [  # dtype, tile, arithmetic, elements at a time: what convolution.py chooses, where it is tightest
    ("float32", "large", "Tf32", 4),
    ("float32", "medium", "Simt", 1),
    ("float32", "tall", "Simt", 4),
    ("float32", "small", "Simt", 1),
    ("float64", "small", "Simt", 1),
    ("bfloat16", "large", "StoredBf16", 8),
]


@needs_compiler
@pytest.mark.parametrize(("dtype", "tile", "arithmetic", "width"), CONVOLUTIONS)
def test_convolutions_spill_nothing(dtype, tile, arithmetic, width):
    forms = (
        ("convolution", (1, 0), {"WIDTH": width}),
        ("convolution_filters", (0, 0), {"WIDTH_G": 1, "WIDTH_X": width}),
    )
    for file, along, names in forms:
        shared, used = usage(file, dtype, tile, arithmetic, along, names)
        assert shared <= 99 * 1024
        assert dtype == "float64" or (shared + 1024 + 256) * TILES[tile].blocks <= 228 * 1024
        for kernels in used:
            (kernel,) = kernels.values()
            assert kernel.local == 0, (file, kernel)
            assert kernel.registers <= REGISTERS[tile], (file, kernel)
            assert kernel.shared <= 256  # what the threads are to know of the convolution

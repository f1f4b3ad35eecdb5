"""How kernels over gemm.cuh are started: which tiles, how many parts, how much shared memory.

plan = choose(dtype, rows, columns, depth, batch)
product("product/multiply_matrices", plan, y, bias, *arguments, along_depth=(True, False), constants={...})
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinygen.kernels.rounding import current_precision

from .launch import THREADS, address, arithmetic, ceil_div, cupy, launch

Array = Any

BLOCKS = 128  # that a grid should have at least: a block for nearly each of the 132 multiprocessors of an H100 or H200
SHALLOW = 256  # a part of the depth is not worth a block of its own with less
DEEP = 1024  # with parts as deep as this a larger tile is worth its while
WIDEST = 16  # bytes that are loaded at a time


@dataclass(frozen=True)
class Tile:
    """How much of C a block makes, and with what: the constants of gemm.cuh."""

    rows: int  # BLOCK_M
    columns: int  # BLOCK_N
    depth: int  # BLOCK_K
    warps: tuple[int, int]  # WARPS_M, WARPS_N
    stages: int
    blocks: int  # that a multiprocessor has registers for at once

    @property
    def threads(self) -> int:
        return 32 * self.warps[0] * self.warps[1]


# The larger the tile, the more is multiplied for each element loaded; the smaller, the more blocks there are to share
# the work. A block of LARGE has 64 sums in each thread, of SMALL 8, of the others 32: TALL and WIDE for what is narrow.
LARGE = Tile(128, 128, 16, (2, 4), stages=4, blocks=2)
MEDIUM = Tile(64, 64, 32, (2, 2), stages=3, blocks=3)
TALL = Tile(128, 32, 32, (4, 1), stages=3, blocks=3)
WIDE = Tile(32, 128, 32, (1, 4), stages=3, blocks=3)
SMALL = Tile(32, 32, 32, (2, 2), stages=3, blocks=5)
LARGER = (LARGE, MEDIUM, TALL, WIDE)


@dataclass(frozen=True)
class Plan:
    """How one product C (rows, columns) of matrices `depth` deep is made, `batch` times."""

    dtype: Any
    rows: int
    columns: int
    depth: int
    batch: int
    tile: Tile
    parts: int  # of the depth
    arithmetic: str  # a struct of fragments.cuh


def choose(dtype: Any, rows: int, columns: int, depth: int, batch: int = 1, larger: tuple[Tile, ...] = LARGER) -> Plan:
    """The plan for arrays of `dtype`: the largest tiles that C fills and of which, with parts, there are enough.

    It does not depend on the card, so neither do the results. `larger`: the tiles, beside SMALL, for which the loaders
    leave registers.
    """
    tiles = lambda tile: ceil_div(rows, tile.rows) * ceil_div(columns, tile.columns) * batch
    larger = () if dtype == "float64" else larger  # of whose sums a thread has no room for so many
    filled = (t for t in larger if rows > t.rows // 2 and columns > t.columns // 2)
    tile = next((t for t in filled if tiles(t) * max(depth // DEEP, 1) >= BLOCKS), SMALL)
    count, most = tiles(tile), max(depth // SHALLOW, 1)
    parts = min(ceil_div(2 * BLOCKS, count), most) if 0 < count < BLOCKS else 1
    return Plan(dtype, rows, columns, depth, batch, tile, parts, multiplication(dtype))


def multiplication(dtype: Any) -> str:
    """Which struct of fragments.cuh multiplies elements of `dtype`."""
    if dtype == "float32":
        return {"float32": "Simt", "tf32": "Tf32", "bf16": "Bf16"}[current_precision()]
    return "Simt" if dtype == "float64" else "StoredBf16"


def constants(plan: Plan) -> dict[str, str | int]:
    """What a file over gemm.cuh is compiled with."""
    tile = plan.tile
    return {
        **{"BLOCK_M": tile.rows, "BLOCK_N": tile.columns, "BLOCK_K": tile.depth},
        **{"WARPS_M": tile.warps[0], "WARPS_N": tile.warps[1], "STAGES": tile.stages},
        **{"THREADS": tile.threads, "BLOCKS": tile.blocks, "ARITHMETIC": plan.arithmetic},
    }


def shared_bytes(plan: Plan, along_depth: tuple[bool, bool]) -> int:
    """The size of all stages: `Tile` in fragments.cuh, of A and of B."""
    tile, size = plan.tile, plan.dtype.itemsize
    gap = 16 if size == 2 else 32
    one = lambda side, along: side * (tile.depth * size + 16) if along else tile.depth * (side * size + gap)
    return tile.stages * (one(tile.rows, along_depth[0]) + one(tile.columns, along_depth[1]))


def width(*operands: Array) -> int:
    """How many elements of each operand, in one piece, can be loaded at a time: 16 bytes of them, or 1."""
    elements = WIDEST // operands[0].dtype.itemsize
    aligned = (x.shape[-1] % elements == 0 and address(x) % WIDEST == 0 for x in operands)
    return elements if all(aligned) else 1


def product(
    kernel: str,
    plan: Plan,
    y: Array,
    bias: Array | None,
    *args: Any,
    along_depth: tuple[bool, bool],
    constants_of_loaders: Mapping[str, str | int],
    slope: float = 1.0,
) -> None:
    """Starts `kernel`, written as gemm.cuh says, and adds up its parts if there are any.

    Args:
        y: (batch, rows, columns) in one piece, written.
        bias: one for each column of y, or none.
        args: those of the kernel behind rows, columns and depth.
        along_depth: of the loaders of A and B.
        constants_of_loaders: more names that the file is compiled with.
        slope: what negative elements of y are multiplied by where parts are added up; else it is the kernel's matter.
    """
    tile = plan.tile
    tiles = ceil_div(plan.rows, tile.rows) * ceil_div(plan.columns, tile.columns) * plan.batch
    parts = cupy().empty((plan.parts, y.size), arithmetic(plan.dtype)) if plan.parts > 1 else None
    launch(
        kernel,
        plan.dtype,
        (tiles, plan.parts),
        tile.threads,
        *(y, parts, bias, plan.rows, plan.columns, plan.depth, *args),
        shared=shared_bytes(plan, along_depth),
        constants={**constants(plan), **constants_of_loaders},
    )
    if parts is not None:
        blocks = ceil_div(y.size, THREADS)
        period = plan.columns if bias is None else bias.size
        launch("parts/add_parts", plan.dtype, blocks, THREADS, parts, bias, plan.parts, period, y, y.size, slope)

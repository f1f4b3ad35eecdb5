"""The building block gemm.cuh: each arithmetic on each tile, and shared memory in which no two lanes ask one bank."""

from dataclasses import replace

import numpy as np
import pytest
from simulator import RawModule, needs_compiler
from simulator import version as simulated
from test_on_a_gpu import REASON, WORKS, OnDevice

from tinygen import kernels
from tinygen.kernels.array_module import bfloat16
from tinygen.kernels.cuda import gemm, launch

ON_A_GPU = pytest.param(
    OnDevice("product"), id="gpu", marks=[pytest.mark.gpu, pytest.mark.skipif(not WORKS, reason=REASON)]
)
everywhere = pytest.mark.parametrize("product", [simulated("product"), ON_A_GPU])
TILES = {"large": gemm.LARGE, "medium": gemm.MEDIUM, "small": gemm.SMALL}
TOLERANCE = {"float32": 2e-6, "tf32": 2.0**-10, "bf16": 2.0**-7}


def agree(found, a, b, tolerance):
    a, b = a.astype(np.float64), b.astype(np.float64)
    assert (np.abs(found - a @ b) <= tolerance * (np.abs(a) @ np.abs(b))).all()


def by_columns(x):
    return np.ascontiguousarray(x.T).T


@everywhere
@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("tile", TILES)
def test_tiles_that_are_full_and_tiles_that_are_not(product, tile, precision, monkeypatch):
    size = TILES[tile]
    monkeypatch.setattr(gemm, "choose", lambda *args, choose=gemm.choose: replace(choose(*args), tile=size, parts=1))
    rng = np.random.default_rng(0)
    a = rng.normal(size=(size.rows + 8, 3 * size.depth + 4)).astype(np.float32)
    b = rng.normal(size=(a.shape[1], size.columns + 4)).astype(np.float32)
    with kernels.precision(precision):
        agree(product.matmul(a, b), a, b, TOLERANCE[precision])


@pytest.mark.parametrize(
    ("left", "right"), [(np.asarray, np.asarray), (by_columns, by_columns)], ids=["rows", "columns"]
)
@everywhere
@pytest.mark.parametrize("depth", [72, 37])
def test_bfloat16_in_memory_is_multiplied_as_it_is(product, depth, left, right):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=size).astype(bfloat16()) for size in ((40, depth), (depth, 48)))
    found = product.matmul(left(a), right(b))
    exact = a.astype(np.float64) @ b.astype(np.float64)
    assert found.dtype == bfloat16()
    assert (np.abs(found.astype(np.float64) - exact) <= 2.0**-8 * np.abs(exact) + 1e-5).all()


@everywhere
@pytest.mark.parametrize("parts", [2, 3, 7])
def test_parts_of_the_depth_and_parts_that_are_empty(product, parts, monkeypatch):
    monkeypatch.setattr(gemm, "choose", lambda *args, choose=gemm.choose: replace(choose(*args), parts=parts))
    rng = np.random.default_rng(parts)
    a, b = (rng.normal(size=size).astype(np.float32) for size in ((40, 132), (132, 36)))
    agree(product.matmul(a, b), a, b, 2e-6)


def test_larger_tiles_where_there_are_enough_of_them_and_parts_where_there_are_too_few():
    tile = lambda *sizes: gemm.choose(np.dtype(np.float32), *sizes).tile
    assert tile(4096, 4096, 64) == tile(128, 128, 64, 200) == gemm.LARGE
    assert tile(1024, 1024, 64) == tile(50000, 64, 64) == gemm.MEDIUM
    assert tile(256, 512, 64) == tile(50000, 16, 64) == tile(1, 50000, 64) == gemm.SMALL
    assert tile(50000, 32, 64) == gemm.TALL
    assert tile(32, 50000, 64) == gemm.WIDE
    assert gemm.choose(np.dtype(np.float64), 4096, 4096, 64).tile == gemm.SMALL
    assert tile(128, 1152, 50000) == gemm.LARGE  # in parts: a weight gradient
    parts = lambda *sizes: gemm.choose(np.dtype(np.float32), *sizes).parts
    assert parts(128, 1152, 50000) == 29  # of nine tiles: two blocks for each multiprocessor
    assert parts(64, 64, 600) == 2
    assert parts(64, 64, 500) == parts(4096, 4096, 50000) == parts(0, 5, 50000) == 1


OFFSETS = """#include "gemm.cuh"
extern "C" __global__ void offsets(Index* y) {
  extern __shared__ __align__(16) stored memory[];
  Tile<BLOCK_M, true> by_side{memory};
  Tile<BLOCK_M, false> by_depth{memory};
  y[threadIdx.x] = (char*)&by_side(lane() / 4, lane() % 4) - (char*)memory;
  y[threadIdx.x + 32] = (char*)&by_depth(lane() / 4, lane() % 4) - (char*)memory;
  y[threadIdx.x + 64] = (char*)&by_side(lane(), 0) - (char*)memory;
  y[threadIdx.x + 96] = (char*)&by_depth(0, lane()) - (char*)memory;
}"""


@needs_compiler
@pytest.mark.parametrize("dtype", [np.dtype("f4"), np.dtype("f8"), bfloat16()], ids=str)
@pytest.mark.parametrize("tile", TILES)
def test_no_two_lanes_ask_for_different_words_of_one_bank(tile, dtype, monkeypatch, tmp_path):
    plan = gemm.Plan(dtype, 1, 1, 1, 1, TILES[tile], 1, "StoredBf16" if dtype.itemsize == 2 else "Simt")
    for path in launch.HERE.glob("*.cuh"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "offsets.cu").write_text(OFFSETS)
    monkeypatch.setattr(launch, "HERE", tmp_path)
    module = RawModule(launch.source("offsets"), launch.options("offsets", dtype, gemm.constants(plan)))
    offsets = np.zeros((4, 32), np.int64)
    module.get_function("offsets")((1,), (32,), (offsets,), shared_mem=48 * 1024)
    if dtype.itemsize == 4:  # the tensor cores' fragments, in either layout
        assert one_word_of_each_bank(offsets[0], 4)
        assert one_word_of_each_bank(offsets[1], 4)
    assert one_word_of_each_bank(offsets[2, :8], 16)  # eight rows, of each 16 bytes of the depth
    if dtype.itemsize == 2:  # or of the side
        assert one_word_of_each_bank(offsets[3, :8], 16)


def one_word_of_each_bank(offsets, size):
    words = np.unique([(at + byte) // 4 for at in offsets for byte in range(0, size, 2)])
    return len(np.unique(words % 32)) == len(words)

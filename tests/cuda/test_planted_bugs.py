"""Typical mistakes of CUDA, planted one at a time in the project's own kernels: each is found without a GPU.

Found means that in at least one thread order the module's exercise (exercises.py) faults or gives other numbers.
"""

import re
from dataclasses import dataclass

import pytest
from exercises import EXERCISES, agrees
from simulator import ORDERS, Fault, needs_compiler, order, simulated

from tinygen.kernels.cuda import launch


@dataclass(frozen=True)
class Bug:
    """`old`, which occurs once in `file`, becomes `new`; the exercise of `module` says something like `sign`."""

    mistake: str
    file: str
    old: str
    new: str
    module: str
    sign: str


BUGS = [
    Bug(
        "partial sums are read with no barrier after they are written",
        "tile.cuh",
        "[threadIdx.x] = value;\n  __syncthreads();",
        "[threadIdx.x] = value;",
        "normalisation",
        "differs",
    ),
    Bug(
        "shared memory is used again with no barrier after it is read",
        "tile.cuh",
        "  __syncthreads();  // before",
        "  // before",
        "normalisation",
        "differs",
    ),
    Bug(
        "one partial sum more is added than was written",
        "tile.cuh",
        "y < TILE_ROWS; y++",
        "y <= TILE_ROWS; y++",
        "normalisation",
        "undefined behaviour|differs",
    ),
    Bug(
        "only some threads of a block reach a barrier",
        "tile.cuh",
        "  shared[threadIdx.y][threadIdx.x] = value;\n  __syncthreads();",
        "  shared[threadIdx.y][threadIdx.x] = value;\n  if (threadIdx.y) __syncthreads();",
        "normalisation",
        "wait at different barriers",
    ),
    Bug(
        "every thread of a column takes the same rows",
        "tile.cuh",
        "(t).first + threadIdx.y;",
        "(t).first;",
        "normalisation",
        "differs",
    ),
    Bug(
        "a tile is overwritten while others still read it",
        "attention.cu",
        "    __syncthreads();  // until nobody reads the tile before\n",
        "",
        "attention",
        "differs",
    ),
    Bug(
        "the zeros behind the last key are looked at",
        "attention.cu",
        "last = causal ? min(keys, at.first + ROWS) : keys;\n  for (Index first = 0; first < last; first += TILE) {\n"
        "    __syncthreads();  //",
        "last = (keys + TILE - 1) / TILE * TILE;\n  for (Index first = 0; first < last; first += TILE) {\n"
        "    __syncthreads();  //",
        "attention",
        "differs|out of bounds",
    ),
    Bug(
        "a shuffle within a loop that some lanes have left",
        "attention.cu",
        "score = inside ? masked(score, at.row, j, mask, row_stride, column_stride, causal) : -infinity();\n"
        "      if (score == -infinity()) continue;\n      real peak",
        "score = inside ? masked(score, at.row, j, mask, row_stride, column_stride, causal) : -infinity();\n"
        "      if (score == -infinity()) break;\n      real peak",
        "attention",
        "deadlock in a warp operation|different barriers|different operations",
    ),
    Bug("half of a warp is summed", "common.cuh", "bits = 16; bits; bits /= 2) value +=",
        "bits = 8; bits; bits /= 2) value +=", "softmax", "differs"),
    Bug(
        "a shuffle whose mask leaves lanes out",
        "common.cuh",
        "ALL_LANES = 0xffffffffu",
        "ALL_LANES = 0xffffu",
        "softmax",
        r"common\.cuh:\d+: a lane takes part .* whose mask leaves it out",
    ),
    Bug(
        "a warp operation that only one lane reaches",
        "normalisation_rows.cu",
        "    m = warp_sum(m) / columns;",
        "    if (lane() == 0) m = warp_sum(m) / columns;",
        "normalisation",
        r"common\.cuh:\d+: deadlock in a warp operation",
    ),
    Bug(
        "warps beyond the last row go on",
        "softmax.cu",
        "\nsoftmax_rows(const real* __restrict__ x, real* __restrict__ y, Index rows, Index columns) {\n"
        "  Index row = warp_index();\n  if (row >= rows) return;",
        "\nsoftmax_rows(const real* __restrict__ x, real* __restrict__ y, Index rows, Index columns) {\n"
        "  Index row = warp_index();",
        "softmax",
        r"softmax\.cu:\d+.*: out of bounds",
    ),
    Bug("one element too many", "common.cuh", "threadIdx.x; i < (n);", "threadIdx.x; i <= (n);", "elementwise",
        "wrote beyond the end|out of bounds"),
    Bug("a block's index left out", "common.cuh", "Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x;",
        "Index i = threadIdx.x;", "elementwise", "differs"),
    Bug("the last words are written though nobody asked", "philox.cu", "      if (4 * i + j < n) out", "      out",
        "philox", r"wrote beyond the end|philox\.cu:\d+: out of bounds"),
    Bug("the counter's carry is lost", "philox.cu", "high + (sum < low)", "high", "philox", "differs"),
    Bug("chunks of another size than the host's", "update.cu", "CHUNK = 4096", "CHUNK = 4095", "update", "differs"),
    Bug(
        "every image takes the statistics of the first",
        "normalisation_channels.cu",
        "group = t.matrix * groups + c /",
        "group = c /",
        "normalisation",
        "differs",
    ),
    Bug(
        "a last chunk that is not full is weighed as full",
        "normalisation_channels.cu",
        "sum += means[place] * min(span, pixels - chunk * span);",
        "sum += means[place] * span;",
        "normalisation",
        "differs",
    ),
]  # fmt: skip


def symptoms(module: str) -> list[str]:
    """What the exercise says, in each thread order."""
    found = []
    for name in ORDERS:
        with order(name):
            try:
                results = EXERCISES[module](simulated(module))
                found += [f"{what} differs" for what, ours, exact in results if not agrees(module, ours, exact)]
            except Fault as fault:
                found.append(str(fault))
    return found


@needs_compiler
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.mistake)
def test_the_mistake_is_found(bug, monkeypatch, tmp_path):
    for path in launch.HERE.glob("*.cu*"):
        (tmp_path / path.name).write_text(path.read_text())
    text = (tmp_path / bug.file).read_text()
    assert text.count(bug.old) == 1
    (tmp_path / bug.file).write_text(text.replace(bug.old, bug.new))
    monkeypatch.setattr(launch, "HERE", tmp_path)
    launch._function.cache_clear()
    try:
        found = symptoms(bug.module)
    finally:
        launch._function.cache_clear()
    assert any(re.search(bug.sign, symptom) for symptom in found), found


@needs_compiler
def test_rows_that_no_block_takes_are_found(monkeypatch):
    """The host rounds the number of blocks down: what nobody wrote is NaN."""
    from tinygen.kernels.cuda import softmax

    monkeypatch.setattr(softmax, "ceil_div", lambda a, b: a // b)
    assert "softmax differs" in symptoms("softmax")

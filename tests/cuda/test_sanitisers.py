"""The address and undefined-behaviour sanitisers find nothing in the CUDA kernels, and do find what is planted in them.

A job of its own by `pytest -m sanitisers`; sanitised.py says what they see that the traps of the other tests do not.
"""

import re

import pytest
import sanitised
from exercises import EXERCISES
from planted.bug import Bug

from tinygen.kernels.cuda import launch

pytestmark = [
    pytest.mark.sanitisers,
    pytest.mark.skipif(sanitised.library() is None, reason="g++ with its libasan is not here"),
]

BUGS = [
    Bug(
        "one row is read a few bytes beyond the array's end",
        "common.cuh",
        "Index i = lane(); i < (n); i += 32",
        "Index i = lane(); i <= (n); i += 32",
        "softmax",
        r"(?s)use-after-poison.*softmax\.cu:\d+",
    ),
    Bug(
        "a shared array is read into its neighbour",
        "attention.cu",
        "      add(sum, weight, v_tile[j - first], e);",
        "      add(sum, weight, k_tile[j - first + TILE], e);",
        "attention",
        r"(?s)global-buffer-overflow.*attention\.cu:\d+.*global variable 'k_tile'",
    ),
    Bug(
        "a partial sum more is read than the block has threads for",
        "tile.cuh",
        "y < TILE_ROWS; y++",
        "y <= TILE_ROWS; y++",
        "normalisation",
        r"tile\.cuh:\d+:\d+: runtime error: load of address .* with insufficient space for an object of type 'wide'",
    ),
    Bug(
        "a thread's own array is one too short",
        "attention.cu",
        "real own[SLICE], sum[SLICE] = {};\n  load(own, q + (",
        "real own[SLICE], sum[SLICE] = {};\n  own[SLICE + causal] = 0;\n  load(own, q + (",
        "attention",
        r"attention\.cu:\d+:\d+: runtime error: index \d+ out of bounds for type '\w+ \[\d+\]'",
    ),
    Bug(
        "a thread's own sums do not start from zero",
        "attention.cu",
        "cotangent[SLICE], sum[SLICE] = {};",
        "cotangent[SLICE], sum[SLICE];",
        "attention",
        "attention: attention_backward differs from its definition",
    ),
    Bug(
        "an asynchronous copy takes what lies behind the last row",
        "gemm.cuh",
        "{k * (ALONG ? 1 : size), k < depth}",
        "{k * (ALONG ? 1 : size), true}",
        "product",
        r"gemm\.cuh:\d+, .*: out of bounds|(?s:use-after-poison.*gemm\.cuh:\d+)",
    ),
    Bug(
        "an int overflows",
        "softmax.cu",
        "  real log_sum = log(s.sum);\n  for",
        "  int bits = (int)(rows * columns) * 0x1000000;\n  real log_sum = log(s.sum) + (bits == 1);\n  for",
        "softmax",
        r"softmax\.cu:\d+:\d+: runtime error: signed integer overflow",
    ),
]


@pytest.mark.parametrize("module", EXERCISES)
def test_the_kernels_are_clean(module):
    run = sanitised.start(module, capture_output=True)
    assert run.stdout == f"{module}: clean\n", run.stdout + run.stderr
    assert run.returncode == 0


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.mistake)
def test_the_mistake_is_found(bug, tmp_path):
    bug.plant(launch.HERE, tmp_path)
    run = sanitised.start(bug.module, "--sources", str(tmp_path), capture_output=True)
    assert run.returncode != 0
    assert re.search(bug.sign, run.stdout + run.stderr), run.stdout + run.stderr

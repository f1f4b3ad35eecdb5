"""Every CUDA kernel, run thread by thread on the CPU: its definition's values, the same bits in any thread order."""

from pathlib import Path

import numpy as np
import pytest
from exercises import EXERCISES, agrees
from simulator import ORDERS, needs_compiler, order, simulated

from tinygen.kernels.cuda import launch


@needs_compiler
@pytest.mark.parametrize("module", EXERCISES)
def test_the_definition_s_values_and_the_same_bits_in_every_order(module):
    results = {}
    for name in ORDERS:
        with order(name):
            results[name] = list(EXERCISES[module](simulated(module)))
        for what, found, expected in results[name]:
            assert agrees(module, found, expected), what
    for other in ORDERS[1:]:
        for (what, found, _), (_, again, _) in zip(results[ORDERS[0]], results[other], strict=True):
            assert found.tobytes() == again.tobytes(), what


def test_every_file_of_cuda_is_exercised():
    folder = Path(launch.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__", "launch", "chunks", "gemm"} == set(EXERCISES)
    sources = {path.stem for path in folder.glob("*.cu")}
    used = {s for s in sources for path in folder.glob("*.py") if f'"{s}/' in path.read_text()}
    assert used == sources


@needs_compiler
def test_philox_normals_at_the_extremes_of_their_words():
    from tinygen.kernels.definitions import philox

    seams = [int(2.0**64 * p) for p in (0.075, 0.925, np.exp(-25.0), 0.5 * np.exp(-25.0))]
    centres = [0, 2**63, *(2**e for e in range(64)), *(2**64 - 2**e for e in range(64)), *seams]
    words = np.array([(c + d) % 2**64 for c in centres for d in range(-6, 7)], np.uint64)
    for dtype in (np.float32, np.float64):
        found = simulated("philox").normal_of_words(words, dtype)
        assert np.array_equal(found, philox.normal_of_words(words).astype(dtype))

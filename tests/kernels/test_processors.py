"""The CPU kernels on other processors than this one, with one thread, with more threads than cores, and after a fork.

A new process is told to compile for an older processor, in a cache of its own, and runs the tests of this folder;
where that processor's vectors are this one's, with what is compiled for this one already.
"""

import multiprocessing
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygen.kernels.cpu import simd

HERE = Path(__file__).parent
HOW_THEY_ARE_COMPILED = {"test_ahead.py", "test_compiled.py", Path(__file__).name}  # is the same at every width
ALL = sorted({file.name for file in HERE.glob("test_*.py")} - HOW_THEY_ARE_COMPILED)
PRODUCTS = ["test_product.py", "test_convolution.py"]
WIDTH = "from tinygen.kernels.cpu.simd import LANES, REGISTERS; print(LANES, REGISTERS)"


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the processors named here are x86-64's")
@pytest.mark.parametrize(
    ("name", "features", "lanes", "registers", "threads", "files"),
    [
        ("x86-64-v2", "", 4, 16, 1, ALL),
        ("x86-64-v3", "", 8, 16, 2 * os.cpu_count() + 1, ALL),
        ("x86-64-v2", "+neon", 4, 32, 1, PRODUCTS),  # no instruction of NEON's, but its vectors and its tiles of them
    ],
)
def test_every_kernel_at_another_width(name, features, lanes, registers, threads, files, tmp_path):
    if lanes > simd.LANES:
        pytest.skip(f"this processor has vectors of {simd.LANES} lanes, {name} has {lanes}")
    environment = os.environ | {"NUMBA_NUM_THREADS": str(threads)}
    if (lanes, registers) != (simd.LANES, simd.REGISTERS):
        environment |= {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(tmp_path)}
    run = lambda *command: subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )
    assert run("-c", WIDTH).stdout.split() == [str(lanes), str(registers)]
    chosen = ["-k", "not cuda", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = run("-m", "pytest", "-q", "-x", *(str(HERE / file) for file in files), *chosen)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def _convolved(seed):
    from tinygen.kernels.cpu import convolution

    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(8, 32, 28, 28)).astype(np.float32), rng.normal(size=(32, 32, 3, 3)).astype(np.float32)
    return float(np.abs(convolution.conv2d(x, w, None, (1, 1), (1, 1))).sum())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
def test_kernels_run_in_a_process_forked_off_after_they_have_run_here():
    """As a data loader's workers are: OpenMP would end a child that asks for its threads."""
    expected = [_convolved(seed) for seed in range(2)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(_convolved, range(2)).get(timeout=300)
    assert found == pytest.approx(expected, rel=1e-6)
    assert _convolved(0) == expected[0]


THREADS = """
import threading
import numpy as np
import numba
from tinygen.kernels.cpu import rectifier
x = np.random.default_rng(0).normal(size=(64, 4096)).astype(np.float32)
wrong = []
def work():
    for _ in range(200):
        if not (rectifier.relu(x) == np.maximum(x, 0)).all():
            wrong.append(1)
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
print(numba.threading_layer(), len(wrong))
"""


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_python_threads_may_call_kernels_at_the_same_time(layer):
    """Numba's own work queue, what is left where there is no OpenMP, would end the process."""
    environment = {**os.environ, "NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True, check=False)
    if "could be loaded" in done.stderr:
        pytest.skip(f"Numba finds no {layer} here")
    assert done.stdout.split() == [layer, "0"], done.stderr[-1000:]

"""The Numba-CUDA twins equal their definitions: under Numba's simulator everywhere, and on a GPU where there is one."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba_twins
import numpy as np
import pytest

from tinygen.device import cuda_status

WORKS, REASON = cuda_status()
CASES = [name for name, _, _ in numba_twins.cases()]


def program(what: str, **environment: str) -> str:
    command = [sys.executable, numba_twins.__file__, what]
    run = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_they_equal_their_definitions_under_numba_s_simulator():
    assert program("run", NUMBA_ENABLE_CUDASIM="1").split() == CASES


def toolkit() -> Path | None:
    """Where libNVVM and libdevice are: of nvcc, or of the wheel `nvidia-cuda-nvcc-cu12`; None without."""
    nvcc = shutil.which("nvcc")
    spec = importlib.util.find_spec("nvidia") and importlib.util.find_spec("nvidia.cuda_nvcc")
    homes = [Path(nvcc).resolve().parents[1]] if nvcc else []
    homes += [Path(path) for path in (spec.submodule_search_locations or [])] if spec else []
    return next((home for home in homes if list(home.rglob("libnvvm.so*"))), None)


@pytest.mark.skipif(WORKS, reason="a card is here: they are compiled for that one, and run")
@pytest.mark.skipif(toolkit() is None, reason="libNVVM (of nvcc) is not here")
def test_they_compile_for_cards_that_are_not_here(tmp_path):
    home = toolkit()
    assert home is not None
    (tmp_path / "nvvm").mkdir()  # the folders as Numba expects them
    (tmp_path / "nvvm" / "lib64").symlink_to(next(home.rglob("libnvvm.so*")).parent)
    (tmp_path / "nvvm" / "libdevice").symlink_to(next(home.rglob("libdevice*.bc")).parent)
    names = program("compile", CUDA_HOME=str(tmp_path)).split()
    assert set(names) == {"_softmax_rows", "_layer_norm_rows", "_attention_rows"}


@pytest.mark.gpu
@pytest.mark.skipif(not WORKS, reason=REASON)
def test_they_equal_their_definitions_on_a_gpu():
    import cupy

    assert numba_twins.compare(cupy.asarray, cupy.asnumpy) == CASES
    assert numba_twins.compare(np.asarray, np.asarray) == CASES  # which Numba copies there and back

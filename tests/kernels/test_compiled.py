"""What only compiled code calls: one version for all literals, none for Python; routines, one for all callers."""

import gc
import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba.core import types
from numba.extending import intrinsic

from tinygen.kernels.cpu import compiled, pipeline
from tinygen.kernels.cpu.compiled import Cache, njit, routine
from tinygen.kernels.cpu.launch import floats, launch, task


def plus(x, y):
    return x + y


@njit(cache=False)
def added(x, start, amount):
    for i in range(start, x.size):
        x[i] += amount


@routine("f n")
def doubled(x, start):
    for i in range(start, x.size):
        x[i] *= np.float32(2)


@task
def from_first(block, part, parts):
    x = floats(block, 0)
    added(x, 0, 1)
    doubled(x, 0)


@task
def from_second(block, part, parts):
    x = floats(block, 0)
    added(x, 1, part + 1)
    doubled(x, part + 1)


def test_two_tasks_call_the_same_code():
    x, y = (np.arange(4, dtype=np.float32) for _ in range(2))
    launch(from_first, 1, x)
    launch(from_second, 1, y)
    assert x.tolist() == [2, 4, 6, 8]
    assert y.tolist() == [0, 4, 6, 8]


def test_one_version_serves_all_literals_and_what_is_none():
    @numba.njit
    def caller(x, n):
        added(x, 0, 1)
        added(x, 2, n)

    x = np.zeros(3, np.float32)
    caller(x, 5)
    assert x.tolist() == [1, 1, 6]
    assert len(added.overloads) == 1


def test_passes_that_kernels_have_no_use_for_are_left_out():
    launch(from_first, 1, np.zeros(4, np.float32))
    for made in added.overloads.values():
        [passes] = made.metadata["pipeline_times"].values()
        done = {name.partition("_")[2] for name in passes}
        assert "native_lowering" in done
        assert not done & {left_out._name for left_out in pipeline._LEFT_OUT}
        assert made.type_annotation is None


def test_the_collector_rests_while_a_task_is_compiled():
    seen = []

    @intrinsic
    def asks(typing, value):
        seen.append(gc.isenabled())
        return types.none(value), lambda context, builder, signature, args: context.get_dummy_value()

    def work(block, part, parts):
        asks(part)

    launch(task(work), 1)
    assert set(seen) == {False}
    assert gc.isenabled()
    gc.disable()
    try:
        launch(task(work), 1)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_has_no_wrapper_is_not_called_from_python():
    with pytest.raises(TypeError, match="added is called by compiled code; its Python is in"):
        added(np.ones(3, np.float32), 0, 1)
    with pytest.raises(NotImplementedError):
        doubled(np.ones(3, np.float32), 0)


def test_machine_code_is_good_for_one_state_of_all_the_kernels_files(monkeypatch, tmp_path):
    """It holds constants and functions of other files: with a panel's width changed, products were wrong, silently."""
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(tmp_path))

    def read():
        return Cache(sum_of.py_func).load_overload(signature, sum_of.targetctx)

    signature = (numba.types.float32, numba.types.float32)
    sum_of = numba.njit(plus)
    sum_of._cache = Cache(plus)
    sum_of.compile(signature)
    assert read() is not None
    monkeypatch.setattr(compiled, "sources", lambda: "one of them was edited")
    assert read() is None


def test_the_second_process_reads_machine_code_and_imports_nothing_to_compile_with(tmp_path):
    """Machine code that calls by name cannot be loaded before what it names: the routines are there."""
    program = """
import sys
import numpy as np
from tinygen.kernels.cpu.convolution import conv2d
assert conv2d(np.ones((2, 16, 9, 9), np.float32), np.ones((16, 16, 3, 3), np.float32))[0, 0, 0, 0] == 144
print("numba.np.arraymath" in sys.modules)
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]


def test_where_nothing_can_be_written_kernels_run_all_the_same():
    """As in a container whose file system is read-only: Numba alone would refuse."""
    program = """
from numba.core.caching import CompileResultCacheImpl
CompileResultCacheImpl._locator_classes = []  # as many as can write: none
import numpy as np
from tinygen.kernels.cpu.softmax import softmax
assert (softmax(np.ones((4, 5), np.float32), 1) == np.float32(0.2)).all()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]

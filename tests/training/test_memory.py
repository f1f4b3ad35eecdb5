"""Memory is kept between steps: after it was touched once, it is not faulted in again; until it is given back."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, numpy as np
from tinygen.training.memory import keep_memory
kept = {keep} and keep_memory()
def work():
    return len([np.ones(1 << 20) for _ in range(20)])  # alive together, then free together
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_arrays_reuse_the_pages_of_the_ones_before():
    def faults(keep: bool) -> int:
        out = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(keep=keep)], capture_output=True, text=True, check=True
        )
        kept, count = out.stdout.split()
        assert (kept == "True") == keep
        return int(count)

    pages = 20 * 8 * 2**20 // 4096
    assert faults(keep=False) > pages / 10
    assert faults(keep=True) < pages / 100


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_what_is_free_goes_back_when_asked_for():
    program = """
import numpy as np
from pathlib import Path
from tinygen.training.memory import give_back, keep_memory
keep_memory()
resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * 4096
def work():
    arrays = [np.ones(1 << 20) for _ in range(20)]
    return np.ones(1 << 10)  # younger than they are, so that theirs is not the end of the heap
start = resident()
last = work()
kept = resident() - start
give_back()
print(kept, resident() - start)
"""
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    kept, left = map(int, out.split())
    assert kept > 150 * 2**20
    assert left < 16 * 2**20

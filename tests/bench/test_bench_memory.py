"""Peak memory is what the work takes beyond what was there before, and a new process gives it again."""

import sys

import numpy as np
import pytest

from tinygen.bench import memory
from tinygen.bench.backends import BACKENDS

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peaks are read from Linux's /proc")
MIB = 2**20


class Holding:
    """Work that holds an array of so many MiB and drops it again; before it, one is there already."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.there = np.ones(64 * MIB, np.uint8)
        self.batch = {"x": np.zeros(8)}

    def resize(self, batch: int) -> None:
        self.share = batch / 8

    def __call__(self) -> None:
        np.ones(int(self.share * self.size) * MIB, np.uint8)


class Cases:
    def __init__(self, size: int) -> None:
        self.size = size

    def fresh(self, case: str) -> Holding:
        return Holding(self.size)


@pytest.mark.parametrize("size", [40, 200])
def test_the_work_is_what_it_holds_and_no_more(size: int) -> None:
    found = memory.of(Cases(size), "case", "")
    assert found["work"] == pytest.approx(size * MIB, abs=4 * MIB)
    assert found["process"] > found["work"] + 64 * MIB


def test_what_is_compiled_for_the_size_is_not_the_step() -> None:
    class Compiling(Holding):
        """Keeps 100 MiB at its first run of the whole batch."""

        def __call__(self) -> None:
            super().__call__()
            if self.share == 1 and not hasattr(self, "code"):
                self.code = np.ones(100 * MIB, np.uint8)

    class OfCompiling(Cases):
        def fresh(self, case: str) -> Holding:
            return Compiling(self.size)

    assert memory.of(OfCompiling(40), "case", "", compiled=True)["work"] == pytest.approx(40 * MIB, abs=4 * MIB)
    assert memory.of(OfCompiling(40), "case", "")["work"] > 130 * MIB


def test_a_training_step_takes_the_same_in_every_process() -> None:
    rows = memory.measure_memory(["VAE"], [BACKENDS["tinygen"]], threads=1, rounds=2)
    work, whole = rows
    assert (work.case, whole.case) == ("VAE", "VAE, whole process")
    one, two = work.samples["tinygen"].values
    assert 2 * MIB < one < 64 * MIB
    assert abs(one - two) < 0.2 * one
    assert whole.samples["tinygen"].middle > work.samples["tinygen"].middle


def test_growth_brings_in_the_code_by_its_smallest_point() -> None:
    least, twice = ("linear layers, batch 512, width 256, depth 4", "linear layers, batch 1024, width 512, depth 4")
    rows = memory.measure_memory([twice], [BACKENDS["tinygen"]], 1, 1, after=lambda case: least)
    weights_and_hidden = 4 * (4 * 512 * 512 + 4 * 1024 * 512)
    assert rows[0].samples["tinygen"].middle > weights_and_hidden


def test_a_case_that_fails_is_named() -> None:
    rows = memory.measure_memory(["no such case"], [BACKENDS["tinygen"]], threads=1, rounds=1)
    assert rows[0].wrong == {"tinygen": "KeyError: 'no such case'"}
    assert rows[0].samples == {}

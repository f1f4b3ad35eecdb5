"""Peak memory of a training step or an operation, in a new process: how far the resident set rises while it runs.

The peak is the kernel's own mark (`VmHWM`, set back through `clear_refs`), so nothing between two looks is missed. What
is there before the work begins is not the work's: the interpreter, the library, the model, the inputs, and code that
is loaded on first use. That code is brought in by running the case on a batch of two (an operation: its smallest
relative) and giving freed memory back to the system before the mark is set. A library that compiles for each size runs
the case itself before: what compiling takes is not the step's either. Held by tests/bench/test_bench_memory.py.
"""

import ctypes
import gc
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from tinygen.bench import weights
from tinygen.bench.backends import Backend
from tinygen.bench.interleave import BenchError, Worker, rounds_of
from tinygen.bench.kept import Keep, at_once
from tinygen.bench.result import Row, Samples

RUNS = 3
"""Of the work, of which the greatest peak counts."""
SMALL = 2
"""Examples of the batch that brings in the code."""


def of(cases: Any, case: str, after: str, compiled: bool = False) -> dict[str, int]:
    """In the worker: bytes of `case` beyond those before ("work"), and of the whole process at its peak ("process").

    Args:
        after: the operation that brings in the code; "" for a step, which does so itself.
        compiled: whether the library compiles for each size.
    """
    if after:
        for _ in range(RUNS):
            cases.fresh(after)()
        run = cases.fresh(case)
    else:
        run = cases.fresh(case)
        whole = len(run.batch["x"])
        run.resize(SMALL)
        run()
        run.resize(whole)
    if compiled:
        run()
    before = _settle()
    for _ in range(RUNS):
        run()
    peak = _status("VmHWM")
    return {"work": peak - before, "process": peak}


def _settle() -> int:
    """Gives freed memory back, sets the mark of the peak to what is in use now, and tells how much that is."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{field}:")).split()[1])


def measure_memory(
    cases: Sequence[str],
    backends: Sequence[Backend],
    threads: int,
    rounds: int,
    seed: int = 0,
    keep: Keep = at_once,
    after: Callable[[str], str] = lambda case: "",
) -> list[Row]:
    """Two rows a case: bytes of the work, and of the whole process at its peak. Every sample is a process of its own.

    Raises:
        BenchError: a library does not start, or the system keeps no mark of the peak.
    """
    if not sys.platform.startswith("linux"):
        raise BenchError(f"peak memory is read from /proc, which {sys.platform} has not")
    with weights.written(cases):
        make = {case: partial(_of_case, case, backends, threads, rounds, seed, after(case)) for case in cases}
        return [row for case in cases for row in keep(case, make[case])]


def _of_case(case: str, backends: Sequence[Backend], threads: int, rounds: int, seed: int, after: str) -> list[Row]:
    found = {part: {b.name: Samples() for b in backends} for part in ("work", "process")}
    wrong: dict[str, str] = {}
    for backend in rounds_of(backends, rounds, seed):
        with closing(Worker(backend, threads)) as worker:
            given = worker.ask(do="memory", case=case, after=after, compiled=backend.compiled)
        if "error" in given:
            wrong[backend.name] = given["error"]
        for part, samples in found.items():
            if "error" not in given:
                samples[backend.name].add(given[part])
    names = {"work": case, "process": f"{case}, whole process"}
    return [
        Row(names[part], {name: s for name, s in samples.items() if name not in wrong}, wrong)
        for part, samples in found.items()
    ]

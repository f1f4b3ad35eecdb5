"""Libraries side by side: one process each, asked in random order, round after round.

Processes keep the libraries' threads apart; interleaving gives each the same weather. A sample during which something
else ran for more than a twelfth of the time is taken again, for all alike, up to four times; then the least disturbed
one counts, and the result says so. On a machine that is never quiet nothing is taken twice. What shares a core from
outside the machine stands in no counter and makes everything slower for tenths of a second: samples are short and
rounds many, so that both sides of a ratio meet the same.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tinygen.bench import weights
from tinygen.bench.backends import Backend
from tinygen.bench.kept import Keep, at_once
from tinygen.bench.machine import busy_seconds, wait_for_quiet
from tinygen.bench.operations import UPDATES
from tinygen.bench.result import Row, Samples
from tinygen.bench.steps import SAMPLING, STEPS

DISTURBED = 1 / 12
"""Share of a sample's time that something else may run."""
ROUNDING, KINKS = 1e-4, 1e-2
"""How far values and gradients may differ: those of operations; and those of training steps and samples, where sums of
float32 in another order flip the sign of entries that are rectified afterwards, or the level that a pixel is rounded
to. Measured beside PyTorch and JAX: 3e-5 at most, and 2e-3."""
ENTRY = 5
"""Tolerances that a single entry may be off by, relative to the greatest."""
ATTEMPTS = 4
"""Samples taken in place of one, at most; one alone where the machine does not come to rest."""


class BenchError(RuntimeError):
    """A library that does not start, or that computes something else: one line."""


def settings(backend: Backend, threads: int) -> dict[str, str]:
    """The environment of a library's process; NPROC is what XLA takes for the number of cores."""
    names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC")
    return os.environ | backend.environment | dict.fromkeys(names, str(threads))


class Worker:
    """The process of one library."""

    def __init__(self, backend: Backend, threads: int) -> None:
        self.name = backend.name
        options = json.dumps(backend.options)
        command = [sys.executable, "-m", "tinygen.bench.worker", backend.module, str(threads), options]
        pipe = subprocess.PIPE
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (it lives as long as the process)
        self.process = subprocess.Popen(
            command, env=settings(backend, threads), stdin=pipe, stdout=pipe, stderr=self.errors, text=True
        )
        self.about = self._answer()

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to one request. Raises BenchError when the process is gone."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            last = (self.errors.read().strip().splitlines() or ["it ended"])[-1]
            raise BenchError(f"{self.name}: {last}")
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.wait()
        self.errors.close()


def compare(case: str, workers: Sequence[Worker], tolerance: float) -> dict[str, str | None]:
    """Name of each library that fails at `case` -> why: an error, or values that differ from the first one's.

    None stands for a library that has nothing for the case.

    Values and gradients are compared array by array: the norm of the difference relative to that of the array is at
    most `tolerance`. No entry may be off by more than `ENTRY` tolerances of the greatest, since rounding puts a few on
    the other side of a kink (a leaky ReLU's argument near 0), and then their gradient is another.
    """
    wrong: dict[str, str | None] = {}
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for i, worker in enumerate(workers):
            path = Path(folder) / f"{i}.npz"
            answer = worker.ask(do="compare", case=case, path=str(path))
            if answer:
                wrong[worker.name] = answer.get("error")
            else:
                found[worker.name] = dict(np.load(path))
        if workers[0].name in wrong:
            return wrong
        reference = found.pop(workers[0].name)
        for name, arrays in found.items():
            if arrays.keys() != reference.keys():
                wrong[name] = f"other gradients: {', '.join(sorted(arrays.keys() ^ reference.keys()))}"
                continue
            for key, expected in reference.items():
                error_of_key = difference(arrays[key], expected)
                if not error_of_key <= tolerance:
                    wrong[name] = f"{key} differs by {error_of_key:.1e}"
                    break
    return wrong


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """How far an array is off: the norm of the difference, or the greatest entry's ENTRY-th part where that is more."""
    if found.shape != expected.shape:
        return float("inf")
    off = found.astype(np.float64) - expected
    whole = np.linalg.norm(off) / max(float(np.linalg.norm(expected)), 1e-6)
    entry = np.abs(off).max(initial=0) / max(float(np.abs(expected).max(initial=0)), 1e-6)
    return float(np.maximum(whole, entry / ENTRY))  # NaN stays


def rounds_of(backends: Sequence[Backend], rounds: int, seed: int) -> Iterator[Backend]:
    """Every library `rounds` times: in each round all of them, in random order."""
    order = random.Random(seed)
    for _ in range(rounds):
        yield from order.sample(backends, len(backends))


def measure(
    cases: Sequence[str],
    backends: Sequence[Backend],
    threads: int,
    rounds: int,
    seconds: float,
    tolerance: float | None = None,
    seed: int = 0,
    keep: Keep = at_once,
    started: Callable[[dict[str, str]], None] = lambda about: None,
    quiet: bool = True,
) -> list[Row]:
    """Times of every case with every library, the first of which the others are compared with.

    Args:
        rounds: samples of each library.
        seconds: of each sample.
        tolerance: how far values and gradients may differ, relative to each array: see `compare`. None: by `ROUNDING`,
            or `KINKS`.
        keep: gives the rows of a case, measured now or before.
        started: is told what each library says of itself.
        quiet: whether samples that something else disturbed on the processor are taken again.

    Raises:
        BenchError: a library does not start.
    """
    rows = []
    with weights.written(cases), ExitStack() as running:
        workers = {}
        for backend in backends:
            workers[backend.name] = running.enter_context(closing(Worker(backend, threads)))
            started(workers[backend.name].about)
        for case in cases:
            there = [b for b in backends if not b.steps_alone or case in STEPS or case in UPDATES]
            allowed = (KINKS if case in STEPS or case in SAMPLING else ROUNDING) if tolerance is None else tolerance
            make = partial(_of_case, case, there, workers, allowed, rounds, seed, seconds, quiet)
            rows += keep(case, make)
    return rows


def _of_case(
    case: str,
    backends: Sequence[Backend],
    workers: Mapping[str, Worker],
    tolerance: float,
    rounds: int,
    seed: int,
    seconds: float,
    quiet: bool,
) -> list[Row]:
    wrong = compare(case, [workers[b.name] for b in backends], tolerance)
    for name in (b.name for b in backends if b.name not in wrong):
        failed = workers[name].ask(do="ready", case=case).get("error")
        if failed:
            wrong[name] = failed
    right = [b for b in backends if b.name not in wrong]
    samples = {backend.name: Samples() for backend in right}
    for backend in rounds_of(right, rounds, seed):
        samples[backend.name].add(*_sample(workers[backend.name], case, seconds, quiet))
    return [Row(case, samples, {name: why for name, why in wrong.items() if why})]


def _sample(worker: Worker, case: str, seconds: float, quiet: bool) -> tuple[float, list[float], bool]:
    """Median, times and whether it was disturbed, of the quietest of up to four samples."""
    if not quiet:
        given = _timed(worker, case, seconds)
        return median(given["times"]), given["times"], False
    best: tuple[float, dict[str, Any]] | None = None
    attempts = ATTEMPTS if wait_for_quiet(1.0) else 1
    for _ in range(attempts):
        before, start = busy_seconds(), time.monotonic()
        given = _timed(worker, case, seconds)
        elapsed, after = time.monotonic() - start, busy_seconds()
        other = 0.0 if before is None or after is None else max(0.0, after - before - given["cpu_seconds"]) / elapsed
        if best is None or other < best[0]:
            best = other, given
        if other <= DISTURBED:
            break
    assert best is not None
    share, given = best
    return median(given["times"]), given["times"], share > DISTURBED


def _timed(worker: Worker, case: str, seconds: float) -> dict[str, Any]:
    given = worker.ask(do="time", case=case, seconds=seconds)
    if "error" in given:
        raise BenchError(f"{worker.name}, at {case}: {given['error']}")
    return given

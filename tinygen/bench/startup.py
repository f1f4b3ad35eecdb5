"""Start-up: from the start of a process to the end of its first training step.

Cold: the folders in which compiled kernels are kept are new and empty. Warm: the same folders, once more. A library's
process is a small program (`backends/first_step_of_*.py`); those of others import nothing of this engine. The examples,
the noise, and weights for a library that has no model to draw them, lie in a file that is written before. What this
engine's models start from data (activation normalisations, a codebook) is part of their first step.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tinygen.bench import weights
from tinygen.bench.backends import Backend
from tinygen.bench.interleave import BenchError, Worker, rounds_of, settings
from tinygen.bench.kept import Keep, at_once
from tinygen.bench.result import Row, Samples
from tinygen.bench.steps import STEPS

CACHES = (
    "TINYGEN_CACHE",
    "NUMBA_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "CUPY_CACHE_DIR",
    "JAX_COMPILATION_CACHE_DIR",
)
STATES = ("cold", "warm")


def measure_startup(
    cases: Sequence[str],
    backends: Sequence[Backend],
    threads: int,
    rounds: int,
    seed: int = 0,
    keep: Keep = at_once,
) -> list[Row]:
    """Two rows a training step: seconds of the first one with empty caches, and with those that it left.

    Raises:
        BenchError: a process fails.
    """
    with weights.written(cases):
        make = {case: partial(_of_case, case, backends, threads, rounds, seed) for case in cases}
        return [row for case in cases for row in keep(case, make[case])]


def _of_case(case: str, backends: Sequence[Backend], threads: int, rounds: int, seed: int) -> list[Row]:
    found = {state: {b.name: Samples() for b in backends} for state in STATES}
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.npz"
        np.savez(given, **arrays_of(case))
        for backend in rounds_of(backends, rounds, seed):
            with tempfile.TemporaryDirectory(dir=folder) as caches:
                for state in STATES:
                    found[state][backend.name].add(first_step(backend, case, threads, given, caches))
    return [Row(f"{case}, {state}", samples, {}) for state, samples in found.items()]


def arrays_of(name: str, n: int | None = None) -> dict[str, Any]:
    """What a step's first run on n examples needs, by name: examples, and behind "noise: " and "weight: " those."""
    found: dict[str, Any] = dict(STEPS[name].batch(n))
    found |= {f"noise: {key}": array for key, array in STEPS[name].noise(n).items()}
    return found | {f"weight: {key}": array for key, array in weights.of(name).items()}


def first_step(backend: Backend, case: str, threads: int, given: Path, caches: str | None) -> float:
    """Seconds from the start of a process of this library to the end of its first training step.

    Args:
        caches: the folder that compiled kernels are kept in; None: where they are kept otherwise.

    Raises:
        BenchError: the process fails.
    """
    program = Path(__file__).parent / "backends" / f"{backend.first_step}.py"
    environment = settings(backend, threads)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed library has its bytecode, whoever installed it
    if caches is not None:
        environment |= dict.fromkeys(CACHES, caches)
    command = [sys.executable, str(program), case, str(threads), str(given)]
    start = time.perf_counter()
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        told = process.stdout.readline()
        seconds = time.perf_counter() - start
        errors = process.stderr.read()
    if not told:
        raise BenchError(f"{backend.name}: {(errors.strip().splitlines() or ['it ended'])[-1]}")
    return seconds


def least(cases: Sequence[str], backend: Backend, threads: int) -> dict[str, float]:
    """Seconds that a start takes at least, by its name: importing Numba in a new process, and a later step.

    What is left out is all that is between: the engine's own modules, the model, loading kernels or compiling them.
    """
    imported = min(_imported() for _ in range(3))
    with weights.written(cases), closing(Worker(backend, threads)) as worker:
        steps = {case: median(worker.ask(do="time", case=case, seconds=0.0)["times"]) for case in cases}
    return {f"{case}, {state}": imported + steps[case] for case in cases for state in STATES}


def _imported() -> float:
    """Seconds of a process that imports Numba, and with it NumPy."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import numba"], check=True)
    return time.perf_counter() - start

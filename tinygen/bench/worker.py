"""One process a library: it answers lines of JSON on its standard input with lines on its standard output.

    {"do": "compare", "case": c, "path": p}  ->  {}                      writes values and gradients of c to p (npz)
    {"do": "time", "case": c, "seconds": s}  ->  {"times": [...], ...}   times c for s seconds, at least once
                                                 "cpu_seconds"           of the process meanwhile
    {"do": "ready", "case": c}               ->  {}                      builds c and runs it until it is warm
    {"do": "memory", "case": c, ...}         ->  {"work": n, ...}        bytes that c takes (memory.py)
    {"do": "work", "case": c}                ->  {"costs": [...], ...}   what c does (floors.py); this engine alone
    {"do": "ceilings"}                       ->  {"copies": [...], ...}  what the machine can do (profiling/ceilings.py)

What else it prints goes to standard error. An error is an answer too: {"error": "..."}; so is {"absent": "..."}, of a
case that the library has nothing for. The first line, unasked, is what the library says of itself.
"""

import gc
import importlib
import json
import os
import sys
import time
from typing import Any

import numpy as np

from tinygen.bench import floors, memory, survey
from tinygen.bench.backends import Absent
from tinygen.bench.cuda import cases as on_cuda
from tinygen.bench.growth import POINTS
from tinygen.bench.operations import OPERATIONS
from tinygen.bench.steps import SAMPLING, STEPS
from tinygen.profiling.ceilings import measure

TRIALS = 3
"""Runs by which it is found how many make a reading."""
READING = 1e-4
"""Seconds that a reading takes at least: what takes less is done several times, so that the clock hardly counts."""
KEPT = 50
"""Readings of a sample that are told, about; of more an even choice, since telling takes time too."""
WARM_UP = 2
"""Runs before the first that is timed: what is compiled, is compiled then."""

NAMED = {operation.name: operation for operation in (*OPERATIONS, *survey.OPERATIONS, *POINTS)}


def build(backend: Any, case: str) -> Any:
    """The run of a case by its name, in a library: on a CUDA device a kernel, on the CPU an operation."""
    if case in STEPS:
        return backend.step(case)
    if case in SAMPLING:
        return backend.sampling(case)
    if backend.clock() is None:
        return backend.operation(NAMED[case])
    return backend.kernel((on_cuda.CEILINGS | on_cuda.KERNELS)[case])


class Cases:
    """The runs of one library: one at a time, so that the memory is that of the case."""

    def __init__(self, backend: Any) -> None:
        self.backend, self.case, self.run, self.warm = backend, "", None, False

    def fresh(self, case: str) -> Any:
        """The run of `case`, as it was built where nothing was timed since."""
        if case != self.case or self.warm:
            self.run = None
            gc.collect()  # a model's parts know each other; while it is there so are the arrays it was given
            self.case, self.run, self.warm = case, build(self.backend, case), False
        return self.run

    def warmed(self, case: str) -> Any:
        """The run of `case`, ready to be timed."""
        if case != self.case or not self.warm:
            run = self.fresh(case)
            for _ in range(WARM_UP):
                run()
            self.warm = True
        return self.run


def serve(module: str, threads: int, options: dict[str, Any]) -> None:
    """Answers requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    backend = importlib.import_module(module)
    backend.setup(threads, **options)
    cases = Cases(backend)
    answer(backend.about(), answers)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer(_done(request, cases), answers)
        except Absent as error:
            answer({"absent": str(error)}, answers)
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}, answers)


def _done(request: dict[str, Any], cases: Cases) -> dict[str, Any]:
    case = request.get("case", "")
    match request["do"]:
        case "compare":
            np.savez(request["path"], **cases.fresh(case).results())
            return {}
        case "ready":
            cases.warmed(case)
            return {}
        case "work":
            return floors.counted(cases.warmed(case))._asdict()
        case "ceilings":
            return vars(measure())
        case "memory":
            return memory.of(cases, case, request["after"], request["compiled"])
        case _:
            clock = cases.backend.clock()
            run, seconds = cases.warmed(case), request["seconds"]
            return sample(run, seconds) if clock is None else clock.sample(run, seconds)


def sample(run: Any, seconds: float) -> dict[str, Any]:
    """Times of one repetition, reading after reading, and how long the process kept the cores meanwhile.

    The first run is not among them: another library had the caches before.
    """
    before = time.process_time()
    first = _reading(run, 1)
    repetitions = 1 if first > READING else max(1, int(READING / min(_reading(run, 1) for _ in range(TRIALS))))
    times, left = list[float](), seconds
    while not times or left > 0:
        times.append(_reading(run, repetitions))
        left -= times[-1] * repetitions
    return {"times": times[:: max(1, len(times) // KEPT)], "cpu_seconds": time.process_time() - before}


def _reading(run: Any, repetitions: int) -> float:
    """Seconds of one of so many repetitions."""
    start = time.perf_counter()
    for _ in range(repetitions):
        run()
    return (time.perf_counter() - start) / repetitions


def answer(content: dict[str, Any], to: Any) -> None:
    """One line of JSON, at once."""
    to.write(json.dumps(content) + "\n")
    to.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))

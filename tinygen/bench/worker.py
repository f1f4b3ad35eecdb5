"""One process a library: it answers lines of JSON on its standard input with lines on its standard output.

    {"do": "compare", "case": c, "path": p}  ->  {}                      writes values and gradients of c to p (npz)
    {"do": "time", "case": c, "seconds": s}  ->  {"times": [...], ...}   times c for s seconds, at least 3 times

What else it prints goes to standard error. An error is an answer too: {"error": "..."}.
"""

import importlib
import json
import os
import sys
import time
from typing import Any

import numpy as np

from tinygen.bench.operations import OPERATIONS

LEAST = 3
"""Repetitions of a sample, however long they take."""


def serve(module: str, threads: int, options: dict[str, Any]) -> None:
    """Answers requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    backend = importlib.import_module(module)
    backend.setup(threads, **options)
    operations = {operation.name: operation for operation in OPERATIONS}
    runs: dict[str, Any] = {}

    def run_of(name: str) -> Any:
        if name not in runs:
            runs.clear()  # one case at a time keeps the memory that of the case
            runs[name] = backend.operation(operations[name]) if name in operations else backend.step(name)
            for _ in range(2):
                runs[name]()  # what is compiled, is compiled here
        return runs[name]

    answer({}, answers)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            run = run_of(request["case"])
            if request["do"] == "compare":
                np.savez(request["path"], **run.results())
                answer({}, answers)
            else:
                answer(sample(run, request["seconds"]), answers)
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}, answers)


def sample(run: Any, seconds: float) -> dict[str, Any]:
    """Times of one repetition after the other, and how long the process kept the cores meanwhile."""
    times: list[float] = []
    before = time.process_time()
    end = time.perf_counter() + seconds
    while len(times) < LEAST or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return {"times": times, "cpu_seconds": time.process_time() - before}


def answer(content: dict[str, Any], to: Any) -> None:
    """One line of JSON, at once."""
    to.write(json.dumps(content) + "\n")
    to.flush()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))

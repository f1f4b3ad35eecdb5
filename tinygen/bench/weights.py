"""The weights of the training steps' models as files, so that a process of another library need not make them.

Making them brings this engine and its compiler into the process: 100 MB and more that the other library's own users
would not have there, and what it tells its own OpenMP through the environment. So a process of its own makes them.
Held by tests/bench/test_bench_weights.py.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tinygen.bench.steps import SAMPLING, STEPS

FOLDER = "TINYGEN_BENCH_WEIGHTS"
"""The variable of the environment that says where the files are."""


def of(step: str) -> dict[str, np.ndarray]:
    """Weights and buffers of a step's model by name: from the file where there is one, else from a new model."""
    path = Path(os.environ.get(FOLDER, "")) / f"{step}.npz"
    if path.is_file():
        with np.load(path) as found:
            return dict(found)
    return {name: value.numpy() for name, value in STEPS[step].model().state_dict().items()}


@contextmanager
def written(cases: Iterable[str]) -> Iterator[None]:
    """Within the block processes that are started find the weights of the models that these cases train or sample."""
    before = os.environ.pop(FOLDER, None)
    with tempfile.TemporaryDirectory() as folder:
        steps = {SAMPLING[case].step if case in SAMPLING else case for case in cases} & STEPS.keys()
        if steps:
            subprocess.run([sys.executable, "-m", "tinygen.bench.weights", folder, *steps], check=True)
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]
            if before is not None:
                os.environ[FOLDER] = before


if __name__ == "__main__":
    for name in sys.argv[2:]:
        np.savez(Path(sys.argv[1]) / f"{name}.npz", **of(name))  # type: ignore[arg-type]

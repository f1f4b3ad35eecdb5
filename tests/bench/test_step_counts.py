"""No training step takes more than it did: tape nodes, kernels, arrays, bytes and copies against committed figures.

Counts, not seconds, so nothing depends on the machine's speed or on what else it does. Where a change is meant to take
more, or takes less, the command writes the new figures:

    python tests/bench/step_counts.py --update
"""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from step_counts import COMMAND, FIGURES, MODELS, counted

SLACK = {"bytes": 0.05, "arrays": 0.05}  # vectors of another width pad other arrays; NumPy's own small ones differ
Counts = dict[str, dict[str, int]]


def risen(found: Counts, committed: Counts) -> list[str]:
    """What has risen above the committed figures, in words."""
    return [
        f"{name}: {what} {value}, committed {committed[name].get(what, 0)}"
        for name, counts in found.items()
        for what, value in counts.items()
        if value > committed[name].get(what, 0) * (1 + SLACK.get(what, 0.0))
    ]


def fallen(found: Counts, committed: Counts) -> list[str]:
    """What lies below them by more than slack, in words."""
    return [
        f"{name}: {what} {counts[what]}, committed {value}"
        for name, counts in found.items()
        for what, value in committed[name].items()
        if what in counts and value > counts[what] * (1 + SLACK.get(what, 0.0))
    ]


@pytest.fixture(scope="module")
def now() -> Counts:
    """The counts of this tree, by a process that has two threads whatever the tests have."""
    environment = os.environ | {"NUMBA_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    program = Path(__file__).with_name("step_counts.py")
    run = subprocess.run([sys.executable, str(program)], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


def test_nothing_takes_more_than_it_did(now: Counts) -> None:
    committed = json.loads(FIGURES.read_text())
    assert risen(now, committed) == [], f"if it is meant to: {COMMAND}"
    less = fallen(now, committed)
    if less:
        warnings.warn(f"takes less than the committed figures, which {COMMAND} brings down: {less}", stacklevel=1)


def test_every_family_is_counted(now: Counts) -> None:
    assert now.keys() == MODELS.keys() == json.loads(FIGURES.read_text()).keys()
    for counts in now.values():
        assert min(counts[what] for what in ("tape nodes", "kernel calls", "arrays", "bytes")) > 0


def test_a_rise_is_told_and_slack_is_left_where_it_must_be() -> None:
    committed = {"vae": {"tape nodes": 100, "bytes": 1000}}
    assert risen({"vae": {"tape nodes": 100, "bytes": 1050}}, committed) == []
    assert risen({"vae": {"tape nodes": 101, "bytes": 1051}}, committed) == [
        "vae: tape nodes 101, committed 100",
        "vae: bytes 1051, committed 1000",
    ]
    assert risen({"vae": {"copies": 1}}, committed) == ["vae: copies 1, committed 0"]
    assert fallen({"vae": {"tape nodes": 99, "bytes": 960}}, committed) == ["vae: tape nodes 99, committed 100"]


def test_calls_are_counted_wherever_the_function_is_known() -> None:
    from tinygen import kernels, random

    with counted(kernels, "load") as calls:
        random.load("philox_bits", "cpu")
        kernels.load("philox_bits", "cpu")
        assert calls() == 2
    kernels.load("philox_bits", "cpu")
    assert calls() == 2
    assert random.load is kernels.load


COPIES = """
import os, sys
sys.path[:0] = [{folder!r}]
import numpy as np
from numpy_memory import Counter
from step_counts import on_cpu

memory = Counter()
x = np.ones((100, 100))
work = {{
    "view": lambda: x.T.reshape(100, 100)[::2],
    "sum": lambda: x + x,
    "copy": lambda: x.copy(),
    "layout": lambda: np.ascontiguousarray(x.T),
    "there": lambda: np.ascontiguousarray(x),
    "flat": lambda: x.T.reshape(-1),
    "dtype": lambda: x.astype(np.float32),
    "small": lambda: np.array([1.0, 2.0]),
}}
for name, step in work.items():
    counts = on_cpu(step, memory)
    print(name, counts["copies"], counts["bytes"])
sys.stdout.flush()
os._exit(0)
"""


def test_a_copy_is_told_from_a_view_and_from_a_result() -> None:
    code = COPIES.format(folder=str(Path(__file__).parent))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {line.split()[0]: tuple(map(int, line.split()[1:])) for line in run.stdout.splitlines()}
    assert found == {
        "view": (0, 0),
        "sum": (0, 80000),
        "copy": (1, 80000),
        "layout": (1, 80000),
        "there": (0, 0),
        "flat": (1, 80000),
        "dtype": (1, 40000),
        "small": (0, 16),
    }

"""The real thing: DDPM on the digits, killed by SIGKILL twenty times at random moments, ends with the same bits."""

import dataclasses
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mean_runs import Silent
from test_run_loop import bits, log

from tinygen.recipe import Recipe
from tinygen.training.assemble import assemble
from tinygen.training.contract import RunError, UsageError
from tinygen.training.loop import train
from tinygen.training.registry import config_class
from tinygen.training.run_directory import RunConfig, RunDirectory

KILLS = 20
COMMAND = [sys.executable, "-m", "tinygen", "train", "--resume"]
ONE_THREAD = {**os.environ, "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # quick on a busy machine too
OPTIONS = {"timesteps": 20, "channels": 8, "multipliers": (1, 2), "heads": 2}
RECIPE = Recipe(steps=400, batch_size=4, lr=1e-3, ema_decay=0.9, warmup=50, sample_every=100, pictures=2)


def config(**changes: Any) -> RunConfig:
    options = dataclasses.asdict(config_class("ddpm")(**OPTIONS))
    recipe = dataclasses.replace(RECIPE, **changes)
    return RunConfig("ddpm", options, "digits", seed=5, device="cpu", recipe=recipe, save_every=3, log_every=2)


def test_twenty_kills(tmp_path: Path) -> None:
    whole, killed = (RunDirectory.create(tmp_path / name, config()) for name in ("whole", "killed"))
    finish(whole)
    rng, start = random.Random(2), math.inf
    for kill in range(KILLS):
        began = time.monotonic()
        process = subprocess.Popen(
            [*COMMAND, str(killed.path)], env=ONE_THREAD, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        if kill % 4 < 3:  # some lines further, and a moment more; else anywhere in the start
            await_lines(killed, more=rng.randint(1, 3), process=process)
            start = min(start, time.monotonic() - began)
            time.sleep(rng.uniform(0, 0.03))
        else:
            time.sleep(rng.uniform(0, start))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, process.communicate()[1].decode()
    finish(killed)
    assert bits(killed.path) == bits(whole.path)
    assert log(killed.path) == log(whole.path)
    for ours, theirs in zip(killed.pictures(), whole.pictures(), strict=True):
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_run_is_a_function_of_its_configuration(tmp_path: Path) -> None:
    runs = [RunDirectory.create(tmp_path / name, config(steps=12)) for name in ("one", "two")]
    for run in runs:
        train(run, config(steps=12), Silent())
    assert bits(runs[0].path) == bits(runs[1].path)
    assert log(runs[0].path) == log(runs[1].path)


def test_what_is_not_finite_is_named_with_its_operation(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^step 2: loss is (inf|nan) \(\w+ made an? (infinity|NaN)\); the last good"):
        train(RunDirectory.create(tmp_path, config()), config(lr=1e25, warmup=0), Silent())


@pytest.mark.parametrize(
    ("option", "value", "complaint"),
    [
        ("channels", 0, "channels is at least 1, not 0"),
        ("blocks", 0, "blocks is at least 1, not 0"),
        ("heads", -1, "heads is at least 0, not -1"),
        ("heads", 3, "is not divisible by"),
        ("multipliers", (), "multipliers are one or more integers of at least 1, not ()"),
        ("timesteps", 0, "a schedule has at least 1 step, not 0"),
    ],
)
def test_options_that_fit_nothing_are_refused_in_one_line(option: str, value: Any, complaint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(complaint)):
        assemble(dataclasses.replace(config(), options={**OPTIONS, option: value}))


def finish(run: RunDirectory) -> None:
    """Train in a process of its own to the end."""
    done = subprocess.run([*COMMAND, str(run.path)], env=ONE_THREAD, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def await_lines(run: RunDirectory, more: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until the log has grown by so many lines since the process cut it back."""
    least = None
    while process.poll() is None:
        lines = run.metrics_file.read_bytes().count(b"\n") if run.metrics_file.exists() else 0
        least = lines if least is None else min(least, lines)
        if lines >= least + more:
            return
        time.sleep(0.002)

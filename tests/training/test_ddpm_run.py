"""The real thing: DDPM on the digits, killed by SIGKILL twenty times at random moments, ends with the same bits."""

import dataclasses
import random
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
from tinygen.training.contract import RunError
from tinygen.training.loop import train
from tinygen.training.registry import config_class
from tinygen.training.run_directory import RunConfig, RunDirectory

KILLS = 20
OPTIONS = {"timesteps": 20, "channels": 8, "multipliers": (1, 2), "heads": 2}
RECIPE = Recipe(steps=600, batch_size=4, lr=1e-3, ema_decay=0.9, warmup=50, sample_every=150, pictures=2)


def config(**changes: Any) -> RunConfig:
    options = dataclasses.asdict(config_class("ddpm")(**OPTIONS))
    recipe = dataclasses.replace(RECIPE, **changes)
    return RunConfig("ddpm", options, "digits", seed=5, device="cpu", recipe=recipe, save_every=3, log_every=2)


def test_twenty_kills(tmp_path: Path) -> None:
    whole = RunDirectory.create(tmp_path / "whole", config())
    assert train(whole, config(), Silent()).finished
    killed = RunDirectory.create(tmp_path / "killed", config())
    command = [sys.executable, "-m", "tinygen", "train", "--resume", str(killed.path)]
    rng = random.Random(2)
    for kill in range(KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if kill % 4:  # some lines further, and a moment more; else anywhere in the start
            await_lines(killed, more=rng.randint(1, 3), process=process)
            time.sleep(rng.uniform(0, 0.03))
        else:
            time.sleep(rng.uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, process.communicate()[1]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert bits(killed.path) == bits(whole.path)
    assert log(killed.path) == log(whole.path)
    for ours, theirs in zip(killed.pictures(), whole.pictures(), strict=True):
        assert ours.read_bytes() == theirs.read_bytes()


def test_what_is_not_finite_is_named_with_its_operation(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^step 2: loss is (inf|nan) \(\w+ made an? (infinity|NaN)\); the last good"):
        train(RunDirectory.create(tmp_path, config()), config(lr=1e25, warmup=0), Silent())


def await_lines(run: RunDirectory, more: int, process: "subprocess.Popen[str]") -> None:
    """Wait until the log has grown by so many lines since the process cut it back."""
    least = None
    while process.poll() is None:
        lines = run.metrics_file.read_bytes().count(b"\n") if run.metrics_file.exists() else 0
        least = lines if least is None else min(least, lines)
        if lines >= least + more:
            return
        time.sleep(0.002)

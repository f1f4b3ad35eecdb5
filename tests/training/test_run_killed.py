"""Killed by SIGKILL twenty times at random moments, a run ends with the bits of one never killed."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_model
from mean_runs import mean_config, start
from test_run_loop import bits, log

from tinygen.training.run_directory import RunDirectory

KILLS = 20
PROGRAM = [sys.executable, fake_model.__file__, "train"]


def test_twenty_kills(tmp_path: Path) -> None:
    changes = {"steps": 2000, "save_every": 3, "log_every": 2, "sample_every": 250}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole, mean_config(**changes)).finished
    RunDirectory.create(killed, mean_config(**changes, pause=0.002))

    rng, kills = random.Random(1), 0
    while kills < KILLS:
        process = subprocess.Popen([*PROGRAM, "--resume", str(killed)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        next(line for line in process.stdout if "run directory" in line)
        time.sleep(rng.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL  # 20 times 0.15 s are less than 2000 times 2 ms
        process.stdout.close()
        kills += 1
    subprocess.run([*PROGRAM, "--resume", str(killed)], check=True, capture_output=True)
    assert bits(killed) == bits(whole)
    assert log(killed) == log(whole)
    pictures = [sorted(path.name for path in (run / "samples").iterdir()) for run in (whole, killed)]
    assert pictures[0] == pictures[1]


def test_ctrl_c_exits_with_0_and_the_command_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "run"
    command = [*PROGRAM, "mean", "--steps", "100000", "--pause", "0.001", "--data", "two_moons", "--out", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("step"))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0
    assert err == ""
    assert "not finished" in out
    assert f"train --resume {path}" in out
    assert list((path / "checkpoints").glob("*.safetensors"))

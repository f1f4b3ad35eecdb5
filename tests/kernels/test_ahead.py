"""A helper compiles what is needed next; of processes that need the same thing one compiles it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numba
import numpy as np
import pytest

from tinygen.bench.backends import first_step_of_tinygen
from tinygen.bench.steps import STEPS
from tinygen.kernels.cpu import ahead, few, launch, turns

pytestmark = pytest.mark.skipif(turns.fcntl is None, reason="where files have no locks there is no helper")

DOUBLE = """
import sys, time
from pathlib import Path
import numpy as np
from tinygen.kernels.cpu import ahead, launch
from tinygen.kernels.cpu.doubling import double_taps, undouble_taps
w = np.arange(2 * 3 * 9, dtype=np.float32).reshape(2, 3, 3, 3)
"""


def python(program, folder, **more):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder), "TINYGEN_CACHE": str(folder)} | more
    return subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def told(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-2000:]
    return out


def launched(name, tmp_path, monkeypatch):
    """The names of the tasks that a step of the bench launches, in their order."""
    names, stages = [], launch.task.stages

    def noted(work):
        following = work
        while following:
            names.append(following.name)
            following = following.following
        return stages.__get__(work, launch.task)

    monkeypatch.setattr(launch.task, "stages", property(noted))
    monkeypatch.setattr(few, "one_goes_through", lambda a: False)  # functions of NumPy's ask for an address once
    step, n = STEPS[name], 4
    given = dict(step.batch(n)) | {f"noise: {key}": array for key, array in step.noise(n).items()}
    np.savez(tmp_path / "given.npz", **given)
    first_step_of_tinygen.main(name, str(tmp_path / "given.npz"))
    return list(dict.fromkeys(names))


@pytest.mark.parametrize("name", ["DDPM", "VAE", "DCGAN", "RealNVP", "VQ-VAE"])
def test_what_is_compiled_ahead_is_what_a_training_step_comes_to(name, tmp_path, monkeypatch):
    names = launched(name, tmp_path, monkeypatch)
    expected = {work for work, announcing in ahead.NEEDED.items() if set(announcing) & set(names)}
    right = [
        work
        for work in expected & set(names)
        if any(names.index(told) < names.index(work) for told in set(ahead.NEEDED[work]) & set(names))
    ]
    assert len(right) >= 0.8 * len(expected)
    plain = [work for work in names if not work.startswith("tinygen_fused")]
    assert len(right) >= 0.5 * len(plain)


def test_the_table_names_tasks_that_there_are_and_nothing_announces_itself():
    for work, announcing in ahead.NEEDED.items():
        assert work not in announcing
        for name in (work, *announcing):
            assert ahead.find(name).name == name


def test_the_helper_hands_over_what_it_compiles_and_ends_with_its_process(tmp_path):
    program = f"""
ahead._is_wanted = lambda: True
double_taps(w)
end = time.time() + 300
while not list(Path({str(tmp_path)!r}).rglob("*_undouble*.nbc")) and time.time() < end:
    time.sleep(0.01)
assert "address" not in vars(launch.TASKS["doubling._undouble"])
print(len(undouble_taps(w).ravel()))
"""
    told(python(DOUBLE + program, tmp_path))
    end = time.time() + 60
    while helpers(tmp_path) and time.time() < end:
        time.sleep(0.01)
    assert not helpers(tmp_path)
    (made,) = tmp_path.rglob("*_undouble*.nbc")
    before = made.stat().st_mtime_ns
    again = "print(undouble_taps(w).tolist())"
    other = tmp_path / "other"
    assert told(python(DOUBLE + again, tmp_path)) == told(python(DOUBLE + again, other, **{ahead.SWITCH: "0"}))
    assert made.stat().st_mtime_ns == before


def helpers(folder):
    """The processes that help one whose caches are in the folder; where /proc does not tell, none."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if b"help_along" in program and str(folder).encode() in environment:
            found.append(process)
    return found


def test_a_helper_that_has_ended_harms_nothing(monkeypatch):
    read, write = os.pipe()
    os.close(read)
    monkeypatch.setattr(ahead, "_helper", write)
    monkeypatch.setattr(ahead, "_asked", True)
    ahead.announce("doubling._double")
    assert ahead._helper is None
    ahead.announce("doubling._double")


def test_where_there_is_no_helper(monkeypatch):
    monkeypatch.delenv(ahead.SWITCH, raising=False)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    assert ahead._is_wanted()
    with monkeypatch.context() as patch:
        patch.setenv(ahead.SWITCH, "0")
        assert not ahead._is_wanted()
    with monkeypatch.context() as patch:
        patch.setattr(numba.config, "NUMBA_NUM_THREADS", 1)
        assert not ahead._is_wanted()
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1}, raising=False)
    assert not ahead._is_wanted()


def test_a_turn_ends_with_the_process_that_has_it(tmp_path):
    program = f"""
import time
from tinygen.kernels.cpu.turns import turn
with turn({str(tmp_path)!r}, "a"):
    print("it has it", flush=True)
    time.sleep(600)
"""
    with python(program, tmp_path) as process:
        assert process.stdout.readline() == "it has it\n"
        with turns.turn(str(tmp_path), "a", patience=0.05) as mine, turns.turn(str(tmp_path), "b", 0) as other:
            pass
        process.kill()
    assert (mine, other) == (False, True)
    with turns.turn(str(tmp_path), "a", patience=10) as mine:
        assert mine


def test_versions_that_two_processes_write_at_once_are_both_kept(tmp_path):
    """An index that was read before the other's was written would leave the other's out, or name it by its own."""
    program = """
import time
import tinygen.kernels.cpu.launch as launch
from numba import types
inner = launch.table
file = inner._cache._cache_file
save = file._save_index
def late(overloads):
    time.sleep(1)
    save(overloads)
file._save_index = late
inner.compile((types.intp, types.{}))
"""
    kinds = ("intp", "uint64")
    for process in [python(program.format(kind), tmp_path) for kind in kinds]:
        told(process)
    count = "from tinygen.kernels.cpu import launch; print(len(launch.table._cache._cache_file._load_index()))"
    assert told(python(count, tmp_path)) == "2\n"
    assert len(list(tmp_path.rglob("arguments.table*.nbc"))) == 2

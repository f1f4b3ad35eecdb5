"""Start-up ends with the first training step; cold is with caches that are empty."""

import subprocess
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tinygen.bench import startup
from tinygen.bench.backends import BACKENDS, Backend
from tinygen.bench.interleave import BenchError
from tinygen.bench.startup import first_step, measure_startup

STAND_IN = """
import os, sys, time
from pathlib import Path
folder = Path(os.environ["NUMBA_CACHE_DIR"])
clock, read = (Path(__file__).with_name(name) for name in ("clock", "read"))
pass_by = lambda seconds: clock.write_text(str(float(clock.read_text()) + seconds))
if not list(folder.iterdir()):
    pass_by(3)
    (folder / "compiled").touch()
pass_by(1)
assert Path(sys.argv[3]).exists(), "no arrays"
assert not sys.dont_write_bytecode
print(sys.argv[1], flush=True)
patience = 10_000
while not read.exists() and patience:
    time.sleep(0.001)
    patience -= 1
read.unlink(missing_ok=True)
pass_by(100)
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """A library that starts in 1 s, the first time in 4 s, and takes 100 s to end, by a clock that it moves on itself,
    and waits for its second reading to end."""
    (tmp_path / "backends").mkdir()
    clock, readings = tmp_path / "backends" / "clock", count(1)
    clock.write_text("0")

    def read() -> float:
        now = float(clock.read_text())
        if next(readings) % 2 == 0:
            clock.with_name("read").touch()
        return now

    monkeypatch.setattr(startup, "time", SimpleNamespace(perf_counter=read))
    (tmp_path / "backends" / "slow.py").write_text(STAND_IN)
    (tmp_path / "backends" / "broken.py").write_text("raise OSError('no such library')")
    monkeypatch.setattr(startup, "__file__", str(tmp_path / "startup.py"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return Backend("slow", "", "numpy", first_step="slow")


def test_cold_is_with_empty_caches_and_warm_with_what_it_left(stand_in: Backend) -> None:
    cold, warm = measure_startup(["VAE"], [stand_in], threads=1, rounds=2)
    assert (cold.case, warm.case) == ("VAE, cold", "VAE, warm")
    assert cold.samples["slow"].values == [4, 4]
    assert warm.samples["slow"].values == [1, 1]


def test_a_program_that_fails_is_one_line(stand_in: Backend) -> None:
    broken = Backend("torch", "", "torch", first_step="broken")
    with pytest.raises(BenchError, match="torch: OSError: no such library"):
        measure_startup(["VAE"], [broken], threads=1, rounds=1)


@pytest.mark.parametrize("library", ["tinygen", "torch", "jax"])
@pytest.mark.parametrize("step", ["VAE", "DCGAN"])
def test_the_programs_take_a_step(library: str, step: str, tmp_path: Path) -> None:
    if library != "tinygen":
        pytest.importorskip(library)
    np.savez(tmp_path / "given.npz", **startup.arrays_of(step, 4))
    assert first_step(BACKENDS[library], step, 1, tmp_path / "given.npz", None) > 0


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_the_programs_of_others_import_nothing_of_this_engine(library: str) -> None:
    pytest.importorskip(library)
    program = Path(startup.__file__).parent / "backends" / f"first_step_of_{library}.py"
    code = f"import runpy, sys; runpy.run_path({str(program)!r}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.startswith("tinygen.") and not name.startswith("tinygen.bench")}
    assert library in loaded
    assert ours == set()
    assert "tinygen.bench.steps" not in loaded

"""How the tests start ranks: with the mpirun that stands beside this Python, or on the path."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
TINYGEN = [sys.executable, "-m", "tinygen"]


def mpirun() -> str | None:
    """The launcher of the MPI that mpi4py would use, or None."""
    if importlib.util.find_spec("mpi4py") is None:
        return None
    return shutil.which("mpirun", path=str(Path(sys.executable).parent)) or shutil.which("mpirun")


needs_mpi = pytest.mark.skipif(mpirun() is None, reason="no mpirun and mpi4py: pip install tinygen[mpi]")


def command(ranks: int, program: list[str]) -> list[str]:
    """`program` on so many ranks; one rank is the plain program."""
    return program if ranks == 1 else [str(mpirun()), "-n", str(ranks), *program]


def run(ranks: int, program: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `program` on so many ranks to its end, and keep what it prints."""
    return subprocess.run(
        command(ranks, program), capture_output=True, text=True, timeout=300, env=environment(), **options
    )


def environment() -> dict[str, str]:
    """One thread for each rank: the machine of the tests may have few cores."""
    return {**os.environ, "NUMBA_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}

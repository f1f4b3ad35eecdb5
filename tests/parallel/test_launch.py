"""A process knows that it is one of several by its environment alone, and says what is wrong where MPI knows better."""

import os
import subprocess
import sys

import pytest
from mpi_runs import needs_mpi

from tinygen.parallel.launch import launched, own_threads, restart_command, world


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (1, 0)),
        ({"PMI_SIZE": "4", "PMI_RANK": "2"}, (4, 2)),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}, (2, 1)),
        ({"PMI_SIZE": "1", "PMI_RANK": "0"}, (1, 0)),
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "7"}, (8, 7)),
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, (1, 0)),  # a batch script is one process, however many are to come
        ({"PMI_SIZE": "", "PMI_RANK": "0"}, (1, 0)),
    ],
)
def test_the_launcher_says_how_many_there_are(environment, expected):
    assert launched(environment) == expected


@pytest.mark.parametrize(
    ("own", "all_here", "threads"),
    [
        ({0, 1, 2, 3}, [{0, 1, 2, 3}], 4),
        ({0, 1, 2, 3}, [{0, 1, 2, 3}] * 2, 2),
        ({0, 1}, [{0, 1}] * 4, 1),
        ({2, 3}, [{0, 1}, {2, 3}], 2),  # the launcher has bound the ranks to cores of their own
    ],
)
def test_ranks_divide_the_cores_they_share(own, all_here, threads):
    assert own_threads(frozenset(own), [frozenset(other) for other in all_here]) == threads


def tinygen(environment: dict[str, str], before: str = "") -> subprocess.CompletedProcess[str]:
    program = f"import sys\n{before}\nfrom tinygen.cli import main\nsys.exit(main(['train', 'nothing']))"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, **environment}, timeout=60
    )


@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_without_mpi_are_wrong_usage_told_once(rank):
    ended = tinygen({"PMI_SIZE": "2", "PMI_RANK": str(rank)}, "sys.modules['mpi4py'] = None")
    assert ended.returncode == 2
    assert "2 processes were started to work together, and MPI does not load" in ended.stderr or rank
    assert "pip install tinygen[mpi]" in ended.stderr or rank
    assert ended.stderr.count("\n") == (1 if rank == 0 else 0)


@needs_mpi
def test_an_mpirun_of_another_mpi_is_wrong_usage():
    ended = tinygen({"OMPI_COMM_WORLD_SIZE": "3", "OMPI_COMM_WORLD_RANK": "0"})
    assert ended.returncode == 2
    assert "3 processes were started to work together, but MPI sees 1: mpirun is not that of the MPI" in ended.stderr


def test_one_process_does_not_load_mpi():
    program = "import sys, tinygen.cli\ntinygen.cli.main(['train', 'nothing'])\nassert 'mpi4py' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert (world().size, restart_command()) == (1, "")

"""How a process knows that it is one of several, and what of its machine is its own.

mpirun (and srun) say in the environment how many they start. Then MPI is asked, and must see as many: an mpirun of
another MPI than mpi4py's starts processes that each think themselves alone.
Held by tests/parallel/test_launch.py.
"""

import os
import sys
from collections.abc import Mapping, Sequence

from tinygen.device import Device
from tinygen.parallel.communicator import Alone, Communicator

_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
_RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID")


class NotTogether(RuntimeError):
    """The processes that were started cannot work together: one line, with what would be right."""


_world: Communicator = Alone()


def world() -> Communicator:
    """The ranks of this run: those that `join` found, else this process alone."""
    return _world


def join() -> Communicator:
    """Meets the other ranks, if the environment says that there are some; from then on `world()` gives them.

    Ranks other than the first print nothing from here on: what they have to say goes through the first.

    Raises:
        NotTogether: there are some, and MPI does not load or sees another number.
    """
    global _world
    if _world.size > 1:
        return _world
    started, rank = launched(os.environ)
    if started == 1:
        return _world
    if rank:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 for as long as the process lives
    try:
        from tinygen.parallel.mpi import Processes, library
    except (ImportError, RuntimeError) as error:
        sys.stderr = sys.stderr if rank == 0 else sys.stdout
        raise NotTogether(
            f"{started} processes were started to work together, and MPI does not load ({error}): "
            "pip install tinygen[mpi] brings it, with an mpirun of its own"
        ) from None
    found = Processes()
    if found.size != started:
        sys.stderr = sys.stderr if rank == 0 else sys.stdout
        raise NotTogether(
            f"{started} processes were started to work together, but MPI sees {found.size}: mpirun is not that of "
            f"the MPI that mpi4py uses ({library()}); pip install tinygen[mpi] brings an mpirun that is"
        )
    _, affinities = found.neighbours(_affinity())
    os.environ.setdefault("NUMBA_NUM_THREADS", str(own_threads(_affinity(), affinities)))
    _world = found
    return found


def launched(environment: Mapping[str, str]) -> tuple[int, int]:
    """How many processes were started together, and which of them this is; (1, 0) where nothing says so."""
    sizes = [int(environment[name]) for name in _SIZES if environment.get(name, "").isdigit()]
    ranks = [int(environment[name]) for name in _RANKS if environment.get(name, "").isdigit()]
    return (sizes[0], ranks[0]) if sizes and ranks and sizes[0] > 1 else (1, 0)


def own_threads(own: frozenset[int], all_here: Sequence[frozenset[int]]) -> int:
    """A rank's share of the cores it may run on: those it shares with others are divided among them, at least 1."""
    return max(1, len(own) // max(1, sum(bool(own & other) for other in all_here)))


def own_device(device: str | Device) -> Device:
    """The device of a rank of a run on `device`, the current one from here on: on it kernels are started.

    Of several GPUs on a machine each of several ranks takes one of its own; sums between GPUs then go through NCCL.

    Raises:
        NotTogether: there are fewer GPUs than ranks, or NCCL does not load.
    """
    from tinygen.device import device as find_device

    found = find_device(device)
    if found.kind == "cpu":
        return found
    if _world.size == 1:
        import cupy

        cupy.cuda.Device(found.index).use()
        return found
    from tinygen.parallel.nccl import take_gpu

    return take_gpu(_world)


def restart_command() -> str:
    """What stands before `tinygen train --resume DIR` to go on with as many ranks."""
    return f"mpirun -n {_world.size} " if _world.size > 1 else ""


def _affinity() -> frozenset[int]:
    try:
        return frozenset(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return frozenset(range(os.cpu_count() or 1))

"""CPU time of a training step of each rank, alone and of two that share the batch, one thread each.

python tests/parallel/step_times.py

What the ranks wait for each other is in it; what a run takes besides its steps is the same in a shorter one, which is
subtracted. With more ranks than quiet cores, waiting is most of it.
"""

import resource
import subprocess
import sys
import tempfile

from mpi_runs import TINYGEN, command, environment, mpirun

FEW = 5
SMALL = ["--pictures", "1", "--batch-size", "64"]
MODELS = {"ddpm": (40, ["--timesteps", "20"]), "dcgan": (100, []), "vae": (600, [])}  # steps, options


def seconds(ranks: int, *options: str) -> float:
    """CPU time, in user and system, of a run and all its ranks."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        program = [*TINYGEN, "train", *options, *SMALL, "--out", f"{folder}/run"]
        subprocess.run(command(ranks, program), env=environment(), stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def of_a_step(ranks: int, steps: int, *options: str) -> float:
    """Milliseconds of each rank; of each run the least of two."""
    long, short = (min(seconds(ranks, *options, "--steps", str(n)) for _ in range(2)) for n in (FEW + steps, FEW))
    return 1e3 * (long - short) / steps / ranks


if __name__ == "__main__":
    if mpirun() is None:
        raise SystemExit("no mpirun and mpi4py: pip install tinygen[mpi]")
    data = sys.argv[1:] or ["digits"]  # or mnist, where it is
    for name, (steps, options) in MODELS.items():
        for which in data:
            seconds(1, name, "--data", which, *options, "--steps", "1")  # compiles
            times = [of_a_step(ranks, steps, name, "--data", which, *options) for ranks in (1, 2)]
            print(f"{name:6} {which:8} 1 rank {times[0]:6.1f} ms   2 ranks, each {times[1]:6.1f} ms", flush=True)

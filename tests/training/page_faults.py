"""Page faults and CPU time of a training step, on one thread, with and without `keep_memory`; a process for each.

python tests/training/page_faults.py
"""

import os
import resource
import subprocess
import sys

STEPS = 8


def measure(name: str, keep: bool) -> str:
    """Of one step, once four have been taken."""
    from tinygen import optim
    from tinygen.bench.steps import STEPS as CASES
    from tinygen.bench.steps import Given, losses
    from tinygen.training.memory import keep_memory

    if keep:
        keep_memory()
    step = CASES[name]
    model, batch, noise = step.model(), step.batch(), step.noise()
    weights = step.weights(model)
    optimisers = [optim.Adam(named.values(), lr=step.lr) for named in weights]

    def go() -> None:
        for optimiser, (_, gradients) in zip(optimisers, losses(step, model, weights, batch, Given(noise))):
            for parameter, gradient in zip(optimiser.parameters(), gradients.values()):
                parameter.grad = gradient
            optimiser.step()
            optimiser.zero_grad()

    for _ in range(4):
        go()
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(STEPS):
        go()
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{(after.ru_minflt - before.ru_minflt) / STEPS:6.0f} faults, {1000 * seconds / STEPS:4.0f} ms"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measure(sys.argv[1], sys.argv[2] == "keep"))
    else:
        one = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        for case in ("DDPM", "RealNVP", "DCGAN", "VQ-VAE", "VAE"):
            told = [
                subprocess.run(
                    [sys.executable, __file__, case, how], env=os.environ | one, stdout=subprocess.PIPE, check=True
                )
                for how in ("as it is", "keep")
            ]
            print(f"{case:8}", *(done.stdout.decode().strip() for done in told), sep="    ", flush=True)

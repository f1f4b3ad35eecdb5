"""What one training step of each family takes, in counts: the same on every machine, whatever else it does.

    tape nodes        values that are recorded
    kernel calls      of `tinygen.kernels`, on the CPU
    arrays, bytes     that NumPy allocates
    copies            arrays of more than `LARGE` bytes made by functions that only copy, or bring into another layout
    CUDA launches     of the project's own kernels, on the simulated device

    python tests/bench/step_counts.py             prints them as JSON
    python tests/bench/step_counts.py --update    writes them to step_counts.json, which test_step_counts.py holds

Two threads, since a kernel's parts are arrays too; the second and third step after the first two must agree.
"""

import itertools
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FIGURES = Path(__file__).with_suffix(".json")
COMMAND = f"python tests/bench/{Path(__file__).name} --update"
LARGE = 1024
COPYING = {"array", "asarray", "ascontiguousarray", "astype", "copy", "flatten", "ravel", "reshape"}
MODELS: dict[str, dict[str, Any]] = {
    "vae": {"latent": 3, "hidden": (16,)},
    "dcgan": {"channels": 8},
    "ddpm": {"timesteps": 8, "channels": 16, "multipliers": (1, 2), "heads": 2},
    "realnvp": {"hidden": 4, "scales": 1},
    "vqvae": {"hidden": 16, "codes": 16},
    "pixelcnn": {"width": 8, "layers": 3},
}
BATCH, WARM_UP = 6, 2


def stepper(name: str, device: str = "cpu") -> Callable[[], Any]:
    """The training step of a small model on digits, as `tinygen train` takes it."""
    from tinygen.data import load
    from tinygen.learner import learner_of
    from tinygen.random import Generator
    from tinygen.recipe import Recipe
    from tinygen.training.registry import config_class

    digits, rng = load("digits", "train"), Generator(0)
    model = config_class(name)(**MODELS[name]).build(digits.shape, None, rng)
    if hasattr(model, "prepare"):
        model.prepare(digits)
    learner = learner_of(model.to(device), Recipe(steps=100, batch_size=BATCH, lr=1e-3, warmup=0, ema_decay=0.9))
    batch = digits.batch(slice(BATCH))
    return lambda: learner.step(batch, rng)


@contextmanager
def counted(owner: Any, name: str) -> Iterator[Callable[[], int]]:
    """Within the block the calls of a function are counted, in every module that has it; gives their number so far."""
    function = getattr(owner, name)
    calls = itertools.count()
    made = 0

    def counting(*args: Any, **kwargs: Any) -> Any:
        nonlocal made
        made = next(calls) + 1
        return function(*args, **kwargs)

    users = [module for module in list(sys.modules.values()) if getattr(module, name, None) is function]
    for module in users:
        setattr(module, name, counting)
    try:
        yield lambda: made
    finally:
        for module in users:
            setattr(module, name, function)


def on_cpu(step: Callable[[], Any], memory: Any) -> dict[str, int]:
    """The counts of one step on the CPU."""
    from tinygen import kernels
    from tinygen.autodiff.tape import now

    copies = 0
    started: list[int] = []

    def watch(frame: Any, event: str, function: Any) -> None:
        nonlocal copies
        if event == "c_call" and getattr(function, "__name__", "") in COPYING:
            started.append(memory.bytes)
        elif event == "c_return" and getattr(function, "__name__", "") in COPYING and started:
            copies += memory.bytes - started.pop() > LARGE

    with counted(kernels, "load") as calls:
        before = now(), memory.blocks, memory.bytes
        sys.setprofile(watch)
        try:
            step()
        finally:
            sys.setprofile(None)
        return {
            "tape nodes": now() - before[0] - 1,
            "kernel calls": calls(),
            "arrays": memory.blocks - before[1],
            "bytes": memory.bytes - before[2],
            "copies": copies,
        }


def launches(name: str) -> int:
    """Kernels that a step on the simulated CUDA device starts, one by one."""
    from simulator.cupy import as_cupy

    from tinygen.capture import captured_steps
    from tinygen.kernels.cuda import launch

    with as_cupy(), captured_steps(False):
        step = stepper(name, "cuda")
        step()
        with counted(launch, "launch") as calls:
            step()
            return calls()


def main() -> None:
    """Counts, prints, writes if asked to, and leaves without taking the interpreter down."""
    os.environ.update(NUMBA_NUM_THREADS="2", OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="1")
    sys.path.insert(0, str(Path(__file__).parents[1] / "cuda"))
    from numpy_memory import Counter

    memory = Counter()
    found: dict[str, dict[str, int]] = {}
    for name in MODELS:
        step = stepper(name)
        for _ in range(WARM_UP):
            step()
        found[name], again = on_cpu(step, memory), on_cpu(step, memory)
        if found[name] != again:
            raise SystemExit(f"{name}: one step takes {found[name]}, the next {again}")
        if shutil.which("g++"):
            found[name]["CUDA launches"] = launches(name)
    written = json.dumps(found, indent=1) + "\n"
    print(written, end="", flush=True)
    if "--update" in sys.argv:
        FIGURES.write_text(written)
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        traceback.print_exc()
        os._exit(1)

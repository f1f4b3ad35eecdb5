"""`tinygen profile MODEL [options of train]`: where the time of a training step goes."""

import io
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinygen.cli.train import TrainOptions, command, configure, parse_for
from tinygen.training.contract import NonFinite, RunError, UsageError
from tinygen.training.registry import MODELS

USAGE = """\
usage: tinygen profile MODEL [options]     measures training steps of one of {models}

  The options are those of tinygen train; of these --steps N is how many steps are measured (5), after {warm} to warm
  up, and --out DIR where the tables (profile.md), the figures (.json) and the picture of a step (.png) go.

  tinygen profile ddpm --help              all of them"""

WARM = 2
"""Steps before what is measured: kernels are compiled or loaded, memory is taken."""
STEPS = 5


def run(args: Sequence[str]) -> int:
    """The command; returns the exit code."""
    if not args or args[0] in ("-h", "--help"):
        if args:
            print(USAGE.format(models=", ".join(MODELS), warm=WARM))
            return 0
        raise UsageError(f"profile takes a model: {', '.join(MODELS)} (tinygen list says what each is)")
    if args[0].startswith("-"):
        raise UsageError(f"profile takes the model first, then options: tinygen profile ddpm {args[0]}")
    name = args[0]
    options, model_config = parse_for(name, args[1:], f"tinygen profile {name}")
    return measure(name, options, model_config, args)


def measure(name: str, options: TrainOptions, model_config: Any, args: Sequence[str]) -> int:
    """Trains a few steps and says where their time went."""
    import numpy as np

    from tinygen.kernels.cpu.openblas import one_blas_thread
    from tinygen.profiling import profile
    from tinygen.training.assemble import assemble
    from tinygen.training.memory import keep_memory
    from tinygen.training.precision import computing_in

    config = configure(name, options, model_config, command(args))
    keep_memory()
    parts = assemble(config)

    def step() -> None:
        with computing_in(options.precision):
            parts.learner.step(next(parts.loader), parts.rng)

    try:
        with np.errstate(all="ignore"), one_blas_thread():  # as `tinygen train` has it
            for _ in range(WARM):
                step()
            with profile(parts.model) as found:
                for _ in range(options.steps or STEPS):
                    step()
                    found.step()
    except (NonFinite, FloatingPointError) as error:
        raise RunError(str(error)) from error
    except MemoryError as error:
        raise RunError("out of memory") from error
    title = f"{name} on {options.data}, batch {config.recipe.batch_size}, {config.device}"
    found.show(title)
    if options.out is not None:
        print("  ".join(map(str, save(options.out, found, title, shlex.join(["tinygen", "profile", *args])))))
    return 0


def save(folder: Path, found: Any, title: str, said: str) -> list[Path]:
    """Writes the tables, the figures and the picture; where to. Raises RunError where it cannot."""
    from tinygen.bench.machine import description
    from tinygen.drawing.render import render
    from tinygen.files import write_atomically
    from tinygen.profiling.report import content
    from tinygen.profiling.timeline import timeline

    paths = [folder / f"profile.{kind}" for kind in ("md", "json", "png")]
    machine = description(threads())
    about = ", ".join(f"{key} {value}" for key, value in machine.items())
    figures = {"command": said, "title": title, "machine": machine, **content(found)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shown = f"`{said}`\n\n{about}.\n\n```\n{as_text(found, title)}```\n\n![{title}]({paths[2].name})\n"
        write_atomically(paths[0], shown)
        write_atomically(paths[1], json.dumps(figures, indent=1))
        write_atomically(paths[2], render(timeline(found, title)))
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror or error}") from error
    return paths


def as_text(found: Any, title: str) -> str:
    """The tables as the terminal shows them, without what says how to read them."""
    from rich.console import Console

    from tinygen.profiling.report import tables

    console = Console(width=120, file=io.StringIO())
    with console.capture() as shown:
        for table in tables(found, title)[:-1]:
            console.print(table)
    return "".join(f"{line.rstrip()}\n" for line in shown.get().splitlines())


def threads() -> int:
    """Threads of the kernels on the CPU."""
    import numba

    return int(numba.get_num_threads())

"""`tinygen sample DIR [-n 64]`: a picture of samples from the averaged weights of a run."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from tinygen.cli.options import parse
from tinygen.training.contract import RunError, UsageError

AT_ONCE = 64
"""Samples drawn together; more are drawn in parts, so that memory does not grow with n."""


@dataclass(frozen=True)
class SampleOptions:
    """Draw samples from a trained run."""

    directory: tyro.conf.Positional[Path]
    """Directory of the run."""
    n: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 64
    """How many."""
    seed: int = 0
    """Which: the same seed gives the same samples."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="PNG", help_behavior_hint="(default: one in DIR/samples)")] = None
    """Picture to write."""


def run(args: Sequence[str]) -> int:
    """The command; returns the exit code."""
    options = parse(SampleOptions, args, "tinygen sample", "Draw samples from a trained run.")
    if options.n < 1:
        raise UsageError(f"-n is at least 1, not {options.n}")
    if options.out is not None and options.out.suffix.lower() != ".png":
        raise UsageError(f"--out is a picture that ends in .png, not {options.out}")
    from tinygen.cli.loaded import load_run
    from tinygen.random import Generator
    from tinygen.training.pictures import can_draw, save_samples
    from tinygen.training.tree import as_numpy

    directory, _, parts, step = load_run(options.directory)
    if not can_draw(parts.dataset.shape):
        raise UsageError(f"samples of shape {parts.dataset.shape} cannot be drawn; images or points in the plane can")
    if sys.stderr.isatty():
        print(f"drawing {options.n} samples, step {step:,} of {options.directory}", file=sys.stderr)
    rng = Generator(options.seed)
    with parts.learner.averaged() as model:
        parts_of_n = [min(AT_ONCE, options.n - start) for start in range(0, options.n, AT_ONCE)]
        samples = np.concatenate([as_numpy(model.sample(n, rng)) for n in parts_of_n])
    path = options.out or directory.samples / f"drawn-{step:08d}-n{options.n}-seed{options.seed}.png"
    try:
        save_samples(path, samples, parts.dataset.value_range)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error
    print(path)
    return 0

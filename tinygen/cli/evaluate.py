"""`tinygen eval DIR`: the figures of a trained run on data it has not seen: of its likelihood, and of its samples.

They are printed, kept in the run directory, and shown by its report with the model's drawings, made where they are
missing or the run has not finished.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from tinygen.cli.options import parse

_ENOUGH = "(default: 2500 points, or as many images as are held out, at most 1000)"
_NAMES = 34
"""Width of the column of names."""


@dataclass(frozen=True)
class EvalOptions:
    """Measure a trained run on held-out data."""

    directory: tyro.conf.Positional[Path]
    """Directory of the run."""
    n: Annotated[int | None, tyro.conf.arg(aliases=["-n"], metavar="INT", help_behavior_hint=_ENOUGH)] = None
    """How many samples to draw and measure."""
    samples: bool = True
    """Whether to measure samples, too, which takes as long as drawing them does."""
    seed: int = 0
    """For what is estimated by drawing: the same seed gives the same figures."""


def run(args: Sequence[str]) -> int:
    """The command; returns the exit code."""
    options = parse(EvalOptions, args, "tinygen eval", "Measure a trained run on held-out data.")
    from tinygen import data
    from tinygen.cli.loaded import load_run
    from tinygen.metrics.samples import LEAST, enough, sample_figures
    from tinygen.random import Generator
    from tinygen.training.assemble import fresh
    from tinygen.training.contract import Evaluates, UsageError
    from tinygen.training.gallery import make_drawings
    from tinygen.training.report import write_report

    if options.n is not None and options.n < LEAST:
        raise UsageError(f"-n is at least {LEAST}, not {options.n}; --no-samples measures none")
    directory, config, parts, step = load_run(options.directory)
    try:
        held_out = data.load(config.data, "test", size=config.image_size)
    except ValueError as error:
        raise UsageError(str(error)) from error
    n = enough(held_out) if options.n is None else options.n
    print(f"{config.model} on {config.data}, step {step:,}, {len(held_out):,} held-out examples")
    with parts.learner.averaged() as model:
        figures = {"loss": (test_loss(model, held_out, config.recipe.batch_size, Generator(options.seed)), "")}
        if isinstance(model, Evaluates):
            figures |= model.evaluate(held_out, Generator(options.seed))
        show(figures)
        if options.samples:
            if sys.stderr.isatty():
                complain(f"drawing {n:,} samples (-n takes fewer, --no-samples none)")
            try:
                of_samples = sample_figures(model, parts.dataset, held_out, n, Generator(options.seed))
            except ValueError as error:
                raise UsageError(str(error)) from error
            show(of_samples)
            if not of_samples:
                complain("samples are not measured: a classifier would do it, and the data has no classes to learn")
            figures |= of_samples
        if step < config.recipe.steps or not directory.drawing_files():  # a run that has finished has drawn them
            make_drawings(directory, config, model, fresh(parts.pictures), complain)
    try:
        directory.write_evaluation(step, figures)
        write_report(directory)
    except OSError as error:
        complain(f"the report could not be written: {error.strerror or error}")
    return 0


def show(figures: Mapping[str, tuple[float, str]]) -> None:
    """A line for each figure."""
    for name, (value, unit) in figures.items():
        print(f"  {name:<{_NAMES}}  {value:<9.5g} {unit}".rstrip(), flush=True)


def complain(text: str) -> None:
    """Say what is missing beside the figures."""
    print(text, file=sys.stderr)


def test_loss(model: Any, held_out: Any, batch_size: int, rng: Any) -> float:
    """The mean of the loss over the held-out examples, each counted once."""
    from tinygen import data, no_grad

    loader = data.Loader(held_out, min(batch_size, len(held_out)), rng, drop_last=False, shuffle=False)
    losses, sizes = [], []
    with no_grad():
        for batch in loader.rest_of_epoch():
            losses.append(float(model.loss(batch, rng)[0]))
            sizes.append(len(batch["x"]))
    return float(np.average(losses, weights=sizes))

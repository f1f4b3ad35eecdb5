"""`tinygen eval DIR`: the figures of a trained run on data it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from tinygen.cli.options import parse


@dataclass(frozen=True)
class EvalOptions:
    """Measure a trained run on held-out data."""

    directory: tyro.conf.Positional[Path]
    """Directory of the run."""
    seed: int = 0
    """For what is estimated by drawing: the same seed gives the same figures."""


def run(args: Sequence[str]) -> int:
    """The command; returns the exit code."""
    options = parse(EvalOptions, args, "tinygen eval", "Measure a trained run on held-out data.")
    from tinygen import data
    from tinygen.cli.loaded import load_run
    from tinygen.random import Generator
    from tinygen.training.contract import Evaluates, UsageError

    _, config, parts, step = load_run(options.directory)
    try:
        held_out = data.load(config.data, "test", size=config.image_size)
    except ValueError as error:
        raise UsageError(str(error)) from error
    with parts.learner.averaged() as model:
        figures = {"loss": (test_loss(model, held_out, config.recipe.batch_size, Generator(options.seed)), "")}
        if isinstance(model, Evaluates):
            figures |= model.evaluate(held_out, Generator(options.seed))
    print(f"{config.model} on {config.data}, step {step:,}, {len(held_out):,} held-out examples")
    width = max(map(len, figures))
    for name, (value, unit) in figures.items():
        print(f"  {name:<{width}}  {value:.6g} {unit}".rstrip())
    return 0


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

"""`tinygen sample DIR [-n 64] [--class 3]`: a picture of samples from the averaged weights of a run."""

import difflib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import tyro

from tinygen.cli.options import parse
from tinygen.training.contract import RunError, UsageError

Class = Annotated[
    str | None,
    tyro.conf.arg(name="class", metavar="CLASS[,CLASS]", help_behavior_hint="(default: every class in turn)"),
]


@dataclass(frozen=True)
class SampleOptions:
    """Draw samples from a trained run."""

    directory: tyro.conf.Positional[Path]
    """Directory of the run."""
    n: Annotated[int, tyro.conf.arg(aliases=["-n"])] = 64
    """How many."""
    classes: Class = None
    """Of which class, by name or number, from a conditional model; of several, in turn."""
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
    from tinygen.metrics.samples import draw
    from tinygen.random import Generator
    from tinygen.training.pictures import can_draw, save_samples

    directory, config, parts, step = load_run(options.directory)
    if not can_draw(parts.dataset.shape):
        raise UsageError(f"samples of shape {parts.dataset.shape} cannot be drawn; images or points in the plane can")
    labels = asked(options.classes, config.model, getattr(parts.model, "classes", 0), parts.dataset.classes)
    if sys.stderr.isatty():
        print(f"drawing {options.n} samples, step {step:,} of {options.directory}", file=sys.stderr)
    with parts.learner.averaged() as model:
        of = None if labels is None else np.resize(labels, options.n)
        samples = draw(model, options.n, Generator(options.seed), of)
    which = "" if options.classes is None or labels is None else f"-class{'-'.join(map(str, labels))}"
    path = options.out or directory.samples / f"drawn-{step:08d}-n{options.n}-seed{options.seed}{which}.png"
    try:
        save_samples(path, samples, parts.dataset.value_range)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}") from error
    print(path)
    return 0


def asked(given: str | None, model: str, classes: int, names: Sequence[str]) -> npt.NDArray[np.int64] | None:
    """The classes named in `given`, a comma between them: all of a conditional model's by default, None of another's.

    Raises UsageError for a class that there is not, or any where the model is unconditional.
    """
    if not classes:
        if given is not None:
            raise UsageError(f"{model} is unconditional and takes no --class; models such as cvae and cgan do")
        return None
    if given is None:
        return np.arange(classes)
    return np.array([_number(word.strip(), names) for word in given.split(",")], np.int64)


def _number(word: str, names: Sequence[str]) -> int:
    """The number of the class that is called `word`, or has that number."""
    if word in names:
        return names.index(word)
    if word.isdecimal() and int(word) < len(names):
        return int(word)
    near = difflib.get_close_matches(word, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {len(names)}: {', '.join(names[:12])}"
    raise UsageError(f"--class takes classes of the data, and {word or 'nothing'} is none: {hint}")

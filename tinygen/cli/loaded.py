"""A trained run as `sample` and `eval` need it: its parts with the weights of the newest good checkpoint."""

import sys
from pathlib import Path

from tinygen.training import checkpoint as checkpoints
from tinygen.training.assemble import Parts, assemble
from tinygen.training.contract import UsageError
from tinygen.training.loop import take_over
from tinygen.training.run_directory import RunConfig, RunDirectory, resume_command


def load_run(path: Path) -> tuple[RunDirectory, RunConfig, Parts, int]:
    """The run at `path`, with the step of its weights. A damaged checkpoint is told of and passed over.

    Raises UsageError when there is no run or no checkpoint, RunError when no checkpoint is good.
    """
    directory = RunDirectory.open(path)
    config = directory.read_config()
    found = checkpoints.load_newest(
        directory.checkpoints,
        lambda _, why: print(f"damaged checkpoint, passed over: {why}", file=sys.stderr),
    )
    if found is None:
        raise UsageError(f"{path} has no checkpoint yet; {resume_command(path)} makes one")
    parts = assemble(config)
    take_over(parts, found, config)
    return directory, config, parts, found.step

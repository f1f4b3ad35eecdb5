"""From a configuration to the parts of a run: data, model, learner, order of the data, randomness.

Every stream of random numbers is a child of the run's one seed: initial weights, data order, noise of the
steps, and pictures. So drawing a picture, or not, leaves the training bits alone; and all pictures start from
the same noise, which makes them comparable.
"""

from dataclasses import dataclass
from typing import Any

from tinygen import parallel
from tinygen.learner import learner_of
from tinygen.training.contract import Learner, Prepares, UsageError
from tinygen.training.registry import config_class
from tinygen.training.run_directory import RunConfig


@dataclass
class Parts:
    """What training, sampling and evaluation work with."""

    dataset: Any
    model: Any
    learner: Learner
    loader: Any
    rng: Any
    """The noise of the training steps; its state is in the checkpoint."""
    pictures: Any
    """A generator that is never advanced: `fresh` gives copies."""


def assemble(config: RunConfig) -> Parts:
    """Load the data and build everything else for `config`, at step 0.

    Of a run on several ranks each assembles it all, and its loader gives its part of every batch.

    Raises UsageError for a data set or options that do not exist or do not fit each other.
    """
    from tinygen import data
    from tinygen.random import Generator

    ranks = parallel.world()
    check_divides(config.recipe.batch_size, ranks.size)
    initial, order, noise, pictures = Generator(config.seed).split(4)
    make = config_class(config.model)
    try:
        dataset = ranks.in_turn(lambda: data.load(config.data, size=config.image_size))
        classes = len(dataset.classes) or None
        model = make(**config.options).build(dataset.shape, classes, initial)
        if isinstance(model, Prepares):
            model.prepare(dataset)
        loader = data.Loader(dataset, config.recipe.batch_size, order, part=(ranks.rank, ranks.size))
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error
    except MemoryError as error:
        raise UsageError(f"a {config.model} with these options does not fit into memory: {error}") from error
    try:
        model.to(parallel.own_device(config.device))
    except RuntimeError as error:
        raise UsageError(f"the run is on {config.device}: {error}") from error
    return Parts(dataset, model, learner_of(model, config.recipe), loader, noise, pictures)


def check_divides(batch_size: int, ranks: int) -> None:
    """Raise UsageError unless each of the ranks has as many examples of a batch as the others."""
    less = batch_size // ranks * ranks
    if less != batch_size:
        near = f"{less} or {less + ranks}" if less else f"{ranks}"
        raise UsageError(f"--batch-size {batch_size} does not divide among {ranks} ranks: {near} would")


def fresh(generator: Any) -> Any:
    """A generator of its own at the state of `generator`."""
    copy = type(generator)(0)
    copy.state = generator.state
    return copy


def count_parameters(model: Any) -> int:
    """Number of scalars that training moves."""
    return sum(parameter.size for parameter in model.parameters() if parameter.requires_grad)

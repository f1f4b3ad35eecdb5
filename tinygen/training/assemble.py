"""From a configuration to the parts of a run: data, model, learner, order of the data, randomness.

Every stream of random numbers is a child of the run's one seed: initial weights, data order, noise of the
steps, and pictures. So drawing a picture, or not, leaves the training bits alone; and all pictures start from
the same noise, which makes them comparable.
"""

from dataclasses import dataclass
from typing import Any

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

    Raises UsageError for a data set or options that do not exist or do not fit each other.
    """
    from tinygen import data
    from tinygen.random import Generator

    initial, order, noise, pictures = Generator(config.seed).split(4)
    make = config_class(config.model)
    try:
        dataset = data.load(config.data, size=config.image_size)
        classes = len(dataset.classes) or None
        model = make(**config.options).build(dataset.shape, classes, initial)
        if isinstance(model, Prepares):
            model.prepare(dataset)
        loader = data.Loader(dataset, config.recipe.batch_size, order)
    except (ValueError, TypeError) as error:
        raise UsageError(str(error)) from error
    except MemoryError as error:
        raise UsageError(f"a {config.model} with these options does not fit into memory: {error}") from error
    try:
        model.to(config.device)
    except RuntimeError as error:
        raise UsageError(f"the run is on {config.device}: {error}") from error
    return Parts(dataset, model, learner_of(model, config.recipe), loader, noise, pictures)


def fresh(generator: Any) -> Any:
    """A generator of its own at the state of `generator`."""
    copy = type(generator)(0)
    copy.state = generator.state
    return copy


def count_parameters(model: Any) -> int:
    """Number of scalars that training moves."""
    return sum(parameter.size for parameter in model.parameters() if parameter.requires_grad)

"""What the training room asks of a model, and nothing more.

A family adds a model to the command line with one class, its *configuration*: a frozen dataclass whose fields
are the model's own options (each documented by the string below it; the command line is made of them), with

    recipe(data) -> Recipe                what it trains with on that data set when nobody says otherwise
    build(shape, classes, rng) -> Model   the network with its objective, initialised from `rng`

and one line in `registry.py`. What `build` returns is a `tinygen.nn.Module` with `loss` and `sample`. Four
methods may be absent: `evaluate` gives the figures of `tinygen eval`; `drawings` what its report shows beside
samples; `prepare(dataset)` tells a model more of its training set than a shape; `learner(recipe)` gives the
learner of a model that is not trained by one optimiser on one loss, such as two players.

`tests/training/` holds the room to this contract with a model of twenty lines that knows nothing of images.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from tinygen.drawing import Drawing
from tinygen.learner import Batch as Batch
from tinygen.learner import Learner as Learner
from tinygen.learner import NonFinite as NonFinite
from tinygen.recipe import Recipe as Recipe


class Model(Protocol):
    """A `tinygen.nn.Module` that knows its objective and how to draw from itself."""

    def loss(self, batch: Batch, rng: Any) -> tuple[Any, dict[str, Any]]:
        """The scalar to descend, and named scalar terms to report. All randomness comes from `rng`."""
        ...

    def sample(self, n: int, rng: Any, cond: Any = None) -> Any:
        """(n, ...) tensor of samples, scaled as the data set was.

        A conditional model says of how many classes in its attribute `classes` (absent or 0 in others); to it,
        `cond` is a class or n of them, and None takes every class in turn.
        """
        ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any]) -> Any: ...


@runtime_checkable
class Evaluates(Protocol):
    """The optional part of a model that `tinygen eval` prints."""

    def evaluate(self, dataset: Any, rng: Any) -> dict[str, tuple[float, str]]:
        """Name of each figure -> (value, unit)."""
        ...


@runtime_checkable
class Draws(Protocol):
    """The optional part of a model that its report shows beside samples."""

    def drawings(self, dataset: Any, rng: Any) -> Sequence[Drawing]:
        """Pictures of what the model does with `dataset`, the held-out split: reconstructions, maps, paths."""
        ...


@runtime_checkable
class Prepares(Protocol):
    """The optional part of a model that must know more of its training set than the shape of an example."""

    def prepare(self, dataset: Any) -> None:
        """Called once, after `build`, with the training set: how many grey levels it has, say."""
        ...


class ModelConfig(Protocol):
    """A frozen dataclass: the model's own options as fields, and how to make the model of them."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def recipe(self, data: str) -> Recipe:
        """What to train with on the data set of that name."""
        ...

    def build(self, shape: tuple[int, ...], classes: int | None, rng: Any) -> Any:
        """The model for examples of `shape` (without the batch axis), weights drawn from `rng`.

        Raises ValueError, in one line, when the options do not fit the shape.
        """
        ...


class UsageError(ValueError):
    """Wrong usage: one line that says what is wrong, what was found and what would be right. Exit code 2."""


class RunError(RuntimeError):
    """The run failed while running: one line, with the checkpoint it can go on from. Exit code 1."""

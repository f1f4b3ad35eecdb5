"""The step that ranks share: each has its rows of the batch, and these functions make one step of it.

Within `shared_step` the mean over ranks stands where one process has its own figure: of losses, gradients, statistics.
Outside of it, and in one process, every function here gives back what it is given.

Why the mean: with a loss L_r of each rank's rows, the batch's is the mean of L_r. Let m = mean over ranks of m_r be
something all losses depend on. The gradients of the ranks will be averaged in the end, so rank r must pass on, as the
gradient of m_r, the mean over ranks of the gradients of m: the mean is its own adjoint.
Held by tests/parallel/test_shared_step.py and test_families_in_parallel.py.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from tinygen import kernels
from tinygen.autodiff import guard
from tinygen.autodiff.primitive import primitive
from tinygen.kernels.array_module import arithmetic, xp
from tinygen.parallel.communicator import Communicator
from tinygen.tensor import Tensor

T = TypeVar("T")

BUCKET = 4 << 20
"""Bytes of gradients that are added up at a time: few enough to stay in the cache, enough not to wait for each."""


@dataclass(frozen=True)
class Share:
    """A rank's part of the step in progress."""

    ranks: Communicator
    rows: int
    """Examples of each rank; rank r has rows r * rows to (r + 1) * rows - 1 of the batch."""

    def mean(self, array: Any) -> Any:
        """The mean over the ranks, in place of a contiguous floating array and returned."""
        self.ranks.all_reduce(array)
        array /= self.ranks.size
        return array


_share: Share | None = None


def share() -> Share | None:
    """This rank's part of the step in progress; None where nothing is shared."""
    return _share


@contextmanager
def shared_step(ranks: Communicator, rows: int, model: Any = None) -> Iterator[None]:
    """Within the block all ranks take one step together, each with `rows` examples of the batch.

    Args:
        model: generators that are attributes of its modules (those of dropout) draw this rank's rows meanwhile.
    """
    global _share
    if ranks.size == 1:
        yield
        return
    from tinygen.parallel.generator import own_rows

    own = list(_generators(model))
    _share = Share(ranks, rows)
    try:
        for attributes, name, generator in own:
            attributes[name] = own_rows(generator)
        yield
    finally:
        _share = None
        for attributes, name, generator in own:
            attributes[name] = generator


def _generators(model: Any) -> Iterator[tuple[dict[str, Any], str, Any]]:
    from tinygen.random import Generator

    for module in model.modules() if hasattr(model, "modules") else ():
        attributes = vars(module)
        yield from [(attributes, name, value) for name, value in attributes.items() if isinstance(value, Generator)]


# -- means ---------------------------------------------------------------------------------------------------


@primitive(x=lambda g: mean_over_ranks(g), name="mean_over_ranks")
def _mean(x: Any) -> Any:
    assert _share is not None
    return _share.mean(x.copy())


def mean_over_ranks(x: Tensor) -> Tensor:
    """The mean of `x` over the ranks of a shared step, differentiable to any order; else `x`."""
    return x if _share is None else _mean(x)


def average(array: T) -> T:
    """The mean of an array over the ranks of a shared step; else the array."""
    return array if _share is None else _mean.forward(array)


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """The mean over the ranks in place of each parameter's gradient, in buckets, in the order of the parameters."""
    if _share is None:
        return
    for bucket in _buckets([p.grad._data for p in parameters if p.grad is not None]):
        mean = _share.mean(kernels.join([g.ravel() for g in bucket], 0))  # type: ignore[attr-defined]
        start = 0
        for g in bucket:
            g[...] = mean[start : start + g.size].reshape(g.shape)
            guard.written(g)
            start += g.size


def _buckets(arrays: list[Any]) -> Iterator[list[Any]]:
    """Neighbours of one dtype together, up to `BUCKET` bytes or else one array."""
    bucket: list[Any] = []
    for array in arrays:
        full = sum(a.nbytes for a in bucket) + array.nbytes > BUCKET
        if bucket and (full or array.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(array)
    if bucket:
        yield bucket


# -- rows ----------------------------------------------------------------------------------------------------


def gathered(rows: Any) -> Any:
    """The rows (n, ...) of all ranks as one array or tensor (ranks n, ...), in the order of the batch, on every rank.

    Without gradient. Each rank must give as many.
    """
    if _share is None:
        return rows
    array = rows._data if isinstance(rows, Tensor) else rows
    n, rank = len(array), _share.ranks.rank
    everything = xp(array).zeros((n * _share.ranks.size, *array.shape[1:]), arithmetic(array.dtype))
    everything[rank * n : (rank + 1) * n] = array
    _share.ranks.all_reduce(everything)
    everything = everything.astype(array.dtype, copy=False)
    return Tensor(everything) if isinstance(rows, Tensor) else everything

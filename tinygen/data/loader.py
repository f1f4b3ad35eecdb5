"""Batches in an order that is a function of a key and the epoch, so that training resumes with the same bits.

The loader owns one random stream, split from the generator it is given. Epoch e takes the stream's next N
words as its permutation (Philox is counter-based, so these are words eN to eN + N - 1 of the key): where a
run stands is the epoch, the number of batches already given and the stream's state at the start of the
epoch, three small values ready for JSON. `tests/data/test_loader.py`: every epoch is a permutation, and
from every position a restored loader goes on identically.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygen.data.dataset import Dataset
from tinygen.random import Generator

Batch = dict[str, npt.NDArray]


class Loader:
    """An endless iterator of batches {"x": (B, ...) float32, "y": (B,) int64 if labelled}.

    With `drop_last` the examples that do not fill a batch are left out of that epoch, otherwise the last
    batch is smaller. Without `shuffle` the order is the data set's. Raises `ValueError` when the data set
    does not fill one batch and `drop_last` is set.

    `part` (r, n) gives the r-th of n equal parts of each batch, in order, for ranks that share it; where the
    loader stands is the same for all of them. Raises `ValueError` when there is no such part.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        generator: Generator,
        drop_last: bool = True,
        shuffle: bool = True,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: a batch has at least 1 example")
        if drop_last and batch_size > len(dataset):
            raise ValueError(
                f"batch_size={batch_size}: {dataset.name} ({dataset.split}) fills no batch with its "
                f"{len(dataset)} examples; take at most {len(dataset)}"
            )
        rank, parts = part
        if not 0 <= rank < parts or batch_size % parts or (parts > 1 and not drop_last):
            raise ValueError(f"a batch of {batch_size} has no equal part {rank} of {parts}, in every batch")
        self.dataset = dataset
        self._part = slice(rank * (batch_size // parts), (rank + 1) * (batch_size // parts) if parts > 1 else None)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.shuffle = shuffle
        self._stream = generator.split(1)[0]
        self._begin_epoch(0)

    @property
    def batches_per_epoch(self) -> int:
        """Batches in one pass over the data."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    @property
    def epoch(self) -> int:
        """The epoch of the next batch, from 0."""
        return self._epoch

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        start = self._position * self.batch_size
        batch = self.dataset.batch(self._order[start : start + self.batch_size][self._part])
        self._position += 1
        if self._position == self.batches_per_epoch:
            self._begin_epoch(self._epoch + 1)
        return batch

    def rest_of_epoch(self) -> Iterator[Batch]:
        """The batches up to the end of the current epoch: at its start, one pass over the data."""
        for _ in range(self.batches_per_epoch - self._position):
            yield next(self)

    def state_dict(self) -> dict[str, Any]:
        """Where the loader stands, ready for JSON."""
        return {
            "epoch": self._epoch,
            "position": self._position,
            "generator": dict(self._epoch_start),
            **self._settings(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state` exactly as the loader that gave it would.

        Raises `ValueError` if that loader had another data set, batch size or order, or if `state` is
        damaged.
        """
        try:
            epoch, position, generator = state["epoch"], state["position"], state["generator"]
            found = {name: state[name] for name in self._settings()}
        except KeyError as missing:
            raise ValueError(f"no loader state: it lacks {missing}") from None
        for name, value in self._settings().items():
            if found[name] != value:
                raise ValueError(f"the loader's state was saved with {name}={found[name]!r}, this loader has {value!r}")
        if not (isinstance(epoch, int) and isinstance(position, int)) or epoch < 0:
            raise ValueError(f"no loader state: epoch {epoch!r} and position {position!r} must be counts")
        if not 0 <= position < self.batches_per_epoch:
            raise ValueError(f"no loader state: position {position} in an epoch of {self.batches_per_epoch} batches")
        self._stream.state = generator
        self._begin_epoch(epoch)
        self._position = position

    def _settings(self) -> dict[str, Any]:
        """What must be the same for a state to mean the same batches."""
        return {
            "dataset": self.dataset.name,
            "split": self.dataset.split,
            "examples": len(self.dataset),
            "checksum": self.dataset.checksum,
            "batch_size": self.batch_size,
            "drop_last": self.drop_last,
            "shuffle": self.shuffle,
        }

    def _begin_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._position = 0
        self._epoch_start = self._stream.state
        n = len(self.dataset)
        self._order = self._stream.permutation(n, device="cpu").numpy() if self.shuffle else np.arange(n)

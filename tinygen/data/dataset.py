"""What a data set is: points or images in memory, as models take them.

Images are kept as they were stored, integers 0 .. levels - 1, and become float32 in [-1, 1] batch by batch
(x = 2 stored / (levels - 1) - 1), so MNIST takes 47 MB and not 188. Points are kept as float32.
`tests/data/test_datasets.py` holds every data set to shapes, types, ranges and disjoint splits.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from tinygen.data.errors import DataError
from tinygen.random import Generator
from tinygen.truth.law import Truth

SPLITS = ("train", "test")
HELD_OUT = 0.2


@dataclass(frozen=True, eq=False)
class Dataset:
    """A split of a data set.

    `stored` is (N, C, H, W) uint8 in 0 .. levels - 1 for kind "image", (N, D) float32 for kind "points"
    (`levels` 0); `y` is (N,) int64 or None, `classes` the names the labels index. Where the law that the points come
    from is known, it is `truth`, and `entropy` its entropy in nats.
    """

    name: str
    split: str
    kind: Literal["image", "points"]
    stored: npt.NDArray
    y: npt.NDArray[np.int64] | None
    classes: tuple[str, ...] = ()
    levels: int = 0
    entropy: float | None = None
    truth: Truth | None = None

    def __post_init__(self) -> None:
        if len(self.stored) == 0:
            raise DataError(f"{self.name}: the {self.split} split is empty; it takes at least one example")
        self.stored.flags.writeable = False
        if self.y is not None:
            self.y.flags.writeable = False

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example: (C, H, W) or (D,)."""
        return self.stored.shape[1:]

    @property
    def x(self) -> npt.NDArray[np.float32]:
        """All examples, (N, ...) float32; images are converted at each call."""
        return self._as_float(self.stored)

    @property
    def value_range(self) -> tuple[float, float]:
        """Least and greatest value there can be in an image; in points, the least and greatest there is."""
        if self.kind == "image":
            return -1.0, 1.0
        return float(self.stored.min()), float(self.stored.max())

    @cached_property
    def checksum(self) -> int:
        """CRC-32 of examples and labels: tells whether a folder has changed between two runs."""
        examples = zlib.crc32(np.ascontiguousarray(self.stored).data)
        return examples if self.y is None else zlib.crc32(np.ascontiguousarray(self.y).data, examples)

    def batch(self, indices: npt.NDArray[np.integer] | slice) -> dict[str, npt.NDArray]:
        """The examples at `indices`: {"x": (n, ...) float32, "y": (n,) int64 where there are labels}."""
        batch: dict[str, npt.NDArray] = {"x": self._as_float(self.stored[indices])}
        if self.y is not None:
            batch["y"] = self.y[indices]
        return batch

    def _as_float(self, stored: npt.NDArray) -> npt.NDArray[np.float32]:
        if self.kind == "points":
            return stored
        return stored.astype(np.float32) * np.float32(2 / (self.levels - 1)) - np.float32(1)


def check_split(split: str) -> None:
    """Raises `ValueError` unless `split` is "train" or "test"."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: there are 'train' and 'test'")


def held_out_split(n: int, split: str) -> npt.NDArray[np.int64]:
    """Indices of a split where the source has none: the last fifth of a fixed permutation is the test set."""
    order = Generator(0).permutation(n, device="cpu").numpy()
    last_train = n - int(n * HELD_OUT)
    return order[:last_train] if split == "train" else order[last_train:]


def one_line(names: Sequence[str], limit: int = 5) -> str:
    """Names for an error line: the first few, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more

"""The data sets by name: `load("digits")`, `load("two_moons", "test")`, `load("my/pictures")`."""

import difflib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygen.data.dataset import SPLITS, Dataset, check_split
from tinygen.data.densities import DENSITIES
from tinygen.data.digits import load_digits
from tinygen.data.errors import DataError
from tinygen.data.folder import load_folder
from tinygen.data.locations import cache_folder
from tinygen.data.mnist import PUBLISHED, Published, find, load_published
from tinygen.random import Generator

NAMES: tuple[str, ...] = ("digits", *PUBLISHED, *DENSITIES)

POINTS = {"train": 50_000, "test": 10_000}
_POINTS_SEED = 1


class Row(NamedTuple):
    """A line of `tinygen data`."""

    name: str
    kind: str
    size: str
    where: str
    how: str


def load(
    name_or_folder: str | os.PathLike[str],
    split: str = "train",
    *,
    size: int | None = None,
    channels: int | None = None,
) -> Dataset:
    """The data set of that name (see `NAMES`), else the images in the folder of that path.

    `size` (pixels, square) and `channels` (1 or 3) are for folders of images, see
    `tinygen.data.folder.load_folder`. Raises `DataError` (a `ValueError`), in one line, for an unknown name
    and for data that cannot be had or read.
    """
    check_split(split)
    name = os.fspath(name_or_folder)
    if name not in NAMES:
        if not Path(name).expanduser().is_dir():
            raise DataError(_unknown(name))
        return load_folder(Path(name).expanduser(), split, size, channels)
    if size is not None or channels is not None:
        raise ValueError(f"{name} has a size and channels of its own: size and channels are for folders of images")
    if name in DENSITIES:
        return load_points(name, split)
    if name in PUBLISHED:
        return load_published(PUBLISHED[name], split)
    return load_digits(split)


def load_points(name: str, split: str) -> Dataset:
    """A fixed sample (N, 2) of a toy density, 50,000 points to train on and 10,000 to test."""
    density = DENSITIES[name]
    stream = Generator(_POINTS_SEED).split(len(SPLITS))[SPLITS.index(split)]
    points, component = density.sample(POINTS[split], stream)
    labels = component if density.classes else None
    return Dataset(
        name,
        split,
        "points",
        points.astype(np.float32),
        labels,
        density.classes,
        entropy=density.entropy,
        truth=density.truth,
    )


def describe() -> list[Row]:
    """One row for each data set: name, kind, size, where it was found on this machine, how to get it."""
    rows = [Row("digits", "image", "1,797 of 1 x 8 x 8, 10 classes", "with scikit-learn", "nothing to do")]
    rows += [_describe_published(published) for published in PUBLISHED.values()]
    rows += [Row(name, "points", "unlimited, 2 dimensions", "computed", "nothing to do") for name in DENSITIES]
    rows.append(
        Row(
            "FOLDER",
            "image",
            "your PNG and JPEG files",
            "a path",
            "subfolders: classes, or train/ and test/",
        )
    )
    return rows


def _describe_published(published: Published) -> Row:
    found = [find(published, split) for split in SPLITS]
    folders = sorted({str(pair[0].parent) for pair in found if pair is not None})
    complete = all(found)
    how = (
        f"downloaded when first used ({published.download_size / 1e6:.0f} MB), "
        f"or put the four .gz files into {cache_folder() / published.name}"
    )
    return Row(
        published.name,
        "image",
        "70,000 of 1 x 28 x 28, 10 classes",
        (", ".join(folders) + ("" if complete else " (incomplete)")) if folders else "not here",
        "nothing to do" if complete else how,
    )


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return (
        f"unknown data set {name!r}, and no such folder: {hint}there are {', '.join(NAMES)}, "
        f"or the path of a folder of PNG and JPEG images"
    )

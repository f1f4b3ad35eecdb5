"""The embedded data set: 1,797 real handwritten digits, 8 x 8 pixels, 17 grey levels.

They come with scikit-learn (`load_digits`), so nothing is downloaded: the test set of E. Alpaydin and C.
Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning Repository, 1998. The source has
no test split of its own; the last fifth of a fixed permutation (359 digits) is held out.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.data.dataset import Dataset, held_out_split

KEPT = "datasets/data/digits.csv.gz"  # within scikit-learn


def load_digits(split: str) -> Dataset:
    """The "train" (1,438) or "test" (359) digits, (N, 1, 8, 8), with labels."""
    table = _table()
    chosen = table[held_out_split(len(table), split)]
    return Dataset(
        name="digits",
        split=split,
        kind="image",
        stored=chosen[:, :-1].reshape(-1, 1, 8, 8).astype(np.uint8),
        y=chosen[:, -1].astype(np.int64),
        classes=tuple("0123456789"),
        levels=17,
    )


def _table() -> NDArray[Any]:
    """The 64 pixels and the label of each digit, (1797, 65).

    Read from scikit-learn's file: to import it takes longer than all else that a run begins with.
    """
    for folder in getattr(find_spec("sklearn"), "submodule_search_locations", ()):
        if (Path(folder) / KEPT).exists():
            return np.loadtxt(Path(folder) / KEPT, delimiter=",")
    from sklearn.datasets import load_digits  # a release that keeps them elsewhere

    source = load_digits()
    return np.column_stack([source.data, source.target])

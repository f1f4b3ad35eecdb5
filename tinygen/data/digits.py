"""The embedded data set: 1,797 real handwritten digits, 8 x 8 pixels, 17 grey levels.

They come with scikit-learn (`load_digits`), so nothing is downloaded: the test set of E. Alpaydin and C.
Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning Repository, 1998. The source has
no test split of its own; the last fifth of a fixed permutation (359 digits) is held out.
"""

import numpy as np

from tinygen.data.dataset import Dataset, held_out_split


def load_digits(split: str) -> Dataset:
    """The "train" (1,438) or "test" (359) digits, (N, 1, 8, 8), with labels."""
    from sklearn.datasets import load_digits

    source = load_digits()
    chosen = held_out_split(len(source.target), split)
    return Dataset(
        name="digits",
        split=split,
        kind="image",
        stored=source.images[chosen, None].astype(np.uint8),
        y=source.target[chosen].astype(np.int64),
        classes=tuple("0123456789"),
        levels=17,
    )

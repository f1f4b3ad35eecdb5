"""MNIST and Fashion-MNIST: four IDX files each, found on this machine or downloaded.

Looked for in this order: the folder named by TINYGEN_DATA (its subfolder `mnist/` or `fashion_mnist/`, or
the files directly in it), the cache (`mnist/`, `fashion_mnist/`), then the mirrors below. Sizes and SHA-256
of the compressed files are those published in TensorFlow Datasets' tables of checksums (for Fashion-MNIST
they belong to the files whose MD5 the data set's own README prints). The first eight labels tell the two
sets apart when their files, which have the same names, lie directly in TINYGEN_DATA.

Sources: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits"; H. Xiao, K. Rasul, R.
Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms", 2017.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinygen.data.dataset import Dataset
from tinygen.data.download import RemoteFile, fetch
from tinygen.data.errors import DataError
from tinygen.data.idx import read_idx
from tinygen.data.locations import cache_folder, user_folder


@dataclass(frozen=True)
class Published:
    """What is published of a data set in MNIST's format; `files` are (images, labels) by split."""

    name: str
    classes: tuple[str, ...]
    first_labels: dict[str, tuple[int, ...]]
    files: dict[str, tuple[RemoteFile, RemoteFile]]

    @property
    def download_size(self) -> int:
        """Bytes of all four files."""
        return sum(file.size for pair in self.files.values() for file in pair)


def _files(mirrors: tuple[str, ...], *table: tuple[str, int, str]) -> dict[str, tuple[RemoteFile, RemoteFile]]:
    remote = [
        RemoteFile(name, size, sha256, tuple(mirror + name for mirror in mirrors)) for name, size, sha256 in table
    ]
    return {"train": (remote[0], remote[1]), "test": (remote[2], remote[3])}


MNIST = Published(
    name="mnist",
    classes=tuple("0123456789"),
    first_labels={"train": (5, 0, 4, 1, 9, 2, 1, 3), "test": (7, 2, 1, 0, 4, 1, 4, 9)},
    files=_files(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        (
            "train-images-idx3-ubyte.gz",
            9_912_422,
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            28_881,
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            1_648_877,
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            4_542,
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
)

FASHION_MNIST = Published(
    name="fashion_mnist",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    first_labels={"train": (9, 0, 0, 3, 0, 2, 7, 2), "test": (9, 2, 1, 1, 6, 1, 4, 6)},
    files=_files(
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        (
            "train-images-idx3-ubyte.gz",
            26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
)

PUBLISHED = {published.name: published for published in (MNIST, FASHION_MNIST)}


def load_published(published: Published, split: str) -> Dataset:
    """The "train" (60,000) or "test" (10,000) images, (N, 1, 28, 28), with labels; downloaded if need be.

    Raises `DataError` for files that are damaged, foreign or do not belong together, or cannot be had.
    """
    found = find(published, split)
    if found is None:
        folder = cache_folder() / published.name
        images_path, labels_path = (fetch(remote, folder) for remote in published.files[split])
    else:
        images_path, labels_path = found
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != np.uint8 or images.ndim != 3:
        raise DataError(f"{images_path}: holds {images.dtype}{images.shape}, images are uint8 (N, height, width)")
    if labels.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise DataError(
            f"{labels_path}: holds {labels.dtype}{labels.shape}, the images beside it need uint8({len(images)},)"
        )
    if labels.size and labels.max() >= len(published.classes):
        raise DataError(f"{labels_path}: label {labels.max()} found, labels are 0 to {len(published.classes) - 1}")
    return Dataset(
        name=published.name,
        split=split,
        kind="image",
        stored=images[:, None],
        y=labels.astype(np.int64),
        classes=published.classes,
        levels=256,
    )


def find(published: Published, split: str) -> tuple[Path, Path] | None:
    """The files (images, labels) of a split on this machine, or None. Nothing is downloaded."""
    user = user_folder()
    if user is not None:
        pair = _pair(published, split, user / published.name)
        if pair is None and (pair := _pair(published, split, user)) is not None:
            first = published.first_labels[split]
            if tuple(read_idx(pair[1])[: len(first)]) != first:
                pair = None
        if pair is not None:
            return pair
    return _pair(published, split, cache_folder() / published.name)


def _pair(published: Published, split: str, folder: Path) -> tuple[Path, Path] | None:
    """Both files in `folder`, as `NAME.gz` or unpacked as `NAME`, or None."""
    found = []
    for remote in published.files[split]:
        choices = (folder / remote.name, folder / remote.name.removesuffix(".gz"))
        found += [path for path in choices if path.is_file()][:1]
    return (found[0], found[1]) if len(found) == 2 else None

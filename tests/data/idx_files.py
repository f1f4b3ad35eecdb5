"""Writing IDX files for the tests, plain or compressed, and a stand-in for the four files of MNIST."""

import gzip
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array: npt.NDArray) -> bytes:
    """`array` as the format's description has it."""
    code = CODES[array.dtype.str[1:]]
    header = struct.pack(f">4B{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_mnist(folder: Path, first_labels: dict[str, tuple[int, ...]], fill: int = 0, suffix: str = ".gz") -> None:
    """The four files: a split has one image for each of its labels, pixel [i, 0, 0] `fill` + i."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, prefix in (("train", "train"), ("test", "t10k")):
        labels = np.array(first_labels[split], np.uint8)
        images = np.zeros((len(labels), 28, 28), np.uint8)
        images[:, 0, 0] = fill + np.arange(len(labels))
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            content = idx_bytes(array)
            path = folder / f"{prefix}-{name}-ubyte{suffix}"
            path.write_bytes(gzip.compress(content) if suffix else content)

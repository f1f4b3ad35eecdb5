"""Reader of IDX files, the format of MNIST and Fashion-MNIST (LeCun, Cortes, Burges, "The MNIST database").

    byte 0-1  zero
    byte 2    type of the elements: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
    byte 3    number of dimensions n
    then      n sizes, 32-bit unsigned, big endian
    then      the elements, row-major, big endian, and nothing after them

A gzip-compressed file is recognised by its content, not by its name (some browsers unpack a download and
keep ".gz"). `tests/data/test_idx.py` holds the reader to: every array written comes back; every cut, every
surplus byte, every flipped byte of the header or of the compressed stream is refused with one line.
"""

import gzip
import math
import os
import struct
import zlib
from io import BufferedReader
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinygen.data.errors import DataError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CHUNK = 1 << 20

Stream = BufferedReader | gzip.GzipFile


def read_idx(path: str | os.PathLike[str]) -> npt.NDArray:
    """The array in an IDX file, plain or gzip-compressed, in native byte order.

    Raises `DataError` for a file that is missing, foreign, truncated, followed by surplus bytes or damaged.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not compressed:
                return _parse(file, path)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _parse(unpacked, path)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path}: damaged gzip stream ({error}); delete the file and fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def _parse(file: Stream, path: Path) -> npt.NDArray:
    magic = file.read(4)
    if len(magic) < 4:
        raise DataError(f"{path}: truncated: {len(magic)} bytes, an IDX file has at least 8")
    if magic[:2] != b"\0\0" or magic[2] not in TYPES or magic[3] == 0:
        raise DataError(
            f"{path}: not an IDX file: it begins {magic.hex(' ')}, an IDX file begins 00 00, "
            f"a type code (08, 09, 0b, 0c, 0d, 0e), the number of dimensions"
        )
    ndim = magic[3]
    header = file.read(4 * ndim)
    if len(header) < 4 * ndim:
        raise DataError(f"{path}: truncated: {4 + len(header)} bytes, the header alone has {4 + 4 * ndim}")
    shape = struct.unpack(f">{ndim}I", header)
    dtype = np.dtype(TYPES[magic[2]])
    expected = math.prod(shape) * dtype.itemsize
    data = _read_up_to(file, expected + 1)
    if len(data) != expected:
        found = f"only {len(data):,} follow (truncated)" if len(data) < expected else "more follow"
        raise DataError(
            f"{path}: the header promises {expected:,} bytes ({' x '.join(map(str, shape))} {dtype.name}), {found}"
        )
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _read_up_to(file: Stream, limit: int) -> bytearray:
    """Read in pieces, so that a false header cannot ask for more memory than the file has content."""
    data = bytearray()
    while len(data) < limit:
        piece = file.read(min(_CHUNK, limit - len(data)))
        if not piece:
            break
        data += piece
    return data

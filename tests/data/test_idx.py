"""The IDX reader: what was written comes back, and what is no whole IDX file is refused with one line."""

import gzip
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from idx_files import CODES, idx_bytes

from tinygen.data import DataError
from tinygen.data.idx import read_idx

ARRAYS = st.sampled_from(sorted(CODES)).flatmap(
    lambda code: hnp.arrays(np.dtype(code), hnp.array_shapes(max_dims=4, max_side=4, min_side=0))
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("idx") / "file"


def refuses(path, content: bytes, reason: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        read_idx(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message


@given(array=ARRAYS, compressed=st.booleans())
def test_every_array_comes_back_as_written(path, array, compressed):
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if compressed else content)
    read = read_idx(path)
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    np.testing.assert_array_equal(read, array)


@given(array=ARRAYS, data=st.data(), compressed=st.booleans())
def test_every_truncation_is_refused(path, array, data, compressed):
    content = idx_bytes(array)
    cut = content[: data.draw(st.integers(0, len(content) - 1))]
    refuses(path, gzip.compress(cut) if compressed else cut, "truncated")


@given(array=ARRAYS, surplus=st.binary(min_size=1, max_size=9), compressed=st.booleans())
def test_surplus_bytes_are_refused(path, array, surplus, compressed):
    content = idx_bytes(array) + surplus
    refuses(path, gzip.compress(content) if compressed else content, "more follow")


@given(data=st.data())
def test_a_truncated_gzip_stream_is_refused(path, data):
    content = gzip.compress(idx_bytes(np.arange(600, dtype=np.int16)))
    cut = content[: data.draw(st.integers(2, len(content) - 1))]
    refuses(path, cut, "gzip")


@given(data=st.data())
def test_a_changed_byte_of_the_compressed_data_is_refused(path, data):
    content = bytearray(gzip.compress(idx_bytes(np.arange(99.0))))
    content[data.draw(st.integers(10, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    refuses(path, bytes(content), "gzip|promises|IDX")


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n", b"<html>not found</html>", b"\0\0\x07\x01" + bytes(9), b"\0\0\x08\0" + bytes(9)],
    ids=["png", "html", "unknown type", "no dimensions"],
)
def test_a_foreign_file_is_named_with_what_it_begins_with(path, content):
    refuses(path, content, re.escape(f"not an IDX file: it begins {content[:4].hex(' ')}"))


def test_a_header_cannot_ask_for_more_memory_than_the_file_has_content(path):
    header = struct.pack(">4B4I", 0, 0, 0x0E, 4, *[2**32 - 1] * 4)
    refuses(path, header + bytes(100), "only 100 follow")


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path / "absent")

"""A file is either what it was or what it was to be, never half."""

import errno
from pathlib import Path

import pytest

from tinygen.files import replacing, write_atomically


def test_the_content_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_fails_half_way_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "whole")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("ha")
            assert path.read_text() == "whole"
            raise OSError(errno.ENOSPC, "planted")

    with pytest.raises(OSError, match="planted"):
        fail()
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_the_real_name_appears_only_when_the_content_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = []
    from tinygen import files

    synchronise, replace = files.synchronise, files.os.replace
    monkeypatch.setattr(files, "synchronise", lambda path: (events.append(("sync", path.name)), synchronise(path)))
    monkeypatch.setattr(files.os, "replace", lambda a, b: (events.append(("name", b.name)), replace(a, b)))
    write_atomically(tmp_path / "file", "content")
    assert events == [("sync", "file.tmp"), ("name", "file"), ("sync", tmp_path.name)]

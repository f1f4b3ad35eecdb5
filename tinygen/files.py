"""Writing a file so that a reader never meets half of it, whatever kills the writer.

The bytes go to a temporary name in the same folder and reach the disk (fsync) before `os.replace` gives
them the real name, which POSIX makes atomic; then the folder itself is synchronised, so that a power cut
cannot lose the name. Held to it by `tests/test_files.py` and the kill tests.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY = ".tmp"
"""How the names of unfinished files end: what a killed writer leaves behind, to be ignored and removed."""


def write_atomically(path: Path, content: bytes | str) -> None:
    """Give `path` this content, or leave it exactly as it was. Raises OSError (full disk, no permission)."""
    if isinstance(content, str):
        content = content.encode()
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path to write within the block; it becomes `path` when the block ends without an error."""
    path = Path(path)
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        yield temporary
        synchronise(temporary)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    synchronise(path.parent)


def synchronise(path: Path) -> None:
    """Wait until the file or folder `path` has reached the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # some file systems cannot synchronise a folder; its files are safe all the same
            raise
    finally:
        os.close(descriptor)

"""Turns between processes: of those that need the same thing made, one makes it and the others wait and read it.

A turn is a lock of the operating system on a byte of one file in the folder, another byte for each name: it ends with
the process that holds it, however that ends. Held by tests/kernels/test_ahead.py.
"""

import errno
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows: nobody waits, and some things are made twice
    fcntl = None

PATIENCE = 60.0  # seconds; then the process that holds the turn is taken for one that was stopped
_PAUSE = 0.003


@cache
def _file(folder: str) -> int | None:
    """The file of a folder's turns, open to the end of the process: to close it would end its turns."""
    try:
        os.makedirs(folder, exist_ok=True)
        return os.open(Path(folder) / "turns", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return None


def are_there(folder: str) -> bool:
    """Whether processes can take turns in this folder: not where it cannot be written, and not on Windows."""
    return fcntl is not None and _file(folder) is not None


@contextmanager
def turn(folder: str, name: str, patience: float | None = None) -> Iterator[bool]:
    """Within the block no other process is in a turn of this name. Where that cannot be had, or not in `patience`
    seconds (`PATIENCE`), the block runs all the same; what is given says which."""
    end = time.monotonic() + (PATIENCE if patience is None else patience)
    byte = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7])
    mine = None if are_there(folder) else False
    while mine is None:
        mine = _taken(folder, byte)
        if mine is None and time.monotonic() >= end:
            mine = False
        elif mine is None:
            time.sleep(_PAUSE)
    try:
        yield mine
    finally:
        if mine:
            fcntl.lockf(_file(folder), fcntl.LOCK_UN, 1, byte)


def _taken(folder: str, byte: int) -> bool | None:
    """Whether the turn is this process's now; None: another has it; False: the file system has no locks."""
    try:
        fcntl.lockf(_file(folder), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
    except OSError as error:
        return None if error.errno in (errno.EACCES, errno.EAGAIN) else False
    return True

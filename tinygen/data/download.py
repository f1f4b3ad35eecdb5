"""One file from several mirrors: resumable, verified by SHA-256, put in place in one step.

Bytes go to `NAME.part` beside the destination. A transfer that breaks is continued from there (HTTP Range,
RFC 9110 section 14), at the same mirror or the next, now or in a later run: every mirror holds the same
bytes, and the SHA-256 decides. Only a verified file gets the final name, by an atomic rename, so a reader
never sees half a file. `tests/data/test_download.py` runs all of it against a server on the loopback
interface.
"""

import contextlib
import errno
import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinygen.data.errors import DataError

_CHUNK = 1 << 18
_TIMEOUT = 30.0  # seconds without a byte
_TRIES_WITHOUT_PROGRESS = 2


@dataclass(frozen=True)
class RemoteFile:
    """A published file: its name, size in bytes, SHA-256 (hex) and the addresses it can be had from."""

    name: str
    size: int
    sha256: str
    urls: tuple[str, ...]


class _MirrorFailed(Exception):
    """This mirror cannot deliver the file; the message says why."""


class _Interrupted(Exception):
    """The transfer broke off; what has come is kept and can be continued."""


def fetch(remote: RemoteFile, folder: str | os.PathLike[str]) -> Path:
    """Bring `remote` into `folder` unless it is there already; return its path.

    Raises `DataError` when no mirror delivers the right bytes (one line with each mirror's reason and the
    place where the file can be put by hand), or when the folder cannot be written or the disk is full.
    """
    folder = Path(folder)
    destination = folder / remote.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_process_at_a_time(folder):
            if not destination.exists():
                _from_any_mirror(remote, destination)
    except OSError as error:
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error.strerror or error
        raise DataError(
            f"cannot write {destination}: {reason}; it needs {remote.size:,} bytes (TINYGEN_CACHE names another folder)"
        ) from None
    return destination


def _from_any_mirror(remote: RemoteFile, destination: Path) -> None:
    part = destination.with_name(destination.name + ".part")
    failures = []
    for url in remote.urls:
        host = urllib.request.Request(url).host
        try:
            with _progress(remote, host) as report:
                _from_one_mirror(remote, url, part, report)
        except _MirrorFailed as failure:
            failures.append(f"{host}: {failure}")
        else:
            os.replace(part, destination)
            return
    raise DataError(
        f"cannot download {remote.name} ({'; '.join(failures)}); put it into {destination.parent} by hand, "
        f"or set TINYGEN_DATA to a folder that has it"
    )


def _from_one_mirror(remote: RemoteFile, url: str, part: Path, report: Callable[[int], None]) -> None:
    """Complete and verify `part` from one address, or raise `_MirrorFailed`."""
    inherited = _size(part) > 0
    tries = _TRIES_WITHOUT_PROGRESS
    while True:
        start = _size(part)
        try:
            if start < remote.size:
                _transfer(remote, url, part, start, report)
        except _Interrupted as interruption:
            if _size(part) <= start:
                tries -= 1
            if tries == 0:
                raise _MirrorFailed(str(interruption)) from None
            continue
        found = _sha256(part)
        if found == remote.sha256:
            return
        part.unlink()
        # Wrong bytes may be those of an earlier run: then, and only then, this mirror gets a clean start.
        if not inherited:
            raise _MirrorFailed(f"wrong content, SHA-256 {found[:12]}... and not {remote.sha256[:12]}...")
        inherited = False


def _transfer(remote: RemoteFile, url: str, part: Path, start: int, report: Callable[[int], None]) -> None:
    """Append to `part` the bytes from `start` on; from the first byte if the server knows no ranges."""
    headers = {"User-Agent": "tinygen", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        raise _MirrorFailed(f"HTTP status {error.code}") from None
    except urllib.error.URLError as error:
        raise _MirrorFailed(str(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise _MirrorFailed(str(error) or type(error).__name__) from None
    with response:
        done = start if _continues(response, start) else 0
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and done + int(length) != remote.size:
            raise _MirrorFailed(f"offers {done + int(length):,} bytes, the file has {remote.size:,}")
        with open(part, "ab" if done else "wb") as file:
            while done < remote.size:
                report(done)
                try:
                    piece = response.read1(_CHUNK)
                except (OSError, http.client.HTTPException) as error:
                    raise _Interrupted(f"{error or type(error).__name__} after {done:,} bytes") from None
                if not piece:
                    raise _Interrupted(f"the connection closed after {done:,} of {remote.size:,} bytes")
                file.write(piece)
                done += len(piece)
            file.flush()
            os.fsync(file.fileno())
        report(done)


def _continues(response: http.client.HTTPResponse, start: int) -> bool:
    """Whether the answer holds the bytes from `start` on (206), not the whole file again (200)."""
    if response.status != 206:
        return False
    content_range = response.headers.get("Content-Range", "")
    if not content_range.startswith(f"bytes {start}-"):
        raise _MirrorFailed(f"asked for bytes from {start}, sent {content_range or 'an unnamed range'}")
    return True


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _one_process_at_a_time(folder: Path) -> Iterator[None]:
    """Two runs must not append to one `.part`. Without fcntl (Windows) the SHA-256 alone guards."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _progress(remote: RemoteFile, host: str) -> Iterator[Callable[[int], None]]:
    """Yield `report(bytes so far)`: a bar on a terminal, one line on stderr elsewhere."""
    if not sys.stderr.isatty():
        print(f"downloading {remote.name} ({remote.size:,} bytes) from {host}", file=sys.stderr)
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{remote.name} from {host}", total=remote.size)
        yield lambda done: bar.update(task, completed=done)

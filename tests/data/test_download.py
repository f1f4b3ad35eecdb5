"""The downloader against a server on the loopback interface that breaks off, lies, forgets and refuses."""

import errno
import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tinygen.data import DataError, download
from tinygen.data.download import RemoteFile, fetch

CONTENT = bytes(range(256)) * 4096
"""1 MiB, more than the sockets' buffers take at once."""
WRONG = CONTENT[:-1] + b"!"
HALF = len(CONTENT) // 2 + 17


@dataclass
class Mirror:
    """How one address of the server behaves, and what it was asked."""

    content: bytes = CONTENT
    ranges: bool = True
    status: int = 200
    break_after: list[int] = field(default_factory=list)
    """Bytes sent before the connection is cut, one entry for each request; afterwards everything is sent."""
    says_length: bool = True
    asked: list[str | None] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        if self.status != 200:
            handler.send_error(self.status)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        body = self.content[start:]
        if start:
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        else:
            handler.send_response(200)
        if self.says_length:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.break_after.pop(0)] if self.break_after else body)


@pytest.fixture
def server(monkeypatch):
    """`server(mirror, ...)` gives the addresses of those mirrors."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    mirrors: list[Mirror] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            mirrors[int(self.path.split("/")[1])].answer(self)

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def addresses(*new: Mirror) -> tuple[str, ...]:
        first = len(mirrors)
        mirrors.extend(new)
        return tuple(f"http://127.0.0.1:{http.server_port}/{i}/file.gz" for i in range(first, len(mirrors)))

    yield addresses
    http.shutdown()
    http.server_close()
    thread.join()


def remote(urls: tuple[str, ...]) -> RemoteFile:
    return RemoteFile("file.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), urls)


def failure(urls: tuple[str, ...], folder) -> str:
    """The one line of a download that fails and leaves no file of the final name."""
    with pytest.raises(DataError) as caught:
        fetch(remote(urls), folder)
    assert not (folder / "file.gz").exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def visible(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_the_file_arrives_whole_and_alone(server, tmp_path):
    path = fetch(remote(server(Mirror())), tmp_path / "new" / "folder")
    assert path.read_bytes() == CONTENT
    assert visible(path.parent) == ["file.gz"]


def test_a_file_that_is_there_is_not_asked_for(server, tmp_path):
    mirror = Mirror()
    (tmp_path / "file.gz").write_bytes(b"mine")
    assert fetch(remote(server(mirror)), tmp_path).read_bytes() == b"mine"
    assert mirror.asked == []


def test_a_broken_transfer_is_continued_where_it_broke(server, tmp_path):
    mirror = Mirror(break_after=[HALF, 1000])
    assert fetch(remote(server(mirror)), tmp_path).read_bytes() == CONTENT
    assert mirror.asked == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


def test_a_later_run_continues_what_an_earlier_one_left(server, tmp_path):
    (tmp_path / "file.gz.part").write_bytes(CONTENT[:HALF])
    mirror = Mirror()
    assert fetch(remote(server(mirror)), tmp_path).read_bytes() == CONTENT
    assert mirror.asked == [f"bytes={HALF}-"]


def test_another_mirror_continues_what_the_first_began(server, tmp_path):
    first, second = Mirror(break_after=[HALF, 0, 0]), Mirror()
    assert fetch(remote(server(first, second)), tmp_path).read_bytes() == CONTENT
    assert second.asked == [f"bytes={HALF}-"]


def test_a_complete_part_is_only_verified(server, tmp_path):
    (tmp_path / "file.gz.part").write_bytes(CONTENT)
    mirror = Mirror()
    assert fetch(remote(server(mirror)), tmp_path).read_bytes() == CONTENT
    assert mirror.asked == []


def test_a_server_without_ranges_sends_it_all_again(server, tmp_path):
    mirror = Mirror(ranges=False, break_after=[HALF])
    assert fetch(remote(server(mirror)), tmp_path).read_bytes() == CONTENT
    assert mirror.asked == [None, f"bytes={HALF}-"]


@pytest.mark.parametrize("length", [HALF, len(CONTENT), len(CONTENT) + 5])
def test_a_damaged_part_is_thrown_away_and_the_same_mirror_asked_again(server, tmp_path, length):
    (tmp_path / "file.gz.part").write_bytes(bytes(length))
    mirror = Mirror()
    assert fetch(remote(server(mirror)), tmp_path).read_bytes() == CONTENT
    assert mirror.asked[-1] is None


def test_wrong_content_of_the_right_size_is_refused_and_the_next_mirror_asked(server, tmp_path):
    liar, honest = Mirror(content=WRONG), Mirror()
    assert fetch(remote(server(liar, honest)), tmp_path).read_bytes() == CONTENT
    assert liar.asked == [None]
    assert honest.asked == [None]
    assert "wrong content, SHA-256" in failure(server(Mirror(content=WRONG)), tmp_path / "other")


def test_another_size_is_refused_before_its_bytes_are_taken(server, tmp_path):
    page = Mirror(content=b"<html>moved</html>")
    (tmp_path / "file.gz.part").write_bytes(CONTENT[:HALF])
    message = failure(server(page), tmp_path)
    assert "the file has 1,048,576" in message
    assert (tmp_path / "file.gz.part").read_bytes() == CONTENT[:HALF]


def test_without_a_stated_length_the_bytes_decide(server, tmp_path):
    assert fetch(remote(server(Mirror(says_length=False))), tmp_path).read_bytes() == CONTENT
    longer = Mirror(says_length=False, content=WRONG + b"more")
    assert "wrong content" in failure(server(longer), tmp_path / "other")


def test_when_every_mirror_fails_one_line_says_why_and_what_to_do(server, tmp_path):
    gone, liar, cut = Mirror(status=404), Mirror(content=WRONG), Mirror(break_after=[HALF] * 9, ranges=False)
    nowhere = "http://127.0.0.1:1/file.gz"
    message = failure((*server(gone, liar, cut), nowhere), tmp_path)
    for reason in ("HTTP status 404", "wrong content", f"closed after {HALF:,} of 1,048,576", "refused"):
        assert reason in message
    assert f"put it into {tmp_path} by hand" in message
    assert "TINYGEN_DATA" in message


def test_a_full_disk_is_named_and_what_has_come_can_be_continued(server, tmp_path, monkeypatch):
    class FullDisk:
        """A file on a disk that takes one piece and no more."""

        def __init__(self, path, mode):
            self.file = open(path, mode)  # noqa: SIM115
            self.taken = 0

        def write(self, piece):
            if self.taken:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.taken += self.file.write(piece)

        def __enter__(self):
            return self

        def __exit__(self, *args):
            self.file.close()

    def full_open(path, mode="r"):
        return FullDisk(path, mode) if mode in ("wb", "ab") else open(path, mode)

    mirror = Mirror()
    urls = server(mirror)
    with monkeypatch.context() as patch:
        patch.setattr(download, "open", full_open, raising=False)
        message = failure(urls, tmp_path)
    assert "the disk is full" in message
    assert "1,048,576 bytes" in message
    kept = (tmp_path / "file.gz.part").stat().st_size
    assert 0 < kept < len(CONTENT)
    assert fetch(remote(urls), tmp_path).read_bytes() == CONTENT
    assert mirror.asked == [None, f"bytes={kept}-"]


def test_a_folder_that_cannot_be_made_is_one_line(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="Not a directory"):
        fetch(remote(server(Mirror())), tmp_path / "file" / "cache")


def test_two_runs_at_once_download_once(server, tmp_path):
    mirror = Mirror()
    urls = server(mirror)
    runs = [threading.Thread(target=fetch, args=(remote(urls), tmp_path)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert (tmp_path / "file.gz").read_bytes() == CONTENT
    assert mirror.asked == [None]

"""What is printed when the first rank is gone without having said that all is well.

Where a rank is killed, mpirun kills the others, most often with a signal that nobody can answer. So a shell in a
session of its own holds the end of a pipe: it keeps the last line it was given, and prints it when the pipe closes.
An empty line means that there is nothing to say.
Held by tests/parallel/test_parallel_failures.py.
"""

import contextlib
import subprocess

_SHELL = """
trap '' INT TERM HUP
while IFS= read -r line; do last=$line; done
[ -z "$last" ] || printf '%s\\n' "$last" >&2
"""


class LastWords:
    """The shell that outlives its rank."""

    def __init__(self) -> None:
        self._shell = subprocess.Popen(["sh", "-c", _SHELL], stdin=subprocess.PIPE, start_new_session=True, text=True)

    def put(self, line: str) -> None:
        """What is to be printed, in place of what it was."""
        assert self._shell.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # somebody ended the shell: the run is not worse for it
            self._shell.stdin.write(" ".join(line.split()) + "\n")
            self._shell.stdin.flush()

    def dismiss(self) -> None:
        """There is nothing to be said: the shell ends."""
        self.put("")
        with contextlib.suppress(BrokenPipeError):
            self._shell.communicate()

"""One mistake at a time, planted in a process of its own; the tree is not touched.

A fork server (one for each test process, with NumPy and Numba loaded and no thread started) forks a child for every
mutant. The child imports the project afresh, the one module from its changed source, and runs the named checks.

A check fails when a measurement does not hold, or when it raises AssertionError or ValueError while it measures: what
the project's own guards raise. Any other exception, and any at import, is a planted text that does not run. It counts
as a survivor: nobody would ship it. So does a change in a module that no check loads.
"""

import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any
from unittest.mock import patch

from mutant import ROOT, Mutant

SECONDS = 60  # of a core, after which a child is ended; a kernel with a mistake in it compiles without a cache
PATIENCE = 900  # seconds by the clock: the machine may be busy
FAILURES = (AssertionError, ValueError)
SLOW_TO_IMPORT = ("np.npyimpl", "np.arraymath", "typed", "experimental.jitclass")  # by Numba, at its first call

ONE_THREAD = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["numpy", *(f"numba.{part}" for part in SLOW_TO_IMPORT)])
_starting = threading.Lock()


@dataclass(frozen=True)
class Finding:
    """What one check said under one mutant; `fault` says why it did not run to an end, where it did not."""

    check: str
    failed: bool
    what: str = ""
    measured: str = ""
    exact: str = ""
    fault: str = ""


def trial(mutant: Mutant, seconds: int = SECONDS) -> list[Finding]:
    """Each named check under the mutant, in the order of their names.

    Raises:
        ValueError: the text to be changed does not occur exactly once.
    """
    source = mutant.planted()
    with _starting, patch.dict(os.environ, ONE_THREAD):  # mutants run side by side: threads would wait for each other
        forkserver.ensure_running()
    ours, theirs = _forks.Pipe(duplex=False)
    child = _forks.Process(target=_child, args=(mutant, source, seconds, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        if ours.poll(PATIENCE):
            findings: list[Finding] = ours.recv()
            child.join(PATIENCE)
            return findings
        return _all(mutant, f"no answer in {PATIENCE} s by the clock")
    except EOFError:
        child.join()
        late = child.exitcode == -signal.SIGXCPU
        return _all(
            mutant, f"no answer in {seconds} s of a core" if late else f"the process ended with code {child.exitcode}"
        )
    finally:
        child.kill()
        child.join()
        ours.close()


def survives(mutant: Mutant, findings: Sequence[Finding]) -> list[str]:
    """One line for each named check that did not fail; empty when the mutant is killed."""
    return [f"{f.check}: {f.fault or f'holds ({f.what})'}" for f in findings if not f.failed]


def _all(mutant: Mutant, fault: str) -> list[Finding]:
    return [Finding(name, False, fault=fault) for name in mutant.checks]


def _child(mutant: Mutant, source: str, seconds: int, answer: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        if mutant.file.startswith("kernels/"):
            # The cache on disk goes by file and line: it would hide the change, and keep it for everyone.
            import numba

            numba.config.CACHE_DIR = folder
        try:
            findings = _measure(mutant, source)
        except Exception as error:
            findings = _all(mutant, _named(error))
        answer.send(findings)


def _measure(mutant: Mutant, source: str) -> list[Finding]:
    planted = Planted(os.path.join(ROOT, mutant.file), source)
    sys.meta_path.insert(0, planted)
    from tinygen.checks.registry import checks

    known = {c.name: c for family in {name.split(".")[0] for name in mutant.checks} for c in checks(family)}
    findings = [_finding(name, known.get(name)) for name in mutant.checks]
    if not planted.loaded:
        return _all(mutant, f"{mutant.file} was not loaded")
    return findings


def _finding(name: str, check: Any) -> Finding:
    if check is None:
        return Finding(name, False, fault="there is no such check")
    held = 0
    try:
        for m in check.measure():
            held += m.holds
            if not m.holds:
                return Finding(name, True, m.what, f"{m.measured:.6g}", f"{m.exact:.6g}")
    except FAILURES as error:
        return Finding(name, True, "raises", _named(error))
    except Exception as error:
        return Finding(name, False, fault=f"does not run: {_named(error)}")
    return Finding(name, False, f"{held} measurements")


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


class Planted(MetaPathFinder):
    """Finds every module where it is, and gives the one in `file` the source it is told."""

    def __init__(self, file: str, source: str) -> None:
        self.file, self.source, self.loaded = file, source, False

    def find_spec(self, name: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec that the other finders give, with another loader for the planted file."""
        if name.split(".")[0] != "tinygen":
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None:
                if spec.origin and os.path.realpath(spec.origin) == os.path.realpath(self.file):
                    self.loaded = True
                    spec.loader = _Source(self.file, self.source)
                return spec
        return None


class _Source(SourceLoader):
    """Source from memory: nothing is read from `__pycache__`, and nothing is left there."""

    def __init__(self, file: str, source: str) -> None:
        self.file, self.source = file, source

    def get_filename(self, fullname: str) -> str:
        return self.file

    def get_data(self, path: Any) -> bytes:
        return self.source.encode()

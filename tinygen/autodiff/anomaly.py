"""`detect_anomaly`: the first NaN or infinity raises and names the operation and the line that made it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tinygen.autodiff.tape import mode
from tinygen.kernels.array_module import xp

watched: list[bool] = []  # not empty while anomalies are looked for in some thread: what others ask first
_PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep


class AnomalyError(FloatingPointError):
    """A NaN or an infinity, with the operation and the line that made it."""


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Within the block the first operation to make a NaN or an infinity, forward or backward, raises.

    Raises:
        AnomalyError: names the operation and the user's line, for a gradient the line of the forward.
    """
    before = mode.anomaly
    mode.anomaly = True
    watched.append(True)
    try:
        yield
    finally:
        watched.pop()
        mode.anomaly = before


def calling_line() -> str:
    """The innermost line outside the package: `file:line in function`."""
    frame: Any = sys._getframe(1)
    last = frame
    while frame is not None:
        last = frame
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            break
        frame = frame.f_back
    return f"{last.f_code.co_filename}:{last.f_lineno} in {last.f_code.co_name}"


def kind_of_anomaly(array: Any) -> str | None:
    """ "a NaN", "an infinity", or None when every entry is finite."""
    if array.dtype.kind not in "fV":
        return None
    module = xp(array)
    if bool(module.isfinite(array).all()):
        return None
    return "a NaN" if bool(module.isnan(array).any()) else "an infinity"


def check_value(name: str, array: Any) -> None:
    """Raises when an operation made a NaN or an infinity, except within a gradient, which is checked as a whole."""
    found = None if mode.backward else kind_of_anomaly(array)
    if found:
        raise AnomalyError(f"{name} made {found}, at {calling_line()}")


def check_gradient(node: Any, array: Any) -> None:
    """Raises when the gradient of the operation that `node` recorded is not finite."""
    found = kind_of_anomaly(array)
    if found:
        where = f", recorded at {node.line}" if node.line else ""
        raise AnomalyError(f"the gradient of {node.name} made {found}{where}")

"""A library that computes something else: values that are off by more than rounding, or nothing at all."""

from typing import Any

from tinygen.bench.backends.with_tinygen import OperationRun


class Off(OperationRun):
    def results(self) -> dict[str, Any]:
        return {name: 1.0005 * array for name, array in super().results().items()}


def setup(threads: int, broken: bool = False) -> None:
    global BROKEN
    BROKEN = broken


def about() -> dict[str, str]:
    return {}


def clock() -> None:
    return None


def operation(chosen: Any) -> Off:
    if BROKEN:
        raise ZeroDivisionError("no such kernel")
    return Off(chosen)


step = operation

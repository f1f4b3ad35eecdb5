"""What no operation exceeds for long, measured: the rates of copying an array and of multiplying matrices (the roofline
model: Williams, Waterman and Patterson 2009), and what one operation takes on the tape however small its arrays are.

An operation that does few FLOP for each byte it moves cannot be faster than memory, the others not faster than the
multiplying units. Arrays that fit into a cache are copied faster than memory would: on a CPU copies of several sizes
are measured, and an operation is held to one that is no larger than its own arrays together.

Held by tests/profiling/test_profile_ceilings.py.
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from tinygen import kernels
from tinygen.device import CPU, Device, transfer
from tinygen.profiling.cost import Cost

MOVED = {"cpu": (1 << 17, 1 << 19, 1 << 21, 1 << 23, 1 << 25, 1 << 27), "cuda": (1 << 30,)}
"""Bytes, of an array and its copy together. The last are more than caches hold."""
SIDE = {"cpu": 1024, "cuda": 8192}
LEAST = 1 << 24
"""Bytes that are moved while the clock runs, at least: small copies are repeated."""
_APART = 256
"""Numbers left free before what is copied to. An array begins 16 bytes further on in its page than the one before it,
if that was of whole pages; to such a place some processors of AMD copy far more slowly (glibc's `rep movsb`)."""
CHAIN = 100
"""Operations in a row, of which one is the hundredth part."""


class Tape(NamedTuple):
    """What an operation takes however small its arrays are: called alone, recorded, and for its gradient."""

    call: float = 0.0
    record: float = 0.0
    pull: float = 0.0

    def seconds(self, called: int, recorded: int, pulled: int) -> float:
        """Of so many of each."""
        return self.call * called + self.record * recorded + self.pull * pulled


UNKNOWN = Tape()


@dataclass(frozen=True)
class Ceilings:
    """What a machine reached.

    Attributes:
        copies: bytes (read and written: both count) and bytes a second of copies, the smallest first.
        flop_rate: FLOP a second of a matrix product; None where none was measured.
        dtype: of that product.
        tape: seconds of an operation on the smallest arrays.
    """

    copies: tuple[tuple[int, float], ...]
    flop_rate: float | None
    dtype: str
    tape: Tape = UNKNOWN

    @property
    def bandwidth(self) -> float:
        """Bytes a second of the largest copy: those of memory."""
        return self.copies[-1][1]

    def bandwidth_of(self, size: int) -> float:
        """Bytes a second that so many bytes can be moved with: the best of the copies that are no smaller than the
        largest one below them."""
        below = [i for i, (bytes_, _) in enumerate(self.copies) if bytes_ <= size]
        return max(rate for _, rate in self.copies[below[-1] if below else 0 :])

    def floor(self, cost: Cost) -> tuple[float, str] | None:
        """Seconds that what costs `cost` takes at least, and what bounds it: "memory" or "arithmetic".

        None for arithmetic of unknown rate.
        """
        memory = cost.bytes / self.bandwidth_of(cost.bytes)
        if not cost.least:
            return memory, "memory"
        if self.flop_rate is None:
            return None
        arithmetic = cost.least / self.flop_rate
        return (memory, "memory") if memory >= arithmetic else (arithmetic, "arithmetic")

    def floors(self, costs: Iterable[Cost]) -> dict[str, float]:
        """Seconds that all of them take at least, by what bounds them; what is of unknown rate is left out."""
        parts = {"arithmetic": 0.0, "memory": 0.0}
        for cost in costs:
            bound = self.floor(cost)
            if bound is not None:
                parts[bound[1]] += bound[0]
        return parts

    def content(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "bytes_per_second": self.bandwidth,
            "flop_per_second": self.flop_rate,
            "copies": [{"bytes": size, "bytes_per_second": rate} for size, rate in self.copies],
            "seconds_of_an_operation": self.tape._asdict(),
        }

    def __str__(self) -> str:
        small, large = self.copies[0], self.copies[-1]
        cached = f" ({per_second(small[1], 'B')} where {small[0] >> 10} KiB do)" if len(self.copies) > 1 else ""
        rate = "at an unknown rate" if self.flop_rate is None else per_second(self.flop_rate, "FLOP")
        tape = ""
        if self.tape.record:
            tape = (
                f", an operation on the tape {self.tape.record * 1e6:.2g} us, its gradient {self.tape.pull * 1e6:.2g}"
            )
        return f"copying {per_second(large[1], 'B')}{cached}, multiplying matrices {rate} ({self.dtype}){tape}"


def per_second(rate: float, unit: str) -> str:
    """A rate as one reads it."""
    return f"{rate / 1e12:.3g} T{unit}/s" if rate >= 1e12 else f"{rate / 1e9:.3g} G{unit}/s"


def measure(device: Device = CPU, dtype: Any = np.float32, repeats: int = 7) -> Ceilings:
    """The best of several, which is the one that nothing else disturbed. About a second on a CPU."""
    rate = lambda size: max(size / _copying(size, device, dtype, repeats, parts) for parts in _threads(device))
    copies = tuple((size, rate(size)) for size in MOVED[device.kind])
    a = transfer(np.ones((SIDE[device.kind],) * 2, dtype), device)
    multiplying = _best(lambda: kernels.matmul(a, a), device, repeats)  # type: ignore[attr-defined]
    return Ceilings(copies, 2 * len(a) ** 3 / multiplying, np.dtype(dtype).name, _tape(5 * repeats))


def _threads(device: Device) -> set[int]:
    """Those that copies are measured with: all of the kernels', and one, since for small arrays they take longer to
    take turns than to copy."""
    if device.kind != "cpu":
        return {1}
    from tinygen.kernels.cpu.threads import thread_count

    return {1, thread_count()}


def _copying(size: int, device: Device, dtype: Any, repeats: int, parts: int) -> float:
    """Seconds in which an array is copied by so many threads, each its part."""
    ones = np.ones(size // 2 // parts // np.dtype(dtype).itemsize, dtype)
    room = np.ones(len(ones) + _APART, dtype)
    pairs = [(transfer(ones.copy(), device), transfer(room.copy(), device)[_APART:]) for _ in range(parts)]
    count = max(1, LEAST // size)

    def copy(pair: tuple[Any, Any]) -> None:
        source, target = pair
        for _ in range(count):
            target[...] = source

    if parts == 1:
        return _best(partial(copy, pairs[0]), device, repeats) / count
    with ThreadPoolExecutor(parts) as threads:
        return _best(lambda: list(threads.map(copy, pairs)), device, repeats) / count


def _tape(repeats: int) -> Tape:
    """Of the product of two numbers."""
    from tinygen.autodiff.backward import grad
    from tinygen.autodiff.tape import no_grad
    from tinygen.tensor import Tensor

    x, y = (Tensor(np.ones((), np.float32), requires_grad=True) for _ in range(2))

    def forward() -> Tensor:
        z = x
        for _ in range(CHAIN):
            z = z * y
        return z

    def sample() -> list[float]:
        """One after the other, so that what disturbs the machine for a while disturbs all."""
        at = [time.perf_counter()]
        with no_grad():
            forward()
        at.append(time.perf_counter())
        z = forward()
        at.append(time.perf_counter())
        grad(z, [x, y])
        at.append(time.perf_counter())
        return [end - start for start, end in pairwise(at)]

    samples = [sample() for _ in range(repeats + 1)]  # the first compiles, and is never the least
    return Tape(*(min(found) / CHAIN for found in zip(*samples, strict=True)))


def _best(work: Callable[[], Any], device: Device, repeats: int) -> float:
    seconds = []
    for _ in range(repeats + 1):  # the first compiles
        finish(device)
        start = time.perf_counter()
        work()
        finish(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def finish(device: Device) -> None:
    """Waits until the device has done what it was told to."""
    if device.kind == "cuda":
        import cupy

        cupy.cuda.get_current_stream().synchronize()

"""What a convolution, or its gradient in the weight, is done with: found once for shapes and geometry, then run.

All forms run alike: a task of two stages, over arrays in the order of memory. A convolution packs or transforms its
weight, then multiplies; for a gradient in the weight each thread makes a sum of its own, then these are added, in a
fixed order. The arguments of a task are

    0, 1       source (N, H, W, C) and weight (K, C / groups, KH, KW), or image and output of a convolution
    2          bias of a convolution, or zeros: one for all images or, `of_each`, theirs one behind the other; in a
               gradient all that follow are one place ahead
    3, 4       the result, and memory to work in: first what threads share, then what each has for itself
    from 5     what the form has put into `Plan.tables`

Held by tests/kernels/test_convolution.py.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.kernels.cpu.launch import Arguments, launch, task
from tinygen.kernels.cpu.threads import LINE, memory, thread_count

Array = NDArray[Any]
Shape = tuple[int, ...]

PACKED = 1 << 14  # entries of a weight worth a thread's waking
SUMS = 1 << 26  # floats that the threads' sums for a weight gradient may take together


def rooms(*sizes: int) -> tuple[int, ...]:
    """Where rooms of so many floats begin, behind one another, each on a cache line; last, where they end."""
    return 0, *accumulate(size + -size % LINE for size in sizes)


@dataclass(frozen=True, slots=True)
class Plan:
    """One convolution, or one gradient in a weight, for arrays of the shapes that it was made for."""

    work: task
    shape: Shape  # of the result, in the order of memory
    units: int  # of work, for threads to share
    shared: int  # floats of memory that threads share
    own: int  # ... and that each has for itself
    tables: Arguments
    most: int = 1 << 30  # threads
    of_each: bool = False  # whether a bias is read that each image has for itself

    def run(self, *given: Array) -> Array:
        """The result for arrays (x, w, bias), or (x, g)."""
        threads = min(thread_count(self.units), self.most)
        out = np.empty(self.shape, np.float32)
        room = memory("convolution", self.shared + threads * self.own)
        launch(self.work, threads, *given, out, room, self.tables)
        return out

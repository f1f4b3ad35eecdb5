"""What is timed of a kernel: its inputs, the call in both libraries, and what it must move and multiply at least.

The floor of a kernel is the greater of two times: all bytes that it must read or write, over the bandwidth of a copy;
and the operations of its matrix products, over the rate of a large one. `moved` counts each input that is read as often
as no cache could spare it, and each output once; a kernel's own parts and partial sums are not counted, since another
might do without them. Held by tests/bench/test_cuda_cases.py: examples counted by hand.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np

from tinygen.profiling.cost import Cost

Arrays = dict[str, Any]
Shape = tuple[int, ...]


PRODUCTS = ("conv2d", "conv2d_input_grad", "conv2d_weight_grad", "matmul", "attention", "attention_backward")
"""Kernels that multiply matrices in the precision that is asked for."""
PERIOD = 1_000_003
"""Numbers that are drawn for an input; after so many they come again, which takes a fraction of the time."""


@dataclass(frozen=True)
class Kernel:
    """One kernel at one size.

    `inputs` are normal arrays by name -> shape, of standard deviation `scale`; `filled` are of one value, by name ->
    (shape, value); `integers` are below a bound, by name -> (shape, bound), and booleans where that is 2. `ours(K, a)`
    calls it, K the kernels by name; `left(K, a)` is what a forward pass leaves for it, by name. `theirs(T, a)` is the
    same in PyTorch, T the module `torch`; where `wrt` names inputs it is the forward pass, which is then
    differentiated in them for the cotangent `g`, and only that is timed. `images` have their channels last in memory,
    as this engine hands them on; PyTorch gets them as its form has them. What draws at random is not `compared`.
    """

    name: str
    kernel: str
    inputs: Mapping[str, Shape]
    ours: Callable[[Any, Arrays], Any]
    theirs: Callable[[Any, Arrays], Any] | None
    moved: int
    operations: int = 0
    wrt: tuple[str, ...] = ()
    left: Callable[[Any, Arrays], Arrays] = lambda K, a: {}
    scale: dict[str, float] = field(default_factory=dict)
    filled: dict[str, tuple[Shape, float]] = field(default_factory=dict)
    integers: dict[str, tuple[Shape, int]] = field(default_factory=dict)
    images: tuple[str, ...] = ()
    compared: bool = True

    @property
    def in_bfloat16(self) -> bool:
        """Whether it is timed on bfloat16 arrays where that is the precision: it is, if it is a product of matrices."""
        return (
            self.kernel in ("conv2d", "conv2d_input_grad", "conv2d_weight_grad", "matmul") or "attention" in self.name
        )

    def bytes(self, precision: str) -> int:
        """What it must move: half of it where arrays are bfloat16."""
        return self.moved // 2 if precision == "bfloat16" and self.in_bfloat16 else self.moved

    def cost(self, precision: str) -> Cost:
        """What it must do at least."""
        return Cost(self.operations, self.bytes(precision))

    def arrays(self) -> Arrays:
        """The inputs in NumPy, the same in every process."""
        rng = np.random.default_rng(0)
        made: Arrays = {}
        for name, shape in self.inputs.items():
            drawn = rng.standard_normal(min(prod(shape), PERIOD), np.float32)
            made[name] = np.resize(drawn * np.float32(self.scale.get(name, 1.0)), shape)
        made |= {name: np.full(shape, value, np.float32) for name, (shape, value) in self.filled.items()}
        for name, (shape, bound) in self.integers.items():
            drawn = np.resize(rng.integers(0, bound, min(prod(shape), PERIOD)), shape)
            made[name] = drawn.astype(bool) if bound == 2 else drawn
        for name in self.images:
            made[name] = np.ascontiguousarray(made[name].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        return made


def thinned(array: Any) -> Any:
    """At most twice `PERIOD` entries of a result of either library, evenly spread: what is compared."""
    return array.reshape(-1)[:: max(1, prod(array.shape) // PERIOD)]


def floats(*shapes: Shape) -> int:
    """Bytes of float32 arrays of these shapes."""
    return 4 * sum(map(prod, shapes))


def longs(*shapes: Shape) -> int:
    """Bytes of int64 arrays of these shapes."""
    return 8 * sum(map(prod, shapes))


def named(cases: Iterable[Kernel]) -> dict[str, Kernel]:
    """By name. Raises ValueError for a name that is there twice."""
    found: dict[str, Kernel] = {}
    for case in cases:
        if case.name in found:
            raise ValueError(f"two cases are called {case.name!r}")
        found[case.name] = case
    return found

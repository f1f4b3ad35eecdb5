"""Division by multiplication (division.cuh) is division, at the edges of its numbers and where the quotient changes."""

import numpy as np
from simulator import RawModule, needs_compiler

from tinygen.kernels.cuda import launch

MOST = 2**31 - 1
KERNEL = """
extern "C" __global__ void divide(const int* n, const int* number, int* quotient, int* remainder, Index size) {
  for (EACH(i, size)) {
    Divisor by = divisor(number[i]);
    quotient[i] = by.quotient(n[i]);
    remainder[i] = by.remainder(n[i]);
  }
}"""


@needs_compiler
def test_quotients_and_remainders():
    near = lambda values: {v + d for v in values for d in (-1, 0, 1)}
    rng = np.random.default_rng(0)
    numbers = near({2**e for e in range(1, 31)} | set(rng.integers(2, 2**16, 40))) | {3, MOST - 1, MOST}
    numbers = {number for number in map(int, numbers) if 1 <= number <= MOST}
    pairs = [
        (n, number)
        for number in numbers
        for n in near({0, number, 3 * number, MOST // number * number, MOST}) | set(map(int, rng.integers(0, MOST, 5)))
        if 0 <= n <= MOST
    ]
    n, number = np.array(pairs, np.int32).T.copy()
    quotient, remainder = np.empty_like(n), np.empty_like(n)
    kernel = RawModule(launch._flat("division.cuh", set()) + KERNEL, launch.options("", np.dtype(np.float32)))
    kernel.get_function("divide")((8,), (256,), (n, number, quotient, remainder, n.size))
    np.testing.assert_array_equal(quotient, n // number)
    np.testing.assert_array_equal(remainder, n % number)

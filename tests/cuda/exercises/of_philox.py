from collections.abc import Callable
from typing import Any

import numpy as np

from exercises.common import Results, both
from tinygen.kernels.definitions import philox
from tinygen.random import Generator


def exercise(kernels: Any) -> Results:
    place = ((5, 2**31 + 3), 2**64 - 7)  # the counter's lower half overflows on the way
    yield from both("philox_bits", kernels, philox, *place, 1027)
    for dtype in (np.float32, np.float64):
        yield from both("philox_uniform", kernels, philox, *place, 1027, dtype)
        yield from both("philox_normal", kernels, philox, *place, 1027, dtype)
    for position in (2**65 - 14, 2**65 - 13):  # at the start of a block, and inside one
        rng = Generator(0)
        rng.state = {**rng.state, "key": list(place[0]), "counter": position}
        drawn = [rng.uniform(513), rng.normal(514, np.float64), rng.integers(-(2**62), 2**62, 511)]

        def at(words: int, position: int = position) -> Callable[[], tuple[tuple[int, int], int]]:
            return lambda: (place[0], position + words)

        yield "draw_uniform", kernels.draw_uniform(at(0), 513, np.float32), drawn[0].numpy()
        yield "draw_normal", kernels.draw_normal(at(513), 514, np.float64), drawn[1].numpy()
        yield "draw_integers", kernels.draw_integers(at(513 + 514), 511, -(2**62), 2**63), drawn[2].numpy()

"""Which entries a coupling leaves alone: 1 for those, 0 for what it changes (Dinh et al. 2017, figure 3).

A mask has the shape of one example. `parity` 0 keeps the first entry, 1 the others.
Held by tests/flow/test_coupling.py.
"""

import numpy as np


def alternating(size: int, parity: int = 0) -> np.ndarray:
    """(D,): every second coordinate."""
    return (np.arange(size) % 2 == parity).astype(np.float32)


def checkerboard(shape: tuple[int, ...], parity: int = 0) -> np.ndarray:
    """(C, H, W): pixels whose row and column have a sum of that parity, the same in all channels."""
    _, height, width = shape
    sums = np.add.outer(np.arange(height), np.arange(width))
    return np.broadcast_to(sums % 2 == parity, shape).astype(np.float32)


def half_channels(shape: tuple[int, ...], parity: int = 0) -> np.ndarray:
    """(C, H, W): the first half of the channels (parity 0), or the second."""
    channels = shape[0]
    first = np.arange(channels) < channels // 2
    return np.broadcast_to((first == (parity == 0))[:, None, None], shape).astype(np.float32)

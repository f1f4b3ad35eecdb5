"""An array that was pickled, by a data loader's process say, has a dtype of its own, which equals float32: the kernels
take it as any other, and do not leave it to the definitions."""

import pickle

import numpy as np
import pytest

from tinygen import kernels
from tinygen.kernels.cpu import launch


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


ROWS, IMAGES, HEADS = normal(5, 7), normal(2, 8, 3, 3), normal(1, 2, 5, 4)
LABELS, SIZES = np.array([0, 3, 6, 1, 1]), normal(5)
CALLS = {
    "softmax": (ROWS, -1),
    "softmax_backward": (ROWS, ROWS, -1),
    "log_softmax": (ROWS, -1),
    "log_softmax_backward": (ROWS, ROWS, -1),
    "cross_entropy": (ROWS, LABELS),
    "cross_entropy_backward": (SIZES, ROWS, LABELS, SIZES),
    "layer_norm": (ROWS, 1, None, None, 1e-5),
    "rms_norm": (ROWS, 1, None, 1e-5),
    "batch_norm": (IMAGES, None, None, 1e-5),
    "group_norm": (IMAGES, 2, None, None, 1e-5),
    "attention": (HEADS, HEADS, HEADS, None, False, 0.5),
    "conv2d": (IMAGES, normal(4, 8, 3, 3)),
    "max_windows": (IMAGES, (2, 2), (1, 1), (0, 0), (1, 1)),
}


def unpickled(value):
    return pickle.loads(pickle.dumps(value)) if isinstance(value, np.ndarray) else value


@pytest.mark.parametrize("name", CALLS)
def test_what_was_pickled_is_the_kernel_s(name, monkeypatch):
    kernel, launched = getattr(kernels, name), []
    expected = kernel(*CALLS[name])
    for way in ("here", "parallel"):
        run = getattr(launch.WAYS, way)
        monkeypatch.setattr(launch.WAYS, way, lambda *given, run=run: (launched.append(1), run(*given)))
    given = [unpickled(value) for value in CALLS[name]]
    assert given[0].dtype is not np.dtype(np.float32)
    found = kernel(*given)
    assert launched
    for a, b in zip(*(y if isinstance(y, tuple) else (y,) for y in (found, expected)), strict=True):
        np.testing.assert_array_equal(a, b)

"""Black and white pixels from grey ones in [-1, 1], where -1 is black.

Likelihoods of binarised images can be compared only where they are binarised alike: anew each time an image is seen, or
once for all. Held by tests/vae/test_vae_model.py.
"""

import zlib
from typing import Literal, get_args

import numpy as np

from tinygen import ops
from tinygen.autodiff.fusion import fused
from tinygen.random import Generator
from tinygen.tensor import Tensor

Binarise = Literal["dynamic", "static", "threshold"]


def check_binarise(how: str) -> None:
    """Raises ValueError for another word."""
    if how not in get_args(Binarise):
        raise ValueError(f"binarise is {', '.join(get_args(Binarise))}, not {how!r}")


def binarised(x: Tensor, how: Binarise, rng: Generator) -> Tensor:
    """Pixels -1 and 1, of x's dtype, from grey ones x (N, ...).

    Args:
        how: drawn with the grey level as the chance of white, "dynamic" anew each time, from `rng`, "static" once for
            each image, whose own bytes are the seed; or "threshold": white above the middle.
    """
    return _black_and_white(x, _chances(x, how, rng))


@fused
def _black_and_white(x: Tensor, chance: Tensor) -> Tensor:
    """1 where the grey level of x, from 0 to 1, is above `chance`, else -1."""
    return ops.where(0.5 * (x + 1.0) > chance, 1.0, -1.0)


def _chances(x: Tensor, how: Binarise, rng: Generator) -> Tensor | float:
    """What a grey level must exceed for its pixel to be white."""
    match how:
        case "dynamic":
            return rng.uniform(x.shape, x.dtype, x.device)
        case "static":
            keys = (zlib.crc32(image.tobytes()) for image in np.asarray(x, np.float32))
            own = [np.asarray(Generator(key).uniform(x.shape[1:], np.float32, "cpu")) for key in keys]
            return Tensor(np.stack(own).astype(x.dtype)).to(x.device)
    return 0.5

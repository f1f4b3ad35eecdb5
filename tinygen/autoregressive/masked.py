"""Convolution whose filters see only what comes before in raster order (van den Oord et al. 2016, section 3.4).

"Pixel recurrent neural networks", arXiv:1601.06759. Mask A also closes the centre: it is for the first layer, mask B
for those after it. A stack of such layers is causal, but has a blind spot: it never reaches what lies to the right
above, beyond one column a row. The gated PixelCNN (`gated.py`) has none. Held by tinygen/checks/autoregressive.py
(CHECKS 37).
"""

from typing import Literal

import numpy as np

from tinygen import nn
from tinygen.random import Generator
from tinygen.tensor import Tensor


def raster_mask(height: int, width: int, centre: bool) -> np.ndarray:
    """1 above the centre row and left of the centre in it, and at the centre itself if `centre`: (height, width)."""
    mask = np.zeros((height, width), np.float32)
    mask[: height // 2] = 1.0
    mask[height // 2, : width // 2 + centre] = 1.0
    return mask


class MaskedConv2d(nn.Conv2d):
    """A convolution of odd size that keeps the size of images, its filters times the mask A or B.

    Raises:
        ValueError: an even size, or another mask.
    """

    mask: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, mask: Literal["A", "B"], *, rng: Generator
    ):
        if kernel_size % 2 == 0:
            raise ValueError(f"a masked convolution has a centre: kernel_size is odd, not {kernel_size}")
        if mask not in ("A", "B"):
            raise ValueError(f"mask is A (closes the centre) or B, not {mask!r}")
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2, rng=rng)
        self.register_buffer("mask", Tensor(raster_mask(kernel_size, kernel_size, mask == "B")), persistent=False)

    def filters(self) -> Tensor:
        return self.weight * self.mask

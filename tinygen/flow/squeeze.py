"""Space to channels: every 2 x 2 block of pixels becomes 4 channels (Dinh et al. 2017, section 3.6).

A permutation of entries, so |det| = 1. Held by tinygen.checks.flow (33).
"""

from tinygen.flow.contract import Flow, no_change
from tinygen.tensor import Tensor


class Squeeze(Flow):
    """(N, C, H, W) to (N, 4 C, H/2, W/2); channel 4 c + 2 i + j holds pixel (i, j) of the blocks of channel c.

    Raises:
        ValueError: images with an odd height or width.
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        n, c, height, width = (x.shape[0], *self._checked(x.shape[1:]))
        blocks = x.reshape(n, c, height // 2, 2, width // 2, 2).permute(0, 1, 3, 5, 2, 4)
        return blocks.reshape(n, 4 * c, height // 2, width // 2), no_change(x)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        n, c, height, width = y.shape
        blocks = y.reshape(n, c // 4, 2, 2, height, width).permute(0, 1, 4, 2, 5, 3)
        return blocks.reshape(n, c // 4, 2 * height, 2 * width), no_change(y)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        c, height, width = self._checked(shape)
        return 4 * c, height // 2, width // 2

    def _checked(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != 3 or shape[1] % 2 or shape[2] % 2:
            raise ValueError(f"Squeeze: images (C, H, W) of even height and width are needed, found {shape}")
        return shape

"""Ancestral sampling: x_i ~ p(x_i | x_<i), i in raster order, with nothing computed twice.

The vertical stack of a row depends on the rows above alone: it is computed once, a row at a time. Then the horizontal
stack runs along the row, one column at a time, over what earlier columns left. All layers keep what they have seen in
buffers with the layers' borders, so a draw costs as many operations as one pass over the grid, in H W small steps.
Held by tests/autoregressive/test_ancestral.py: the logits on the way are those of the whole pass.
"""

from typing import Any

import numpy as np

from tinygen.autodiff.tape import no_grad
from tinygen.autoregressive.gated import GatedPixelCNN
from tinygen.distributions import Categorical
from tinygen.kernels.array_module import xp
from tinygen.random import Generator
from tinygen.tensor import Tensor


@no_grad()
def ancestral(
    law: GatedPixelCNN,
    n: int,
    size: tuple[int, int],
    rng: Generator,
    cond: Tensor | None = None,
    above: np.ndarray | None = None,
) -> np.ndarray:
    """n grids drawn from `law`: int64 (n, H, W).

    Args:
        size: (H, W).
        cond: one-hot (n, classes), or None.
        above: the first rows, (n, rows, W), which are then given and not drawn.
    """
    height, width = size
    x = np.zeros((n, height, width), np.int64)
    given = 0 if above is None else above.shape[1]
    if above is not None:
        x[:, :given] = above
    layers = list(law.layers)
    biases = [layer.biases(cond) for layer in layers]
    like = law.outward.weight._data

    def buffer(channels: int, rows: int, columns: int) -> Any:
        return xp(like).zeros((n, rows, columns, channels), like.dtype).transpose(0, 3, 1, 2)

    inputs = [layer.down.in_channels for layer in layers]
    vertical = [buffer(c, layer.reach + height, 2 * layer.reach + width) for c, layer in zip(inputs, layers)]
    for r in range(height):
        linked = []
        for i, layer in enumerate(layers):
            v, link = layer.vertical(Tensor(vertical[i][:, :, r : r + layer.window]), biases[i][0])
            linked.append(link)
            if i + 1 < len(layers):
                k = layers[i + 1].reach
                vertical[i + 1][:, :, k + r, k : k + width] = v._data[:, :, 0]
        horizontal = [buffer(c, 1, layer.reach + width) for c, layer in zip(inputs, layers)]
        for column in range(width):
            for i, layer in enumerate(layers):
                window = Tensor(horizontal[i][:, :, :, column : column + layer.window])
                h = layer.horizontal(window, linked[i][:, :, :, column : column + 1], biases[i][1])
                if i + 1 < len(layers):
                    horizontal[i + 1][:, :, 0, layers[i + 1].reach + column] = h._data[:, :, 0, 0]
            if r >= given:
                x[:, r, column] = np.asarray(Categorical(logits=law.read(h).reshape(n, -1)).sample(rng))
            plane = law.planes(x[:, r : r + 1, column : column + 1])._data[:, :, 0, 0]
            k = layers[0].reach
            vertical[0][:, :, k + r, k + column] = plane
            horizontal[0][:, :, 0, k + column] = plane
    return x

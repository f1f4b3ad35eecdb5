"""Networks of coupling layers: they see what a mask keeps and say how the rest is moved; both start at 0.

Starting at 0 makes every coupling the identity (Kingma and Dhariwal 2018, section 3.3). Held by tests/flow/.
"""

from tinygen import nn
from tinygen.nets.mlp import MLP
from tinygen.nets.unet import zeroed
from tinygen.ops.elementwise import relu
from tinygen.random import Generator
from tinygen.tensor import Tensor


def coupling_net(
    shape: tuple[int, ...], factor: int, hidden: int, depth: int, shared: bool = True, *, rng: Generator
) -> nn.Module:
    """A network from examples (C, ...) to (factor C, ...), 0 everywhere at the start.

    Args:
        shape: of an example; images (C, H, W) get convolutions, points (D,) a perceptron.
        factor: images of the input in the output: 1 for a shift, 2 for a scale and a shift.
        hidden: width of the layers between.
        depth: residual blocks, or layers of that width on that width.
        shared: whether an image is read by convolutions; else by a perceptron that sees all of it.
    """
    if len(shape) == 3 and shared:
        return CouplingConvolutions(shape[0], factor * shape[0], hidden, depth, rng=rng)
    net = MLP(shape, (factor * shape[0], *shape[1:]), (hidden,) * (depth + 1), rng=rng)
    zeroed(net.layers[-1])
    return net


class CouplingConvolutions(nn.Module):
    """Residual blocks of a 3 x 3 and a 1 x 1 convolution between two 3 x 3 ones; no normalisation (N, C, H, W)."""

    def __init__(self, inward: int, outward: int, hidden: int, blocks: int, *, rng: Generator):
        self.inward = nn.Conv2d(inward, hidden, 3, padding=1, rng=rng)
        self.wide = nn.ModuleList(nn.Conv2d(hidden, hidden, 3, padding=1, rng=rng) for _ in range(blocks))
        self.narrow = nn.ModuleList(nn.Conv2d(hidden, hidden, 1, rng=rng) for _ in range(blocks))
        self.outward = zeroed(nn.Conv2d(hidden, outward, 3, padding=1, rng=rng))

    def forward(self, x: Tensor) -> Tensor:
        h = self.inward(x)
        for wide, narrow in zip(self.wide, self.narrow):
            h = h + narrow(wide(relu(h), negative_slope=0.0))
        return self.outward(relu(h))

"""The encoder and decoder that a configuration asks for, and the options they all share."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tinygen import nn
from tinygen.kernels.array_module import xp
from tinygen.kernels.capture import capturing
from tinygen.nets.convolutional import ConvDecoder, ConvEncoder
from tinygen.nets.inputs import as_input
from tinygen.nets.mlp import MLP
from tinygen.random import Generator
from tinygen.tensor import Tensor


@dataclass(frozen=True)
class NetworkOptions:
    """Sizes of the encoder and of the decoder."""

    latent: int = 16
    """Dimensions of the code."""
    net: Literal["mlp", "conv"] = "mlp"
    """A perceptron, or convolutions (for images)."""
    hidden: tuple[int, ...] = (256, 256)
    """Widths of the perceptron's layers from the data to the code, the other way round in the decoder; none: affine."""
    channels: int = 32
    """Width of the convolutions at the finest resolution."""

    def networks(
        self, shape: tuple[int, ...], per_code: int, classes: int, rng: Generator
    ) -> tuple[nn.Module, nn.Module]:
        """An encoder with `per_code` outputs for each dimension of the code, and a decoder to examples of `shape`.

        Raises:
            ValueError: sizes below 1, or convolutions for what is no image.
        """
        for name, least in {
            "latent": self.latent,
            "channels": self.channels,
            "hidden": min(self.hidden, default=1),
        }.items():
            if least < 1:
                raise ValueError(f"{name} is at least 1, not {least}")
        outputs = per_code * self.latent
        if self.net == "mlp":
            encoder = MLP(shape, (outputs,), self.hidden, classes, rng=rng)
            return encoder, MLP((self.latent,), shape, self.hidden[::-1], classes, rng=rng)
        if len(shape) != 3:
            raise ValueError(f"net conv is for images, and the data has shape {shape}: use net mlp")
        images = ConvEncoder(shape, outputs, self.channels, classes, rng=rng)
        return images, ConvDecoder(self.latent, shape, self.channels, classes, rng=rng)


def finite(who: str, value: Tensor) -> Tensor:
    """`value`. Raises FloatingPointError when an entry is NaN or infinite: weights that have diverged."""
    if not capturing() and not xp(value._data).isfinite(value._data).all():
        raise FloatingPointError(f"what leaves the {who} is not finite")
    return value


def data_of(model: nn.Module, x: np.ndarray) -> Tensor:
    """Examples as a tensor of the model's dtype, where the model is."""
    return as_input(x, next(model.parameters()))

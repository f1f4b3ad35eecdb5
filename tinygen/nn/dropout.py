"""`Dropout`. Held by tests/nn/test_layers.py."""

from tinygen.nn import functional as F
from tinygen.nn import init
from tinygen.nn.module import Module
from tinygen.random import Generator
from tinygen.tensor import Tensor


class Dropout(Module):
    """In training, sets each entry to 0 with probability p and divides the others by 1 - p (Srivastava et al. 2014).

    Args:
        p: the probability.
        rng: its noise comes from a generator split from this one, `self.rng`, so that layers do not disturb each
            other; None: seeded by the operating system. `Module.named_generators` finds it for checkpoints.

    Raises:
        ValueError: p outside [0, 1].
    """

    def __init__(self, p: float = 0.5, *, rng: Generator | None = None):
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"Dropout: p is a probability from 0 to 1, not {p}")
        self.p = p
        self.rng = init.generator(rng).split(1)[0]

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.p, self.training, self.rng)

    def extra_repr(self) -> str:
        return f"p={self.p}"

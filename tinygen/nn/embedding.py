"""`Embedding`: a table of vectors. Held by tests/nn/test_layers.py and tests/pytorch/."""

from tinygen.nn import functional as F
from tinygen.nn import init
from tinygen.nn.module import Module
from tinygen.nn.parameter import Parameter
from tinygen.ops.creation import empty
from tinygen.random import Generator
from tinygen.tensor import ArrayLike, DTypeLike, Tensor


class Embedding(Module):
    """The rows of a table at integer indices: x (...) -> (..., embedding_dim).

    Args:
        num_embeddings: rows; indices are from 0 to num_embeddings - 1.
        embedding_dim: the width of a row.
        rng: where the initial weights come from; None: seeded by the operating system.

    Parameters: weight (num_embeddings, embedding_dim), standard normal.
    """

    weight: Parameter

    def __init__(
        self, num_embeddings: int, embedding_dim: int, *, rng: Generator | None = None, dtype: DTypeLike = None
    ):
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.weight = Parameter(empty(num_embeddings, embedding_dim, dtype=dtype))
        init.normal_(self.weight, rng=init.generator(rng))

    def forward(self, x: ArrayLike) -> Tensor:
        return F.embedding(x, self.weight)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"

"""Vector quantisation: the nearest of K codes, and how codes and encoder learn of each other.

van den Oord, Vinyals and Kavukcuoglu 2017, "Neural discrete representation learning", arXiv:1711.00937: eqs. 1 to 3 and
appendix A.1. A codebook that follows its assignments by moving averages starts from k-means, and puts codes that are no
longer used on vectors that are there (Dhariwal et al. 2020, "Jukebox", arXiv:2005.00341, section 3.1).
Held by tinygen/checks/vq.py (CHECKS 9, 10) and tests/vq/test_quantiser.py.
"""

from typing import Any, NamedTuple

import numpy as np

from tinygen import kernels, nn, ops
from tinygen.autodiff.tape import no_grad
from tinygen.nn import init
from tinygen.ops.creation import ones, zeros
from tinygen.ops.losses import squared_distance
from tinygen.parallel import common, gathered
from tinygen.random import Generator
from tinygen.tensor import Tensor

LLOYD_STEPS = 10  # of the k-means that a codebook starts from


class Quantised(NamedTuple):
    """What becomes of vectors z (N, D, ...)."""

    z: Tensor
    """The chosen codes in z's place, (N, D, ...), with the gradient of the identity in z and none in the codebook."""
    indices: np.ndarray
    """Which codes, int64 (N, ...)."""
    codebook_loss: Tensor
    """|sg(z) - e|^2 summed over each example, the mean over the batch: moves the chosen codes and nothing else."""
    commitment_loss: Tensor
    """|z - sg(e)|^2 likewise: moves what z comes from and nothing else; its weight beta is the caller's."""


class Quantiser(nn.Module):
    """A codebook of K codes of D dimensions.

    Args:
        codes: K.
        width: D.
        decay: of the moving averages of how many vectors choose each code, and of their sums; a codebook that follows
            them takes one Lloyd step for each batch when it is 0.
        learned: the codebook is a parameter, trained by `codebook_loss`, and does not follow the averages.
        revival: a code used less often than this share of 1/K, on the moving average, is put on a vector of the batch;
            0 leaves codes that are dead.

    Raises:
        ValueError: sizes below 1, a decay outside [0, 1), a negative revival.
    """

    codebook: Tensor
    counts: Tensor
    sums: Tensor
    started: Tensor

    def __init__(
        self,
        codes: int,
        width: int,
        decay: float = 0.99,
        learned: bool = False,
        revival: float = 0.0,
        *,
        rng: Generator | None = None,
    ):
        if codes < 1 or width < 1:
            raise ValueError(f"a codebook has at least one code of one dimension, not {codes} of {width}")
        if not 0 <= decay < 1:
            raise ValueError(f"decay is at least 0 and less than 1, not {decay}")
        if not 0 <= revival < 1:
            raise ValueError(f"revival is a share of 1/K, at least 0 and less than 1, not {revival}")
        self.codes, self.width, self.decay, self.learned, self.revival = codes, width, decay, learned, revival
        book = init.generator(rng).normal((codes, width))
        if learned:
            self.codebook = nn.Parameter(book)
        else:
            self.register_buffer("codebook", book)
        self.register_buffer("counts", ones(codes))
        self.register_buffer("sums", Tensor(book.numpy().copy()))
        self.register_buffer("started", zeros(()))

    def nearest(self, z: Any) -> np.ndarray:
        """The indices (N, ...) of the codes nearest to z (N, D, ...), eq. 1; the first of equals."""
        vectors = _rows(z)
        book = np.asarray(self.codebook)
        scores = kernels.matmul(vectors, book.T) - 0.5 * (book * book).sum(axis=1)  # |z|^2 is the same for all codes
        return scores.argmax(axis=1).reshape(z.shape[0], *z.shape[2:])

    def lookup(self, indices: np.ndarray) -> Tensor:
        """The codes (N, D, ...) of indices (N, ...)."""
        return ops.moveaxis(ops.take(self.codebook, Tensor(indices), axis=0), -1, 1)

    def forward(self, z: Tensor) -> Quantised:
        """The nearest codes to z (N, D, ...), and the losses that tie the two together."""
        indices = self.nearest(z.detach())
        e = self.lookup(indices)
        through = z + (e - z).detach()
        return Quantised(through, indices, _distance(z.detach(), e), _distance(z, e.detach()))

    # -- the codebook, between steps -------------------------------------------------------------------------

    @no_grad()
    def start(self, z: Any, rng: Generator) -> None:
        """Puts the codes on vectors z (N, D, ...) by k-means: distinct vectors at random, then Lloyd's steps."""
        vectors = gathered(_rows(z))
        chosen = np.asarray(common(rng).permutation(len(vectors), device="cpu"))
        book = np.resize(vectors[chosen], (self.codes, self.width))  # fewer vectors than codes: some twice
        for _ in range(LLOYD_STEPS):
            self.codebook._assign(book)
            counts, sums = self._assigned(vectors, self.nearest(vectors))
            book = _means(counts, sums, book)
        counts = np.full(self.codes, len(vectors) / self.codes, book.dtype)
        self._write(book, counts, book * counts[:, None])
        self.started._assign(np.ones((), self.started.dtype))

    @no_grad()
    def follow(self, z: Any, indices: np.ndarray, rng: Generator) -> None:
        """Takes in which codes the vectors z (N, D, ...) chose: averages, the codebook, revival (appendix A.1)."""
        vectors, indices = gathered(_rows(z)), gathered(indices)
        new_counts, new_sums = self._assigned(vectors, indices)
        counts = self.decay * np.asarray(self.counts) + (1 - self.decay) * new_counts
        sums = self.decay * np.asarray(self.sums) + (1 - self.decay) * new_sums
        book = np.array(self.codebook) if self.learned else _means(counts, sums, np.asarray(self.codebook))
        equal = counts.sum() / self.codes
        dead = np.flatnonzero(counts < self.revival * equal)
        if len(dead):
            chosen = np.asarray(common(rng).integers(0, len(vectors), len(dead), "cpu"))
            book[dead], counts[dead], sums[dead] = vectors[chosen], equal, vectors[chosen] * equal
        self._write(book, counts, sums)

    def _assigned(self, vectors: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many of the vectors chose each code (K,), and their sums (K, D)."""
        counts = np.bincount(indices.ravel(), minlength=self.codes).astype(vectors.dtype)
        return counts, kernels.add_rows(vectors, indices.ravel(), self.codes)  # type: ignore[attr-defined]

    def _write(self, book: np.ndarray, counts: np.ndarray, sums: np.ndarray) -> None:
        dtype = self.codebook.dtype
        self.codebook._assign(book.astype(dtype))
        self.counts._assign(counts.astype(dtype))
        self.sums._assign(sums.astype(dtype))


def usage(indices: np.ndarray, codes: int) -> np.ndarray:
    """The share of each code in `indices`, (codes,)."""
    return np.bincount(np.asarray(indices).ravel(), minlength=codes) / np.asarray(indices).size


def perplexity(shares: np.ndarray) -> float:
    """exp of the entropy of the shares: how many codes, equally used, would be as varied; at most min(K, N)."""
    used = shares[shares > 0]
    return float(np.exp(-(used * np.log(used)).sum()))


def _rows(z: Any) -> np.ndarray:
    """Vectors (N, D, ...) as rows (M, D)."""
    array = np.moveaxis(np.asarray(z), 1, -1)
    return np.ascontiguousarray(array).reshape(-1, array.shape[-1])


def _means(counts: np.ndarray, sums: np.ndarray, book: np.ndarray) -> np.ndarray:
    """sums / counts; where nothing was counted, the code as it is."""
    return np.where(counts[:, None] > 0, sums / np.where(counts > 0, counts, 1.0)[:, None], book).astype(book.dtype)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return squared_distance(a, b) * (1.0 / len(a))

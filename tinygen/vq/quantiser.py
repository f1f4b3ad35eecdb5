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
from tinygen.device import device_of, transfer
from tinygen.kernels.array_module import arithmetic, xp
from tinygen.kernels.definitions.update import refused
from tinygen.nn import init
from tinygen.ops.creation import ones, zeros
from tinygen.ops.losses import squared_distance
from tinygen.parallel import common, gathered
from tinygen.random import Generator
from tinygen.tensor import Tensor, asarray

LLOYD_STEPS = 10  # of the k-means that a codebook starts from


class Quantised(NamedTuple):
    """What becomes of vectors z (N, D, ...)."""

    z: Tensor
    """The chosen codes in z's place, (N, D, ...), with the gradient of the identity in z and none in the codebook."""
    indices: Any
    """Which codes, an array int64 (N, ...), where z is."""
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

    def nearest(self, z: Any) -> Any:
        """The indices, an array (N, ...), of the codes nearest to z (N, D, ...), eq. 1; the first of equals."""
        nearest = kernels.nearest_code(_rows(z), self.codebook._data)  # type: ignore[attr-defined]
        return nearest.reshape(z.shape[0], *z.shape[2:])

    def lookup(self, indices: Any) -> Tensor:
        """The codes (N, D, ...) of indices, an array (N, ...)."""
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
        chosen = common(rng).permutation(len(vectors), device="cpu").numpy()
        rows = transfer(np.resize(chosen, self.codes), device_of(vectors))  # fewer vectors than codes: some twice
        book = vectors[rows]
        for _ in range(LLOYD_STEPS):
            self.codebook._assign(book)
            counts, sums = self._assigned(vectors, self.nearest(vectors))
            book = _means(counts, sums, book)
        equal = len(vectors) / self.codes
        self._write(book, xp(book).full(self.codes, equal, book.dtype), book * book.dtype.type(equal))
        self.started._assign(1.0)

    @no_grad()
    def follow(self, z: Any, indices: Any, rng: Generator) -> None:
        """Takes in which codes the vectors z (N, D, ...) chose, and revives codes that are dead (appendix A.1)."""
        self.take_in(z, indices)
        self.revive(z, rng)

    @no_grad()
    def take_in(self, z: Any, indices: Any, when: Any = None) -> None:
        """Moves the averages, and the codebook with them, by which codes the vectors z (N, D, ...) chose.

        Args:
            when: as for `Optimiser.step`: unless all these numbers are finite nothing changes.
        """
        vectors, indices = gathered(_rows(z)), gathered(indices)
        if refused(when):
            return
        new_counts, new_sums = self._assigned(vectors, indices)
        counts = self.decay * self.counts._data + (1 - self.decay) * new_counts
        sums = self.decay * self.sums._data + (1 - self.decay) * new_sums
        book = self.codebook._data
        self._write(book if self.learned else _means(counts, sums, book), counts, sums, when)

    @no_grad()
    def revive(self, z: Any, rng: Generator) -> None:
        """Puts codes that are dead on vectors of z (N, D, ...), at random; the host looks at the averages for them."""
        counts = np.array(self.counts)
        equal = counts.sum() / self.codes
        dead = np.flatnonzero(counts < self.revival * equal)
        if len(dead):
            vectors = np.asarray(Tensor(gathered(_rows(z))))
            chosen = np.asarray(common(rng).integers(0, len(vectors), len(dead), "cpu"))
            book, sums = np.array(self.codebook), np.array(self.sums)
            book[dead], counts[dead], sums[dead] = vectors[chosen], equal, vectors[chosen] * equal
            self._write(book, counts, sums)

    def _assigned(self, vectors: Any, indices: Any) -> tuple[Any, Any]:
        """How many of the vectors chose each code (K,), and their sums (K, D)."""
        sums = kernels.add_taken(vectors, indices.reshape(-1), 0, self.codes)  # type: ignore[attr-defined]
        return _counted(indices, self.codes, vectors.dtype), sums

    def _write(self, book: Any, counts: Any, sums: Any, when: Any = None) -> None:
        for own, new in ((self.codebook, book), (self.counts, counts), (self.sums, sums)):
            new = new.astype(own.dtype, copy=False)
            own._assign(new if when is None else xp(when).where(xp(when).isfinite(when).all(), new, own._data))


def usage(indices: Any, codes: int) -> Any:
    """The share of each code in the array `indices`, (codes,)."""
    return _counted(indices, codes, np.dtype(np.float64)) / indices.size


def perplexity(shares: Any) -> Any:
    """exp of the entropy of the shares: how many codes, equally used, would be as varied; at most min(K, N)."""
    module = xp(shares)
    return module.exp(-(shares * module.log(module.where(shares > 0, shares, 1.0))).sum())


def _counted(indices: Any, codes: int, dtype: np.dtype) -> Any:
    """How often each code occurs, (codes,)."""
    one_each = xp(indices).ones((indices.size, 1), dtype)
    return kernels.add_taken(one_each, indices.reshape(-1), 0, codes)[:, 0]  # type: ignore[attr-defined]


def _rows(z: Any) -> Any:
    """Vectors (N, D, ...) as rows, an array (M, D); of bfloat16 as float32, which codes and their sums are."""
    array = asarray(z)
    array = array.astype(arithmetic(array.dtype), copy=False)
    return xp(array).ascontiguousarray(xp(array).moveaxis(array, 1, -1)).reshape(-1, array.shape[1])


def _means(counts: Any, sums: Any, book: Any) -> Any:
    """sums / counts; where nothing was counted, the code as it is."""
    where, counted = xp(book).where, counts[:, None] > 0
    return where(counted, sums / where(counted, counts[:, None], 1.0), book).astype(book.dtype, copy=False)


def _distance(a: Tensor, b: Tensor) -> Tensor:
    return squared_distance(a, b) * (1.0 / len(a))

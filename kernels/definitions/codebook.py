"""The nearest code of a codebook (van den Oord et al. 2017, eq. 1): the NumPy definition.

Distances are sums of squared differences in float64. Two codes whose distances differ by more than that arithmetic's
rounding are told apart whatever the version of the kernel, so all give the same indices; |z|^2 - 2 z e + |e|^2, which
is a matrix product, cancels, and would leave the choice between near codes to it. Held by
tests/kernels/test_codebook.py.
"""

from typing import Any

from ..array_module import quiet, xp

Array = Any


@quiet
def nearest_code(z: Array, codebook: Array) -> Array:
    """int64 (N,): the index of the row of codebook (K, D) nearest to each row of z (N, D), the first of equals.

    0 where no distance is finite.

    Raises:
        ValueError: sizes that do not fit, or a codebook without codes.
    """
    check_codebook(z, codebook)
    np = xp(z)
    nearest, least = np.zeros(len(z), np.int64), np.full(len(z), np.inf)
    for k, code in enumerate(codebook.astype(np.float64)):
        distance = np.square(z - code).sum(axis=1)
        closer = distance < least
        nearest[closer], least[closer] = k, distance[closer]
    return nearest


def check_codebook(z: Array, codebook: Array) -> None:
    if z.ndim != 2 or codebook.ndim != 2 or z.shape[1] != codebook.shape[1] or not len(codebook):
        raise ValueError(f"nearest_code: rows (N, D) and codes (K, D), K > 0, not {z.shape} and {codebook.shape}")

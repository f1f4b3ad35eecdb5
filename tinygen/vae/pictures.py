"""What there is to see of an autoencoder: reconstructions, the map of codes by class, walks through the codes.

Held by tests/vae/test_vae_pictures.py.
"""

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygen.drawing import Drawing, ImageRows, Scatter

COLUMNS = 16
ROWS = 8
MAPPED = 2000
"""Held-out examples on the map of codes, at most."""


def side_by_side(caption: str, rows: Mapping[str, npt.NDArray]) -> list[Drawing]:
    """Versions of the same examples, (n, *shape) each by name: images in rows, points in the plane; nothing else."""
    shape = next(iter(rows.values())).shape[1:]
    if len(shape) == 3 and shape[0] in (1, 3):
        return [ImageRows(caption, np.stack([images[:COLUMNS] for images in rows.values()]), tuple(rows))]
    return [Scatter(caption, dict(rows))] if shape == (2,) else []


def code_map(codes: npt.NDArray, dataset: Any) -> list[Drawing]:
    """The codes (n, latent) of the first n examples of `dataset` in the plane, by class; none if they lie on a line.

    Codes of more than two dimensions are shown along the first two principal axes.
    """
    latent = codes.shape[1]
    if latent < 2:
        return []
    where = "codes"
    if latent > 2:
        centred = codes - codes.mean(axis=0)
        _, spread, axes = np.linalg.svd(centred, full_matrices=False)
        codes = centred @ axes[:2].T
        share = (spread[:2] ** 2).sum() / (spread**2).sum()
        where = f"codes along the first two of {latent} principal axes, {share:.0%} of their variance"
    if dataset.y is None or not dataset.classes:
        return [Scatter(f"Map of the {where}", {"held out": codes})]
    labels = dataset.y[: len(codes)]
    return [Scatter(f"Map of the {where}", {name: codes[labels == k] for k, name in enumerate(dataset.classes)})]


def walks(code: npt.NDArray, order: npt.NDArray, reach: float = 3.0) -> npt.NDArray:
    """Codes (rows, COLUMNS, latent) that leave `code` (latent,) along one coordinate a row, in `order`, by -+ reach."""
    chosen = order[:ROWS]
    found = np.broadcast_to(code, (len(chosen), COLUMNS, len(code))).copy()
    found[np.arange(len(chosen)), :, chosen] = np.linspace(-reach, reach, COLUMNS)
    return found


def square_of_quantiles(side: int = COLUMNS) -> npt.NDArray:
    """Codes (side, side, 2) at equal steps of probability of N(0, I); the first row is the highest ordinate."""
    quantiles = np.array([NormalDist().inv_cdf((step + 0.5) / side) for step in range(side)])
    return np.stack(np.meshgrid(quantiles, quantiles[::-1]), axis=-1)

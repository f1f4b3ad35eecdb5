"""What a run's report shows of a GAN: ways through the latent space of images, the game in the plane of points.

Held by tests/gan/test_gan_pictures.py.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygen import ops
from tinygen.density.kernel_density import KernelDensity
from tinygen.drawing import Drawing, ImageRows, Maps, Scatter
from tinygen.gan import latent
from tinygen.gan.losses import NON_SATURATING, SATURATING
from tinygen.random import Generator
from tinygen.tensor import Tensor

if TYPE_CHECKING:
    from tinygen.gan.model import GAN

ROWS, COLUMNS = 6, 9
EXTREMES = 32
POOL = 512
"""Samples that the attribute's `EXTREMES` are taken from, at both ends."""
POINTS = 2500
SIDE = 80
"""Places along each axis of a map."""


def drawings(model: "GAN", dataset: Any, rng: Generator) -> Sequence[Drawing]:
    """Of images: interpolations and either a grid class x style or latent arithmetic. Of points: samples and maps."""
    if len(model.shape) == 3:
        return [interpolations(model, rng), styles(model, rng) if model.classes else ink(model, rng)]
    if model.shape == (2,) and not model.classes:
        return in_the_plane(model, dataset, rng)
    return []


def interpolations(model: "GAN", rng: Generator) -> ImageRows:
    """From one latent to another, a row each; of a conditional model every row is one class."""
    a, b = (model.draw_latent(ROWS, rng) for _ in range(2))
    spherical = model.prior == "normal"
    between = latent.interpolate(a, b, COLUMNS, spherical)
    z = ops.permute_dims(between, (1, 0, 2)).reshape(ROWS * COLUMNS, model.size)
    cond = model.one_hot(len(z), np.arange(ROWS).repeat(COLUMNS) % model.classes) if model.classes else None
    way = "on the great circle" if spherical else "on the straight line"
    return ImageRows(f"From one latent to another, {way}", images(model.generate(z, cond), ROWS))


def styles(model: "GAN", rng: Generator) -> ImageRows:
    """One latent a row, one class a column."""
    z = model.draw_latent(ROWS, rng)
    z = Tensor(z._data.repeat(model.classes, axis=0))
    return ImageRows(
        "One latent a row, one class a column", images(model.generate(z, model.one_hot(len(z), None)), ROWS)
    )


def ink(model: "GAN", rng: Generator) -> ImageRows:
    """Samples with the direction of ink taken away, as they are, and with it added.

    The direction is the mean latent of the samples of greatest mean pixel less that of those of the least.
    """
    z = model.draw_latent(POOL, rng)
    amounts = model.generate(z).numpy().reshape(POOL, -1).mean(1)
    order = np.argsort(amounts)
    least, most = z[order[:EXTREMES]], z[order[-EXTREMES:]]
    base = model.draw_latent(COLUMNS, rng)
    rows = [latent.arithmetic(base, least, most), base, latent.arithmetic(base, most, least)]
    caption = f"Latent arithmetic: z, less and plus the mean z of the {EXTREMES} brightest of {POOL} less the darkest's"
    return ImageRows(caption, images(model.generate(ops.concat(rows)), 3), ("minus", "z", "plus"))


def in_the_plane(model: "GAN", dataset: Any, rng: Generator) -> list[Drawing]:
    """Samples beside data, and the discriminator over the plane; beside it D* where the law of the data is known."""
    samples = model.generate(model.draw_latent(POINTS, rng)).numpy()
    low, high = dataset.value_range
    margin = 0.1 * (high - low)
    limits = (low - margin, high + margin)
    line = np.linspace(*limits, SIDE)
    places = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)  # the first row is the lowest ordinate
    parameter = next(model.parameters())
    logits = model.discriminate(Tensor(places.astype(parameter.dtype)).to(parameter.device))
    values = {"logit of the discriminator": logits.numpy().reshape(SIDE, SIDE)}
    caption = "The discriminator"
    if model.rules.loss in (SATURATING, NON_SATURATING):
        values = {"D": ops.sigmoid(logits).numpy().reshape(SIDE, SIDE)}
        if dataset.truth is not None:
            bandwidth = 0.02 * (high - low)
            best = dataset.truth.optimal_discriminator(KernelDensity(samples, bandwidth))(places)
            values["D* = p / (p + q)"] = best.numpy().reshape(SIDE, SIDE)
            caption += f" and the best one; p is exact, q a kernel density of {POINTS:,} samples, h = {bandwidth:.2g}"
    return [
        Scatter("Samples beside data", {"data": dataset.x[:POINTS], "samples": samples}),
        Maps(caption, values, limits),
    ]


def images(x: Tensor, rows: int) -> np.ndarray:
    """(rows, columns, C, H, W) of x (rows columns, C, H, W)."""
    return x.numpy().reshape(rows, -1, *x.shape[1:])

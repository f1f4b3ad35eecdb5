"""Samples as a picture: a grid of images with every pixel a crisp square, or points in the plane.

Images are (N, C, H, W) in [-1, 1], C = 1 or 3; points are (N, 2). What is neither has no picture.
"""

from pathlib import Path

import numpy.typing as npt

from tinygen.drawing.images import image_grid, save_pixels
from tinygen.drawing.render import ACCENT
from tinygen.files import replacing


def can_draw(shape: tuple[int, ...]) -> bool:
    """Whether examples of `shape` can be drawn."""
    return (len(shape) == 3 and shape[0] in (1, 3)) or shape == (2,)


def save_samples(path: Path, samples: npt.NDArray, limits: tuple[float, float]) -> Path:
    """Draw (N, C, H, W) images or (N, 2) points to the PNG at `path`, atomically.

    `limits` are the least and greatest coordinate of the data, the frame for points. Raises ValueError for
    samples that cannot be drawn, OSError when the file cannot be written.
    """
    if not can_draw(samples.shape[1:]):
        raise ValueError(f"samples of shape {samples.shape[1:]} are neither images (1 or 3, H, W) nor points (2,)")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        if samples.ndim == 4:
            save_pixels(temporary, image_grid(samples))
        else:
            _save_points(temporary, samples, limits)
    return path


def _save_points(path: Path, points: npt.NDArray, limits: tuple[float, float]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    low, high = limits
    margin = 0.1 * (high - low or 1.0)
    figure = Figure(figsize=(6.4, 6.4), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_axis_off()
    axes.set(xlim=(low - margin, high + margin), ylim=(low - margin, high + margin), aspect="equal")
    axes.scatter(points[:, 0], points[:, 1], s=6, c=ACCENT, alpha=0.6, linewidths=0)
    figure.savefig(path, format="png", transparent=True)

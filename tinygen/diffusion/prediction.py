"""What a network may predict, and how one prediction becomes another.

With x_t = a x_0 + s e, a = sqrt(alpha_bar_t), s = sqrt(1 - alpha_bar_t), each of

    noise e · x0 · velocity v = a e - s x_0 (Salimans and Ho 2022) · score = -e / s

determines the others given x_t. Everything goes through the noise.
Held by tinygen.checks.diffusion (16).
"""

from typing import Literal

import numpy as np

from tinygen.diffusion.schedule import Schedule, at
from tinygen.tensor import Tensor

Kind = Literal["noise", "x0", "velocity", "score"]


def noise_from(kind: Kind, value: Tensor, schedule: Schedule, x_t: Tensor, t: Tensor) -> Tensor:
    """The noise that a prediction `value` of the given kind implies at x_t (N, ...), t (N,) from 1."""
    a, s = _scales(schedule, x_t, t)
    match kind:
        case "noise":
            return value
        case "x0":
            return (x_t - a * value) / s
        case "velocity":
            return a * value + s * x_t
        case "score":
            return -s * value
    raise ValueError(f'a prediction is "noise", "x0", "velocity" or "score", not {kind!r}')


def noise_to(kind: Kind, noise: Tensor, schedule: Schedule, x_t: Tensor, t: Tensor) -> Tensor:
    """The prediction of the given kind that `noise` implies at x_t: the inverse of `noise_from`."""
    a, s = _scales(schedule, x_t, t)
    match kind:
        case "noise":
            return noise
        case "x0":
            return (x_t - s * noise) / a
        case "velocity":
            return (noise - s * x_t) / a
        case "score":
            return -noise / s
    raise ValueError(f'a prediction is "noise", "x0", "velocity" or "score", not {kind!r}')


def _scales(schedule: Schedule, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    alpha_bar = schedule.alpha_bar
    return at(np.sqrt(alpha_bar), t, x_t), at(np.sqrt(1.0 - alpha_bar), t, x_t)

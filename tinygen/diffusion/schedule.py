"""Noise schedules: how much of the data is left at each time.

alpha_bar_t = prod_{s <= t} (1 - beta_s) (Ho et al. 2020, section 2), stored from t = 0 with alpha_bar_0 = 1, so
that formulas in t - 1 need no special case at t = 1. Everything else follows from it.
Held by tinygen.checks.diffusion (11, 16).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinygen.device import constant, transfer
from tinygen.kernels.capture import capturing
from tinygen.tensor import Tensor, asarray


@dataclass(frozen=True, eq=False)
class Schedule:
    """What is left of the data at times 0 to T, in float64.

    Attributes:
        alpha_bar: (T + 1,), strictly falling from alpha_bar[0] = 1 and above 0.

    Raises:
        ValueError: an alpha_bar that is not.
    """

    alpha_bar: np.ndarray

    def __post_init__(self) -> None:
        a = self.alpha_bar
        if a.ndim != 1 or len(a) < 2 or a[0] != 1 or not (np.diff(a) < 0).all() or a[-1] <= 0:
            raise ValueError("alpha_bar must begin with 1 and fall strictly, staying above 0")

    @property
    def steps(self) -> int:
        """T, the number of noising steps."""
        return len(self.alpha_bar) - 1

    @property
    def beta(self) -> np.ndarray:
        """(T + 1,), the variance that step t adds: beta_t = 1 - alpha_bar_t / alpha_bar_{t-1}; beta[0] = 0."""
        return np.concatenate([[0.0], 1.0 - self.alpha_bar[1:] / self.alpha_bar[:-1]])

    @property
    def posterior_variance(self) -> np.ndarray:
        """(T + 1,), the variance of q(x_{t-1} | x_t, x_0): eq. 7; 0 at t = 1 (and at t = 0)."""
        a = self.alpha_bar
        return np.concatenate([[0.0], self.beta[1:] * (1.0 - a[:-1]) / (1.0 - a[1:])])

    @property
    def snr(self) -> np.ndarray:
        """(T + 1,), the ratio of signal to noise alpha_bar / (1 - alpha_bar); infinite at t = 0."""
        with np.errstate(divide="ignore"):
            return self.alpha_bar / (1.0 - self.alpha_bar)

    def subsequence(self, times: Sequence[int]) -> "Schedule":
        """The schedule that visits only `times` (rising, from 1 to T): the marginals there stay what they are."""
        times = list(times)
        if not times or times != sorted(set(times)) or times[0] < 1 or times[-1] > self.steps:
            raise ValueError(f"times must rise strictly within 1 to {self.steps}")
        return Schedule(self.alpha_bar[[0, *times]])


def linear(steps: int = 1000, first: float = 1e-4, last: float = 0.02) -> Schedule:
    """beta rises linearly from `first` to `last` (Ho et al. 2020, section 4)."""
    _check_steps(steps)
    return Schedule(np.concatenate([[1.0], np.cumprod(1.0 - np.linspace(first, last, steps))]))


def cosine(steps: int = 1000, offset: float = 0.008, greatest_beta: float = 0.999) -> Schedule:
    """alpha_bar_t = f(t) / f(0), f(t) = cos^2((t / T + s) / (1 + s) pi / 2) (Nichol and Dhariwal 2021, eq. 17).

    beta is limited to `greatest_beta`, which keeps alpha_bar_T above 0.
    """
    _check_steps(steps)
    f = np.cos((np.arange(steps + 1) / steps + offset) / (1 + offset) * math.pi / 2) ** 2
    beta = np.minimum(1.0 - f[1:] / f[:-1], greatest_beta)
    return Schedule(np.concatenate([[1.0], np.cumprod(1.0 - beta)]))


SCHEDULES = {"linear": linear, "cosine": cosine}


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise ValueError(f"a schedule has at least 1 step, not {steps}")


def at(values: np.ndarray, t: Tensor, like: Tensor) -> Tensor:
    """`values[t]` as (N, 1, ..., 1), ready to multiply `like` (N, ...), in its dtype and on its device.

    Raises:
        IndexError: a time outside 0 to T.
    """
    times = transfer(asarray(t), like.device)
    if not capturing() and ((times < 0) | (times >= len(values))).any():
        found = np.asarray(t)
        wrong = found[(found < 0) | (found >= len(values))]
        raise IndexError(f"time {wrong[0]} is outside 0 to {len(values) - 1}")
    picked = constant(np.asarray(values, dtype=like.dtype), like.device)[times]
    return Tensor(picked.reshape(-1, *(1,) * (like.ndim - 1)))

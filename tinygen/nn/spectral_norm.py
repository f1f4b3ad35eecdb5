"""`spectral_norm`: a layer's weight divided by its largest singular value (Miyato et al. 2018, algorithm 1).

sigma = u^T W v with u and v from power iteration, held constant: then d sigma / dW = u v^T, which is exact at the
singular vectors, and dL/dW = (G - <G, W/sigma> u v^T) / sigma (CHECKS 30). W is the weight as a matrix, its outputs as
rows; for a convolution that is not the norm of the convolution itself, which `convolution_norm` gives.
Held by tinygen/checks/gan/restraints.py and tests/nn/test_layers.py.
"""

import math
from typing import Any, TypeVar

import numpy as np

from tinygen import kernels
from tinygen.kernels.array_module import xp
from tinygen.nn import init
from tinygen.nn.convolution import ConvTranspose2d
from tinygen.nn.module import Module
from tinygen.nn.parameter import Parameter
from tinygen.ops.linalg import matmul
from tinygen.ops.manipulation import moveaxis
from tinygen.random import Generator
from tinygen.tensor import Tensor

M = TypeVar("M", bound=Module)

FIRST_ITERATIONS = 15  # at creation, so that sigma is near its value from the first step on


class SpectralNorm:
    """What computes the weight from `weight_orig` and the vectors `weight_u`, `weight_v` whenever it is asked for."""

    def __init__(self, name: str, axis: int, iterations: int, eps: float):
        self.name, self.axis, self.iterations, self.eps = name, axis, iterations, eps

    def matrix(self, weight: Tensor) -> Tensor:
        """The weight with its outputs as rows."""
        w = moveaxis(weight, self.axis, 0)
        return w.reshape(w.shape[0], math.prod(w.shape[1:]))

    def iterate(self, module: Module, times: int) -> None:
        """Power iteration: v <- W^T u / |W^T u|, u <- W v / |W v|."""
        w = self.matrix(getattr(module, f"{self.name}_orig").detach())._data
        u, v = (getattr(module, f"{self.name}_{which}") for which in "uv")
        left, right = u._data, v._data
        for _ in range(times):
            right = self.unit(kernels.matmul(w.T, left))  # type: ignore[attr-defined]
            left = self.unit(kernels.matmul(w, right))  # type: ignore[attr-defined]
        u._assign(left)
        v._assign(right)

    def unit(self, x: Any) -> Any:
        return x / xp(x).maximum(xp(x).sqrt(kernels.matmul(x, x)), self.eps)  # type: ignore[attr-defined]

    def __call__(self, module: Module) -> Tensor:
        if module.training:
            self.iterate(module, self.iterations)
        weight = getattr(module, f"{self.name}_orig")
        # copies: the next iteration writes into the buffers while this graph may still be in use
        u, v = (Tensor(getattr(module, f"{self.name}_{which}")._data.copy()) for which in "uv")
        sigma = matmul(u, matmul(self.matrix(weight), v))
        return weight / sigma


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    axis: int | None = None,
    *,
    rng: Generator | None = None,
) -> M:
    """Makes `module.weight` the weight over its largest singular value, from now on; returns the module.

    The parameter becomes `weight_orig`, the buffers `weight_u` and `weight_v`: the names of
    `torch.nn.utils.spectral_norm`, so states move both ways. In training each use of the weight does one step of power
    iteration first.

    Args:
        n_power_iterations: steps for each use in training.
        eps: least norm that is divided by.
        axis: the weight's outputs; 0 by default, 1 for a transposed convolution.
        rng: where the first u and v come from; None: seeded by the operating system.

    Raises:
        ValueError: `name` is no parameter with two or more axes, or n_power_iterations is below 1.
    """
    weight = vars(module).get(name)
    if not isinstance(weight, Parameter) or weight.ndim < 2:
        raise ValueError(f"spectral_norm: {name!r} is no parameter of {type(module).__name__} with two or more axes")
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm: n_power_iterations must be at least 1, not {n_power_iterations}")
    if axis is None:
        axis = 1 if isinstance(module, ConvTranspose2d) else 0
    normalised = SpectralNorm(name, axis, n_power_iterations, eps)
    rng = init.generator(rng)
    rows, columns = normalised.matrix(weight.detach()).shape
    delattr(module, name)
    setattr(module, f"{name}_orig", weight)
    for which, size in (("u", rows), ("v", columns)):
        start = rng.normal(size, weight.dtype, weight.device)
        module.register_buffer(f"{name}_{which}", Tensor(normalised.unit(start._data)))
    normalised.iterate(module, FIRST_ITERATIONS)
    vars(module).setdefault("_computed", {})[name] = normalised
    return module


def convolution_norm(weight: Tensor, size: tuple[int, int]) -> float:
    """The largest factor by which a convolution of stride 1 can lengthen an image whose edges are joined.

    Such a convolution acts on each frequency by a matrix of its own, whose entries are the kernels' Fourier transforms;
    the norm is the largest singular value over the frequencies (Sedghi, Gupta and Long 2019, theorem 6).

    Args:
        weight: (K, C, KH, KW).
        size: (H, W) of the image, no smaller than the kernel.

    Raises:
        ValueError: an image smaller than the kernel, where the transform would cut the kernel off.
    """
    kernel = weight.shape[2:]
    if size[0] < kernel[0] or size[1] < kernel[1]:
        raise ValueError(f"convolution_norm: an image of {size} is smaller than the kernel of {kernel}")
    frequencies = np.fft.fft2(np.asarray(weight.detach(), np.float64), size, axes=(2, 3))
    return float(np.linalg.norm(frequencies.transpose(2, 3, 0, 1), 2, axis=(2, 3)).max())

"""The models of `steps.py` in JAX: functions of arrays by the names of this engine's weights, as one would write there.

Each module has the losses that its `Step` names, `loss(p, batch, noise) -> (scalar, what is kept)`; those that are
sampled from have `sample(p, noise)`, and `after_step(p, kept) -> arrays that change` is what follows the optimiser
where something does. `p` are weights and buffers by name. Images are (N, H, W, C), and weights of convolutions (height,
width, inputs, outputs), as XLA prefers; `laid_out` brings this engine's arrays there, `as_ours` brings them back.

Nothing here imports anything of tinygen: a process that measures how soon JAX starts pays for JAX alone.
"""

import importlib
from typing import Any

import numpy as np

NAMES = {"DDPM": "diffusion", "VAE": "vae", "RealNVP": "flow", "DCGAN": "gan", "VQ-VAE": "vq"}


def model(name: str) -> Any:
    """The module of a step."""
    return importlib.import_module(f"{__name__}.{NAMES[name]}")


def is_buffer(name: str) -> bool:
    """Whether what is called so is kept beside the weights and not descended on."""
    return name.startswith("quantiser.") or "running_" in name or name.endswith(("num_batches_tracked", "started"))


def laid_out(array: np.ndarray, weight: bool) -> np.ndarray:
    """Images (N, C, H, W) as (N, H, W, C), weights (K, C, KH, KW) as (KH, KW, C, K); all else as it is."""
    if array.ndim != 4:
        return array
    return np.ascontiguousarray(array.transpose(2, 3, 1, 0) if weight else array.transpose(0, 2, 3, 1))


def as_ours(array: Any, weight: bool) -> np.ndarray:
    """The way back."""
    found = np.asarray(array)
    if found.ndim != 4:
        return found
    return found.transpose(3, 2, 0, 1) if weight else found.transpose(0, 3, 1, 2)

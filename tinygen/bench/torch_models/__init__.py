"""The models of `steps.py` in PyTorch: the same networks under the same parameter names, written as one would there.

Each has the losses that its `Step` names, `loss(batch, noise) -> scalar`, both dictionaries of tensors; those that are
sampled from have `sample(noise) -> tensor`; `after_step()` is what follows the optimiser where something does. Their
weights are this engine's, loaded by name, and losses and gradients are compared with its own before they are timed.

Nothing here imports anything of tinygen: a process that measures how soon PyTorch starts pays for PyTorch alone.
"""

import importlib
from typing import Any

NAMES = {
    "DDPM": "diffusion:DDPM",
    "VAE": "vae:VAE",
    "RealNVP": "flow:RealNVP",
    "DCGAN": "gan:DCGAN",
    "VQ-VAE": "vq:QuantisedAutoencoder",
}


def model(name: str) -> Any:
    """A new model, its weights PyTorch's own."""
    module, _, attribute = NAMES[name].partition(":")
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)()

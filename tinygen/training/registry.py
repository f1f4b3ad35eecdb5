"""The models there are: a name -> where its configuration is, imported when that model is asked for."""

import difflib
import importlib
from collections.abc import Iterable

from tinygen.training.contract import UsageError

MODELS = {
    "ae": "tinygen.vae.autoencoder:AEConfig",
    "vae": "tinygen.vae.vae:VAEConfig",
    "cvae": "tinygen.vae.vae:CVAEConfig",
    "vqvae": "tinygen.vq.vqvae:VQVAEConfig",
    "pixelcnn": "tinygen.autoregressive.pixelcnn:PixelCNNConfig",
    "ddpm": "tinygen.diffusion.ddpm:DDPMConfig",
    "nice": "tinygen.flow.nice:NICEConfig",
    "realnvp": "tinygen.flow.realnvp:RealNVPConfig",
    "glow": "tinygen.flow.glow:GlowConfig",
    "gan": "tinygen.gan.variants:GANConfig",
    "dcgan": "tinygen.gan.variants:DCGANConfig",
    "cgan": "tinygen.gan.variants:CGANConfig",
    "wgan": "tinygen.gan.variants:WGANConfig",
    "wgan-gp": "tinygen.gan.variants:WGANGPConfig",
    "lsgan": "tinygen.gan.variants:LSGANConfig",
    "sngan": "tinygen.gan.variants:SNGANConfig",
}


def config_class(name: str) -> type:
    """The configuration class of model `name`. Raises UsageError, with the near match, if there is none."""
    if name not in MODELS:
        raise UsageError(unknown("model", name, MODELS, "tinygen list"))
    module, _, attribute = MODELS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def family(name: str) -> str:
    """The room of model `name`: vae, flow."""
    return MODELS[name].partition(":")[0].removeprefix("tinygen.").partition(".")[0]


def summary(name: str) -> str:
    """The first line of the documentation of model `name`."""
    return (config_class(name).__doc__ or "").strip().partition("\n")[0]


def unknown(kind: str, name: str, known: Iterable[str], listing: str) -> str:
    """One line for a name that is not known: what was asked, the near match if any, where all are listed."""
    known = list(known)
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(known)}"
    return f"unknown {kind} {name!r}: {hint} ({listing} shows all)"

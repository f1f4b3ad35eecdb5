"""Some steps of every family on the ranks of this run, in float64; each rank writes its weights and figures.

`python family_steps.py FOLDER`, alone or below mpirun: all families on one rank and on two, those of `ON_MANY` on more.
`python family_steps.py FOLDER mistakes` trains a DCGAN with each of `MISTAKES`.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from tinygen import parallel
from tinygen.learner import learner_of
from tinygen.nn.functional import normalisation
from tinygen.parallel.generator import OwnRows
from tinygen.parallel.step import Share
from tinygen.recipe import Recipe
from tinygen.training.assemble import assemble
from tinygen.training.memory import keep_memory
from tinygen.training.registry import config_class
from tinygen.training.run_directory import RunConfig

STEPS, BATCH = 4, 8
POINTS = "two_moons"

# family -> (model on the command line, its options, data)
FAMILIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "ddpm": ("ddpm", {"channels": 8, "multipliers": (1, 2), "heads": 1, "timesteps": 20}, "digits"),
    "vae": ("vae", {"latent": 2, "hidden": (8,), "likelihood": "bernoulli"}, "digits"),
    "vae of 8 samples": ("vae", {"latent": 2, "hidden": (8,), "samples": 8}, "digits"),  # as many as examples
    "ae": ("ae", {"latent": 2, "hidden": (8,), "noise": 0.3}, "digits"),
    "gan": ("gan", {"latent": 2, "hidden": (8,)}, POINTS),
    "dcgan": ("dcgan", {"latent": 3, "channels": 4}, "digits"),
    "wgan-gp": ("wgan-gp", {"latent": 3, "hidden": (8,), "critic_steps": 2}, POINTS),
    "vqvae": ("vqvae", {"codes": 6, "width": 3, "hidden": 4, "prior_width": 4, "prior_layers": 2}, "digits"),
    "vqvae by its loss": ("vqvae", {"codes": 6, "width": 3, "hidden": 4, "codebook": "loss", "revival": 0.9}, "digits"),
    "realnvp": ("realnvp", {}, POINTS),
    "glow": ("glow", {}, POINTS),
    "pixelcnn": ("pixelcnn", {"width": 4, "layers": 2}, "digits"),
}


ON_MANY = ["ddpm", "vae", "dcgan", "vqvae", "realnvp"]

# What a rank may get wrong -> what makes it so. DCGAN has gradients, noise and batch statistics.
MISTAKES: dict[str, Any] = {
    "sums in place of means": patch.object(Share, "mean", lambda part, array: part.ranks.all_reduce(array) or array),
    "every rank the noise of the first": patch.object(
        OwnRows, "_next", lambda rng, n: rng.whole._next(rng.part.ranks.size * n)
    ),
    "batch statistics of a rank's part": patch.object(normalisation, "share", lambda: None),
}


def steps(model: str, options: dict[str, Any], data: str) -> tuple[Any, list[dict[str, float]]]:
    """The model after its steps, and what each reported."""
    ranks = parallel.world()
    recipe = Recipe(steps=STEPS, batch_size=BATCH, lr=1e-2, ema_decay=0.5)
    made = dataclasses.asdict(config_class(model)(**options))
    parts = assemble(RunConfig(model, made, data, 5, "cpu", recipe))
    parts.model.to("float64")
    learner, figures = learner_of(parts.model, recipe), []
    for _ in range(STEPS):
        batch = next(parts.loader)
        with parallel.shared_step(ranks, len(batch["x"]), parts.model):
            figures.append(learner.step(batch, parallel.own_rows(parts.rng)))
    return parts.model, figures


def write(path: Path, model: Any, figures: list[dict[str, float]]) -> None:
    weights = {name: np.asarray(value) for name, value in model.state_dict().items()}
    reported = {f"step {i}, {name}": value for i, given in enumerate(figures) for name, value in given.items()}
    np.savez(path, **weights, **reported)


def main(folder: Path, mistakes: bool) -> None:
    keep_memory()
    ranks = parallel.join()
    if mistakes:
        for mistake, planted in MISTAKES.items():
            with planted:
                write(folder / f"{mistake}.{ranks.rank}.npz", *steps(*FAMILIES["dcgan"]))
    else:
        for family in FAMILIES if ranks.size <= 2 else ON_MANY:
            write(folder / f"{family}.{ranks.rank}.npz", *steps(*FAMILIES[family]))
    ranks.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]), "mistakes" in sys.argv[2:])

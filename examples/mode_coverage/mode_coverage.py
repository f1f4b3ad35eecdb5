"""Which GANs find all modes? The ring of 8 and the grid of 25 Gaussians, several variants, several seeds, one budget.

    python examples/mode_coverage/mode_coverage.py [--data grid25] [--variants gan wgan-gp] [--seeds 3] [--steps 3000]

VEEGAN's protocol (tinygen/metrics/coverage.py): of 2,500 samples, how many modes have one within 3 standard deviations,
and which share of the samples is that near to one. Every finished run is a line of grid25.jsonl or ring8.jsonl beside
this file, and is not run again; README.md gets the tables of all lines that belong to the settings below.
"""

import argparse
import itertools
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygen import data, truth
from tinygen.metrics.coverage import SAMPLES, mode_coverage
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.training.registry import config_class

HERE = Path(__file__).parent
LAWS = {"grid25": truth.grid, "ring8": truth.ring}

NETWORKS = {"latent": 16, "hidden": (128, 128, 128), "betas": (0.5, 0.999), "critic_steps": 1}
RECIPE = Recipe(steps=3000, batch_size=128, lr=1e-3, ema_decay=0.995, grad_clip=0)
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "gan": ("gan", {}),
    "gan, R1": ("gan", {"r1": 0.1}),
    "lsgan": ("lsgan", {}),
    "f-gan, Jensen-Shannon": ("gan", {"loss": "jensen-shannon"}),
    "sngan": ("sngan", {}),
    "wgan-gp": ("wgan-gp", {"gradient": 1.0}),
}
"""Title -> the model's name on the command line, and its options beside `NETWORKS`."""


def settings(variant: str, steps: int) -> dict[str, Any]:
    """All that a run's figures depend on besides data and seed."""
    name, options = VARIANTS[variant]
    return json.loads(json.dumps({"model": name, **NETWORKS, **options, **vars(RECIPE), "steps": steps}))


def train(variant: str, data_name: str, seed: int, steps: int) -> dict[str, Any]:
    """One run: modes found, share of high quality, seconds of the processor."""
    name, options = VARIANTS[variant]
    initial, order, noise, drawing = Generator(seed).split(4)
    points = data.load(data_name)
    model = config_class(name)(**{**NETWORKS, **options}).build(points.shape, None, initial)
    learner = model.learner(RECIPE)
    batches = data.Loader(points, RECIPE.batch_size, order)
    started = time.process_time()
    for _ in range(steps):
        learner.step(next(batches), noise)
    with learner.averaged() as averaged:
        found = mode_coverage(averaged.sample(SAMPLES, drawing), LAWS[data_name]())
    return {"modes": found.modes, "quality": found.quality, "seconds": round(time.process_time() - started, 1)}


def lines_of(data_name: str) -> list[dict[str, Any]]:
    """The finished runs of today's variants."""
    path = HERE / f"{data_name}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [
        line
        for line in lines
        if line["variant"] in VARIANTS and line["settings"] == settings(line["variant"], line["settings"]["steps"])
    ]


def table(data_name: str, steps: int) -> str:
    """Markdown: means over the seeds, and the least and the greatest."""
    modes = len(LAWS[data_name]().means)
    rows = [f"| {data_name}, {steps:,} batches | modes of {modes} | high quality | seeds |", "|---|---|---|---|"]
    lines = [line for line in lines_of(data_name) if line["settings"]["steps"] == steps]
    for variant in VARIANTS:
        runs = [line for line in lines if line["variant"] == variant]
        if runs:
            found = [run["modes"] for run in runs]
            quality = [100 * run["quality"] for run in runs]
            rows.append(
                f"| {variant} | {np.mean(found):.1f} ({min(found)} to {max(found)}) "
                f"| {np.mean(quality):.1f} % ({min(quality):.1f} to {max(quality):.1f}) | {len(runs)} |"
            )
    rows.append(f"| a perfect sampler | {modes} | {100 * (1 - math.exp(-4.5)):.1f} % | |")
    return "\n".join(rows)


def write_tables() -> str:
    """The tables of all that is done, one for each law and number of batches; into README.md as well."""
    budgets = {name: sorted({line["settings"]["steps"] for line in lines_of(name)}) for name in LAWS}
    tables = "\n\n".join(table(name, steps) for name, found in budgets.items() for steps in found)
    readme = HERE / "README.md"
    before, _, rest = readme.read_text().partition("<!-- tables -->\n")
    after = rest.partition("<!-- end -->\n")[2]
    readme.write_text(f"{before}<!-- tables -->\n{tables}\n<!-- end -->\n{after}")
    return tables


def complete(data_name: str, variants: Sequence[str], seeds: int, steps: int) -> None:
    """Runs what has no line yet, all variants of one seed before the next."""
    lines = lines_of(data_name)
    done = {(line["variant"], line["seed"], line["settings"]["steps"]) for line in lines}
    for seed, variant in itertools.product(range(seeds), variants):
        if (variant, seed, steps) not in done:
            line = {"variant": variant, "seed": seed, **train(variant, data_name, seed, steps)}
            print(data_name, line, flush=True)
            lines.append({**line, "settings": settings(variant, steps)})
            (HERE / f"{data_name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
            write_tables()


def main() -> None:
    """Runs what is asked for and not done yet."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--data", nargs="+", default=list(LAWS), choices=list(LAWS))
    options.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--steps", type=int, default=RECIPE.steps)
    asked = options.parse_args()
    for data_name in asked.data:
        complete(data_name, asked.variants, asked.seeds, asked.steps)
    print(write_tables())


if __name__ == "__main__":
    main()

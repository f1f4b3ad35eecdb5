"""A program: JAX's first training step in a new process. Arguments: step, threads, file of arrays.

An empty `tinygen` stands for this engine's package, so that nothing of it is imported with the models in JAX.
"""

import sys
from functools import partial
from pathlib import Path
from types import ModuleType

empty = ModuleType("tinygen")
empty.__path__ = [str(Path(__file__).parents[2])]
sys.modules["tinygen"] = empty

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from tinygen.bench import jax_models  # noqa: E402
from tinygen.bench.jax_models import laid_out, training  # noqa: E402

PLAYERS = {"DCGAN": (("discriminator_loss", "discriminator"), ("generator_loss", "generator"))}


def main(name: str, path: str) -> None:
    """Takes the weights from the file, since there is no model that would draw them, and makes one step."""
    groups: dict[str, dict[str, jax.Array]] = {"": {}, "noise": {}, "weight": {}, "buffer": {}}
    for key, array in np.load(path).items():
        kind, _, own = key.rpartition(": ")
        if kind == "weight" and jax_models.is_buffer(own):
            kind = "buffer"
        groups[kind][own] = jnp.asarray(laid_out(array, kind in ("weight", "buffer")))
    batch, noise, weights, buffers = groups.values()
    players = PLAYERS.get(name, (("loss", ""),))
    turns = [training.Turn(loss, [key for key in weights if key.startswith(part)]) for loss, part in players]
    move = jax.jit(partial(training.step, jax_models.model(name), turns, 1e-3))
    _, losses = move(training.start(weights, buffers, turns), batch, noise)
    print(*map(float, losses), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[3])

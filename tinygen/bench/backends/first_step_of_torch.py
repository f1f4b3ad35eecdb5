"""A program: PyTorch's first training step in a new process. Arguments: step, threads, file of arrays.

An empty `tinygen` stands for this engine's package, so that nothing of it is imported with the models in PyTorch.
"""

import sys
from pathlib import Path
from types import ModuleType

empty = ModuleType("tinygen")
empty.__path__ = [str(Path(__file__).parents[2])]
sys.modules["tinygen"] = empty

import numpy as np  # noqa: E402
import torch  # noqa: E402

from tinygen.bench import torch_models  # noqa: E402

PLAYERS = {"DCGAN": (("discriminator_loss", "discriminator"), ("generator_loss", "generator"))}


def main(name: str, threads: int, path: str) -> None:
    """Builds the model and takes one step."""
    torch.set_num_threads(threads)
    given = np.load(path)  # of which the weights are not read
    arrays = {key: torch.from_numpy(given[key]) for key in given.files if ": " not in key}
    noise = {n.removeprefix("noise: "): torch.from_numpy(given[n]) for n in given.files if n.startswith("noise: ")}
    model = torch_models.model(name)
    for method, part in PLAYERS.get(name, (("loss", ""),)):
        parameters = [p for key, p in model.named_parameters() if key.startswith(part)]
        optimiser = torch.optim.Adam(parameters)
        loss = getattr(model, method)(arrays, noise)
        loss.backward(inputs=parameters)
        optimiser.step()
    if hasattr(model, "after_step"):
        model.after_step()
    print(loss.item(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])

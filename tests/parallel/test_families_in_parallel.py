"""One process and several ranks take the same steps: weights and figures equal to rounding, bit-equal among the ranks.

In float64, where rounding is far below what a wrong mean, a wrong row of noise, or statistics of a part of the batch
would do: all of these move the weights by some share of the learning rate, 1e-2.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from family_steps import FAMILIES, MISTAKES, ON_MANY
from mpi_runs import HERE, needs_mpi, run

pytestmark = needs_mpi


def train(folder: Path, ranks: int, *options: str) -> Path:
    done = run(ranks, [sys.executable, str(HERE / "family_steps.py"), str(folder), *options])
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process ends with."""
    return train(tmp_path_factory.mktemp("alone"), 1)


def differing(alone: Path, together: list[Path]) -> list[str]:
    """The weights and figures in which ranks differ, from each other at all or from one process by more than 1e-6."""
    expected, first, others = np.load(alone), np.load(together[0]), [np.load(path) for path in together[1:]]
    assert expected.files == first.files
    return [
        name
        for name, value in expected.items()
        if any((other[name] != first[name]).any() for other in others)
        or not np.allclose(first[name], value, rtol=1e-6, atol=1e-6)
    ]


@pytest.mark.parametrize(("ranks", "families"), [(2, list(FAMILIES)), (4, ON_MANY)])
def test_ranks_take_the_steps_of_one_process(alone, tmp_path, ranks, families):
    together = train(tmp_path, ranks)
    found = {
        family: differing(alone / f"{family}.0.npz", [together / f"{family}.{rank}.npz" for rank in range(ranks)])
        for family in families
    }
    assert {family: names for family, names in found.items() if names} == {}


def test_each_mistake_would_be_seen(alone, tmp_path):
    together = train(tmp_path, 2, "mistakes")
    unseen = [
        mistake
        for mistake in MISTAKES
        if not differing(alone / "dcgan.0.npz", [together / f"{mistake}.{rank}.npz" for rank in range(2)])
    ]
    assert unseen == []

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


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    found = {}
    for ranks in (1, 2, 4):
        found[ranks] = tmp_path_factory.mktemp(f"ranks{ranks}")
        done = run(ranks, [sys.executable, str(HERE / "family_steps.py"), str(found[ranks])])
        assert done.returncode == 0, done.stderr
    return found


def assert_same(alone: Path, together: list[Path]) -> None:
    first, others = np.load(together[0]), [np.load(path) for path in together[1:]]
    for name, value in np.load(alone).items():
        for other in others:
            np.testing.assert_array_equal(other[name], first[name], err_msg=name)
        np.testing.assert_allclose(first[name], value, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(("ranks", "family"), [*((2, family) for family in FAMILIES), *((4, name) for name in ON_MANY)])
def test_ranks_take_the_step_of_one_process(folders, ranks, family):
    own = [folders[ranks] / f"{family}.{rank}.npz" for rank in range(ranks)]
    assert_same(folders[1] / f"{family}.0.npz", own)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_would_be_seen(folders, mistake):
    with pytest.raises(AssertionError, match=r"Not equal to tolerance|Arrays are not equal"):
        assert_same(folders[1] / "dcgan.0.npz", [folders[2] / f"{mistake}.{rank}.npz" for rank in range(2)])

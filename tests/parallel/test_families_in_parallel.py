"""One process and several ranks take the same steps: weights and figures equal to rounding, bit-equal among the ranks.

In float64, where rounding is far below what a wrong mean, a wrong row of noise, or statistics of a part of the batch
would do: all of these move the weights by some share of the learning rate, 1e-2.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from family_steps import FAMILIES
from mpi_runs import HERE, needs_mpi, run

pytestmark = needs_mpi
RANKS = [2, 4]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    found = {}
    for ranks in (1, *RANKS):
        found[ranks] = tmp_path_factory.mktemp(f"ranks{ranks}")
        done = run(ranks, [sys.executable, str(HERE / "family_steps.py"), str(found[ranks])])
        assert done.returncode == 0, done.stderr
    return found


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_ranks_take_the_step_of_one_process(folders, family, ranks):
    alone = np.load(folders[1] / f"{family}.0.npz")
    together = [np.load(folders[ranks] / f"{family}.{rank}.npz") for rank in range(ranks)]
    for name, value in alone.items():
        for one in together:
            np.testing.assert_array_equal(one[name], together[0][name], err_msg=name)
        np.testing.assert_allclose(together[0][name], value, rtol=1e-6, atol=1e-6, err_msg=name)

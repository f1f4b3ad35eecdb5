"""Mode coverage; that a perfect sampler scores 1 - exp(-4.5) is in tinygen/checks/gan/sampling.py (CHECKS 39)."""

import numpy as np
import pytest

from tinygen import truth
from tinygen.metrics.coverage import mode_coverage
from tinygen.random import Generator


def test_a_mode_is_found_by_a_sample_within_three_standard_deviations_and_by_no_other():
    grid = truth.grid()
    centres = grid.means.numpy()
    near, far = np.array([0.149, 0.0]), np.array([0.151, 0.0])
    found = mode_coverage(np.stack([centres[3], centres[3] + near, centres[7] + near, centres[9] + far]), grid)
    assert found.modes == 2
    assert found.quality == 0.75
    np.testing.assert_array_equal(np.flatnonzero(found.counts), [3, 7])
    assert found.counts[3] == 2


@pytest.mark.parametrize(("law", "modes"), [(truth.ring(), 8), (truth.grid(), 25)])
def test_the_law_itself_finds_all_and_a_point_one(law, modes):
    assert mode_coverage(law.sample(2500, Generator(0)), law).modes == modes
    collapsed = mode_coverage(np.tile(law.means.numpy()[1], (2500, 1)), law)
    assert (collapsed.modes, collapsed.quality) == (1, 1.0)


def test_distance_is_in_the_components_own_standard_deviations():
    law = truth.GaussianMixture(np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([np.eye(2), 4 * np.eye(2)]))
    mode, distance = law.nearest(np.array([[3.0, 0.0], [4.0, 0.0]]))
    np.testing.assert_array_equal(mode, [0, 1])
    np.testing.assert_allclose(distance, [3.0, 3.0])


def test_what_is_no_sample_is_refused():
    with pytest.raises(ValueError, match=r"samples \(n, D\) are needed, found shape \(0, 2\)"):
        mode_coverage(np.zeros((0, 2)), truth.grid())
    with pytest.raises(ValueError, match=r"x of shape \(4, 1, 3\) does not end in \(2,\)|x of shape \(4, 3\)"):
        mode_coverage(np.zeros((4, 3)), truth.grid())

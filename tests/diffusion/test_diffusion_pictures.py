"""What a sampler shows: from noise to the sample, in order, the last instant always among them."""

import numpy as np
import pytest

from tinygen import data
from tinygen.diffusion.ddpm import DDPMConfig
from tinygen.diffusion.pictures import COLUMNS, INSTANTS, of_steps
from tinygen.drawing import ImageRows, Paths
from tinygen.random import Generator
from tinygen.tensor import Tensor


def steps(shape, T):
    """x_t is t everywhere."""
    return Tensor(np.full(shape, float(T))), ((t, Tensor(np.full(shape, float(t)))) for t in range(T - 1, -1, -1))


@pytest.mark.parametrize("T", [1, 5, 11, 12, 1000])
def test_images_go_from_left_to_right_down_to_0(T):
    x, rest = steps((3, 1, 2, 2), T)
    (drawn,) = of_steps(x, rest, T)
    assert isinstance(drawn, ImageRows)
    times = drawn.images[:, :, 0, 0, 0]
    assert times.shape == (3, min(T + 1, COLUMNS))
    assert (times[:, 0] == T).all()
    assert (times[:, -1] == 0).all()
    assert (np.diff(times) < 0).all()


def test_points_leave_paths_and_what_is_neither_leaves_nothing():
    x, rest = steps((3, 2), 1000)
    (drawn,) = of_steps(x, rest, 1000)
    assert isinstance(drawn, Paths)
    assert drawn.points.shape == (INSTANTS, 3, 2)
    assert of_steps(*steps((3, 5), 4), 4) == []


@pytest.mark.parametrize(("name", "kind"), [("two_moons", Paths), ("digits", ImageRows)])
def test_ddpm_shows_its_own_sampler(name, kind):
    dataset = data.load(name, "test")
    model = DDPMConfig(timesteps=4, channels=8, multipliers=(1,), heads=0).build(dataset.shape, None, Generator(0))
    (drawn,) = model.drawings(dataset, Generator(1))
    assert isinstance(drawn, kind)

"""What flows show: the density where it is, the way of points, the mean image at temperature 0."""

import numpy as np
import pytest

from tinygen import data
from tinygen.distributions import Normal
from tinygen.flow.affine import Affine
from tinygen.flow.contract import Composed
from tinygen.flow.model import FlowModel
from tinygen.flow.pictures import TEMPERATURES, density_maps, paths_from_base, temperature_rows
from tinygen.flow.realnvp import RealNVPConfig
from tinygen.random import Generator
from tinygen.tensor import Tensor

MOONS = data.load("two_moons", "test")


def test_the_true_density_as_a_model_gives_two_equal_maps_that_integrate_to_1():
    drawn = density_maps(MOONS.truth.log_prob, MOONS, np.float64)
    assert list(drawn.values) == ["model", "truth"]
    np.testing.assert_array_equal(*drawn.values.values())
    side = (drawn.limits[1] - drawn.limits[0]) / len(drawn.values["truth"])
    assert drawn.values["truth"].sum() * side**2 == pytest.approx(1, abs=1e-3)


def test_rows_of_a_map_are_ordinates_from_below():
    peak = np.array([2.0, -1.0])
    drawn = density_maps(lambda x: -50 * ((x - peak) ** 2).sum(axis=-1), MOONS, np.float64)
    row, column = np.unravel_index(np.argmax(drawn.values["model"]), drawn.values["model"].shape)
    low, high = drawn.limits
    middle = low + (np.array([column, row]) + 0.5) * (high - low) / len(drawn.values["model"])
    assert middle == pytest.approx(peak, abs=(high - low) / len(drawn.values["model"]))


def test_paths_go_back_through_every_layer():
    flow = Composed(Affine((2,)), Affine((2,)), Affine((2,)))
    rng = np.random.default_rng(0)
    for parameter in flow.parameters():
        parameter._assign(rng.normal(size=parameter.shape).astype(parameter.dtype))
    z = Tensor(rng.normal(size=(7, 2)).astype(np.float32))
    points = paths_from_base(flow, z).points
    assert points.shape == (4, 7, 2)
    for earlier, later, layer in zip(points, points[1:], reversed(list(flow.flows))):
        np.testing.assert_allclose(np.asarray(layer(Tensor(later))[0]), earlier, rtol=1e-4, atol=1e-5)


def test_temperature_scales_the_draws_of_the_base():
    base = Normal(Tensor(np.float64(0.5)), Tensor(np.float64(0.1)))
    drawn = temperature_rows(Composed(), base, (1, 2, 2), 256, Generator(0))
    unit = (drawn.images + 1) / 2
    for row, temperature in zip(unit, TEMPERATURES):
        assert row == pytest.approx(unit[-1] * temperature, abs=3 / 255)
    assert drawn.names[0] == f"T = {TEMPERATURES[0]}"


@pytest.mark.parametrize(("name", "kinds"), [("two_moons", ["Maps", "Paths"]), ("digits", ["ImageRows"])])
def test_a_model_shows_what_its_data_allows(name, kinds):
    dataset = data.load(name, "test")
    model = RealNVPConfig(couplings=2, hidden=4).build(dataset.shape, None, Generator(0))
    model.prepare(dataset)
    model.loss(dataset.batch(slice(64)), Generator(1))
    assert [type(drawing).__name__ for drawing in model.drawings(dataset, Generator(2))] == kinds


def test_points_of_more_dimensions_have_no_picture():
    assert FlowModel(Affine((3,)), (3,)).drawings(MOONS, Generator(0)) == []

"""The U-Net: shapes, where it starts, what it depends on, and its symmetry under shifts."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.nets.mlp import TimeMLP
from tinygen.nets.unet import ResidualBlock, UNet
from tinygen.random import Generator
from tinygen.tensor import Tensor

TIMES = Tensor(np.array([3, 700]))


def small(dtype="float64", **options):
    """A U-Net of two resolutions with every parameter random, so that nothing is hidden by zeros."""
    net = UNet(1, 1, channels=8, multipliers=(1, 2), heads=2, groups=4, rng=Generator(0), **options).to(dtype)
    rng = Generator(1)
    for parameter in net.parameters():
        parameter.data = 0.2 * rng.normal(parameter.shape, dtype=dtype)
    return net


@pytest.mark.parametrize(("size", "multipliers"), [((8, 8), (1, 2)), ((28, 28), (1, 2, 2)), ((4, 12), (1,))])
def test_the_output_has_the_shape_of_the_image(size, multipliers):
    net = UNet(3, 2, channels=8, multipliers=multipliers, heads=2, groups=4, rng=Generator(0))
    assert net(tg.zeros(2, 3, *size), TIMES).shape == (2, 2, *size)


def test_it_starts_at_zero_and_its_blocks_as_their_skip_path():
    net = UNet(1, 1, channels=8, groups=4, rng=Generator(0))
    x = Generator(1).normal((2, 1, 8, 8))
    np.testing.assert_array_equal(np.asarray(net(x, TIMES)), 0.0)
    block = ResidualBlock(8, 8, 16, 4, rng=Generator(0))
    h = Generator(2).normal((2, 8, 4, 4))
    np.testing.assert_array_equal(np.asarray(block(h, tg.ones(2, 16))), np.asarray(h))


def test_every_parameter_the_time_and_the_image_matter():
    net = small()
    x = Generator(2).normal((2, 1, 8, 8), dtype="float64")
    x.requires_grad = True
    y = net(x, TIMES)
    (y * y).sum().backward()
    for name, parameter in net.named_parameters():
        assert np.abs(np.asarray(parameter.grad)).max() > 0, name
    assert np.abs(np.asarray(x.grad)).min() > 0  # attention sees every place
    other = net(x, Tensor(np.array([3, 701])))
    np.testing.assert_array_equal(np.asarray(other)[0], np.asarray(y)[0])
    assert np.abs(np.asarray(other - y)[1]).max() > 1e-6


def test_a_shift_by_the_stride_shifts_the_output_and_by_less_does_not():
    net = small()
    image = np.zeros((1, 1, 8, 160))
    image[..., 78:82] = np.random.default_rng(0).normal(size=(8, 4))
    t = Tensor(np.array([10]))
    centre = slice(60, 100)

    def shifted(by):
        moved = np.asarray(net(Tensor(np.roll(image, by, axis=3)), t))
        return np.abs(np.roll(moved, -by, axis=3) - np.asarray(net(Tensor(image), t)))[..., centre].max()

    assert net.stride == 2
    assert shifted(net.stride) < 1e-10
    assert shifted(1) > 1e-3


def test_sizes_that_do_not_halve_and_widths_that_do_not_divide_are_refused():
    net = UNet(1, 1, channels=8, multipliers=(1, 2), groups=4, rng=Generator(0))
    with pytest.raises(ValueError, match=r"divisible by 2 are needed, found \(2, 1, 7, 8\)"):
        net(tg.zeros(2, 1, 7, 8), TIMES)
    with pytest.raises(ValueError, match="12 channels"):
        UNet(1, 1, channels=12, groups=8, rng=Generator(0))


def test_the_perceptron_keeps_the_shape_of_points():
    net = TimeMLP(2, (16, 16), rng=Generator(0))
    x = Generator(1).normal((5, 2))
    y = net(x, Tensor(np.array([1, 2, 3, 4, 5])))
    assert y.shape == (5, 2)
    assert np.abs(np.asarray(net(x, Tensor(np.array([1, 2, 3, 4, 6])))) - np.asarray(y))[4].max() > 0

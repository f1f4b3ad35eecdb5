"""The convolutional players: shapes, where a condition enters, what is normalised."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.gan.networks import ConvDiscriminator, ConvGenerator
from tinygen.random import Generator

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 16), (2, 4, 6)])
@pytest.mark.parametrize("cond", [0, 3])
def test_one_goes_to_images_and_the_other_back(shape, cond):
    given = [tg.tensor(RNG.normal(size=(2, cond)), dtype="float32")] if cond else []
    generator = ConvGenerator(5, shape, 4, cond, rng=Generator(0))
    discriminator = ConvDiscriminator(shape, 4, cond, rng=Generator(1))
    x = generator(tg.tensor(RNG.normal(size=(2, 5)), dtype="float32"), *given)
    assert x.shape == (2, *shape)
    assert discriminator(x, *given).shape == (2, 1)


def test_both_read_their_condition():
    z, x = tg.ones(2, 5), tg.ones(2, 1, 8, 8)
    one, other = tg.tensor([[1.0, 0.0]] * 2), tg.tensor([[0.0, 1.0]] * 2)
    generator = ConvGenerator(5, (1, 8, 8), 4, 2, rng=Generator(0)).eval()
    discriminator = ConvDiscriminator((1, 8, 8), 4, 2, rng=Generator(1)).eval()
    assert not np.allclose(generator(z, one).detach(), generator(z, other).detach(), atol=1e-6)
    assert not np.allclose(discriminator(x, one).detach(), discriminator(x, other).detach(), atol=1e-9)


def test_batches_are_normalised_but_at_the_output_and_the_input():
    """Radford et al. 2016, section 3: applied everywhere, sample oscillation; so neither end has it."""
    generator = ConvGenerator(5, (1, 28, 28), 4, rng=Generator(0))
    discriminator = ConvDiscriminator((1, 28, 28), 4, rng=Generator(0))
    count = lambda net: sum(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    assert (count(generator), len(generator.up)) == (2, 2)
    assert (count(discriminator), len(discriminator.down)) == (1, 2)
    assert count(ConvDiscriminator((1, 28, 28), 4, normalisation="none", rng=Generator(0))) == 0


def test_weights_start_as_the_paper_says():
    net = ConvDiscriminator((1, 32, 32), 32, rng=Generator(0))
    for layer in [*net.down, net.outward]:
        assert layer.weight.detach().numpy().std() == pytest.approx(0.02, rel=0.1)
        assert not layer.bias.detach().numpy().any()


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(
        ValueError, match=r"halves the sides of images, which must be even and at least 4, not \(7, 8\)"
    ):
        ConvGenerator(5, (1, 7, 8), rng=Generator(0))

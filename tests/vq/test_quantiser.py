"""The codebook at sizes that Hypothesis chooses: what is chosen, what follows, what starts and what is revived."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.random import Generator
from tinygen.tensor import Tensor
from tinygen.vq.quantiser import Quantiser, perplexity, usage


def build(codes: int, width: int, **options) -> Quantiser:
    return Quantiser(codes, width, **options, rng=Generator(0)).to("float64")


@given(
    codes=st.integers(1, 9),
    width=st.integers(1, 5),
    n=st.integers(1, 3),
    rest=st.lists(st.integers(1, 3), max_size=2),
    seed=st.integers(0, 99),
)
def test_no_code_is_nearer_than_the_one_that_is_chosen(codes, width, n, rest, seed):
    q, z = build(codes, width), Generator(seed).normal((n, width, *rest), "float64")
    quantised = q(z)
    assert quantised.indices.shape == (n, *rest)
    rows = np.moveaxis(z.numpy(), 1, -1)[..., None, :]
    distances = ((rows - q.codebook.numpy()) ** 2).sum(-1)
    chosen = np.take_along_axis(distances, quantised.indices[..., None], -1)[..., 0]
    np.testing.assert_allclose(chosen, distances.min(-1), atol=1e-12)
    np.testing.assert_allclose(quantised.z.numpy(), q.lookup(quantised.indices).numpy(), atol=1e-12)
    np.testing.assert_allclose(float(quantised.commitment_loss), chosen.sum() / n)


@given(codes=st.integers(1, 6), seed=st.integers(0, 99))
def test_lloyd_steps_never_raise_the_error(codes, seed):
    q, z = build(codes, 2, decay=0.0), Generator(seed).normal((30, 2), "float64")
    errors = []
    for _ in range(6):
        quantised = q(z)
        errors.append(float(quantised.commitment_loss))
        q.follow(z, quantised.indices, Generator(0))
    assert all(after <= before + 1e-12 for before, after in itertools.pairwise(errors))


def test_a_start_puts_the_codes_on_separate_clusters():
    rng = Generator(0)
    centres = np.array([[10.0, 0], [-10, 0], [0, 10], [0, -10]])
    z = np.repeat(centres, 25, axis=0) + 0.1 * rng.normal((100, 2), "float64").numpy()
    errors = []
    for seed in range(5):
        q = build(4, 2)
        q.start(z, Generator(seed))
        errors.append(float(q(Tensor(z)).commitment_loss))
        assert float(q.started) == 1.0
    assert min(errors) < 0.1  # Lloyd's steps from random points: the best of five starts finds all four
    np.testing.assert_allclose(q.counts.numpy(), 25.0)


def test_a_start_from_fewer_vectors_than_codes_stays_finite():
    q, z = build(8, 2), Generator(0).normal((3, 2), "float64")
    q.start(z, Generator(1))
    assert float(q(z).commitment_loss) < 1e-20
    assert np.isfinite(q.codebook.numpy()).all()


def test_a_code_that_nothing_chooses_stays_or_is_revived():
    z = Generator(0).normal((20, 2), "float64")
    for revival in (0.0, 0.1):
        q = build(4, 2, decay=0.5, revival=revival)
        far = np.array([100.0, 100.0])
        q.codebook._assign(np.concatenate([q.codebook.numpy()[:-1], far[None]]))
        q.sums._assign(q.codebook.numpy() * q.counts.numpy()[:, None])
        for seed in range(12):
            q.follow(z, q.nearest(z), Generator(seed))
        if revival:
            assert np.abs(q.codebook.numpy()).max() < 5.0
            assert len(np.unique(q.nearest(z))) == 4
        else:
            np.testing.assert_allclose(q.codebook.numpy()[-1], far)


def test_a_learned_codebook_does_not_follow():
    q, z = build(4, 2, learned=True), Generator(0).normal((20, 2), "float64")
    before = q.codebook.numpy().copy()
    q.follow(z, q.nearest(z), Generator(0))
    np.testing.assert_array_equal(q.codebook.numpy(), before)
    assert [name for name, _ in q.named_parameters()] == ["codebook"]
    assert list(build(4, 2).parameters()) == []


@given(codes=st.integers(1, 20), n=st.integers(1, 60), seed=st.integers(0, 99))
def test_perplexity_is_between_one_and_the_codes_and_draws_there_are(codes, n, seed):
    shares = usage(Generator(seed).integers(0, codes, n).numpy(), codes)
    assert shares.shape == (codes,)
    assert 1.0 - 1e-12 <= perplexity(shares) <= min(codes, n) + 1e-9


@pytest.mark.parametrize(
    ("codes", "width", "options", "says"),
    [
        (0, 2, {}, "a codebook has at least one code of one dimension, not 0 of 2"),
        (2, 0, {}, "a codebook has at least one code of one dimension, not 2 of 0"),
        (2, 2, {"decay": 1.0}, "decay is at least 0 and less than 1, not 1.0"),
        (2, 2, {"revival": -0.1}, "revival is a share of 1/K, at least 0 and less than 1, not -0.1"),
    ],
)
def test_what_no_codebook_has_is_refused(codes, width, options, says):
    with pytest.raises(ValueError, match=says):
        build(codes, width, **options)

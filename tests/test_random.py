"""Random generators: one law of position, exact replay, independent children, the right distributions."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from tinygen import kernels
from tinygen.random import Generator
from tinygen.tensor import Tensor

SEEDS = st.integers(0, 2**64 - 1)
SIZES = st.integers(0, 50)
DRAWS = {
    "normal": lambda rng, n: rng.normal(n),
    "normal in float64": lambda rng, n: rng.normal(n, dtype="float64"),
    "uniform": lambda rng, n: rng.uniform(n),
    "bernoulli": lambda rng, n: rng.bernoulli(0.3, n),
    "integers": lambda rng, n: rng.integers(-5, 12, n),
}
EVERY_DRAW = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())


@EVERY_DRAW
@given(seed=SEEDS, sizes=st.lists(SIZES, max_size=5))
def test_pieces_are_the_whole(draw, seed, sizes):
    """The law of position: draws in sequence are the same numbers as one draw of their total."""
    whole, pieces = Generator(seed), Generator(seed)
    parts = [draw(pieces, n).numpy() for n in sizes]
    assert (np.concatenate([*parts, np.empty(0)]) == draw(whole, sum(sizes)).numpy()).all()
    assert whole.counter == pieces.counter


def test_words_per_element():
    rng = Generator(0)
    for draw, words in [
        (lambda: rng.normal((3, 2)), 6),
        (lambda: rng.uniform(5, dtype="float64"), 5),
        (lambda: rng.bernoulli(0.5, ()), 1),
        (lambda: rng.integers(0, 2, 7), 14),
        (lambda: rng.permutation(9), 9),
        (lambda: rng.split(3), 3),
        (lambda: rng.normal((0, 4)), 0),
    ]:
        before = rng.counter
        draw()
        assert rng.counter - before == words


@EVERY_DRAW
def test_same_seed_same_bits_other_seed_others(draw):
    first, again, other = (draw(Generator(seed), 200).numpy() for seed in (7, 7, 8))
    assert (first == again).all()
    assert (first != other).any()


@EVERY_DRAW
def test_same_bits_from_both_kernel_versions(draw):
    results = []
    for version in ("definition", "cpu"):
        with kernels.implementation(version):
            results.append(draw(Generator(3), 40_000).numpy())
    assert (results[0] == results[1]).all()


def test_shapes_and_dtypes():
    rng = Generator(1)
    assert rng.normal((2, 3)).shape == rng.uniform((2, 3)).shape == (2, 3)
    assert rng.normal(4).shape == rng.integers(0, 9, 4).shape == rng.permutation(4).shape == (4,)
    assert rng.bernoulli(0.5, ()).shape == ()
    assert rng.normal(2).dtype == rng.uniform(2).dtype == rng.bernoulli(0.5, 2).dtype == np.float32
    assert rng.normal(2, dtype=np.float64).dtype == np.float64
    assert rng.integers(0, 2, 3).dtype == rng.permutation(3).dtype == np.int64
    assert isinstance(rng.normal(2), Tensor)
    assert not rng.normal(2).requires_grad


@given(seed=SEEDS, before=SIZES, after=SIZES)
def test_a_restored_state_replays_exactly(seed, before, after):
    rng = Generator(seed)
    rng.uniform(before)
    state = json.loads(json.dumps(rng.state))
    expected = [rng.normal(after).numpy(), rng.permutation(after).numpy()]
    other = Generator(0)
    other.state = state
    replayed = [other.normal(after).numpy(), other.permutation(after).numpy()]
    assert all((a == b).all() for a, b in zip(expected, replayed))
    assert other.state == rng.state


def test_children_differ_from_each_other_and_from_the_parent():
    rng = Generator(42)
    family = [*rng.split(4), *rng.split(4), rng]
    assert len({g.key for g in family}) == len(family)
    n = 20_000
    draws = np.stack([g.normal(n, dtype="float64").numpy() for g in family])
    correlation = draws @ draws.T / n - np.eye(len(family))
    assert np.abs(correlation).max() < 5 * np.sqrt(2 / n)
    assert stats.kstest(draws.ravel(), "norm").pvalue > 1e-3
    once, again = Generator(42).split(2), Generator(42).split(4)
    assert [g.key for g in once] == [g.key for g in again[:2]]


def test_first_numbers_of_many_children_are_uniform():
    """Across children as along a stream: what one batch of independent workers would see."""
    first = np.array([g.uniform((), dtype="float64").item() for g in Generator(5).split(4000)])
    assert stats.kstest(first, "uniform").pvalue > 1e-3


@given(
    seed=SEEDS,
    size=st.one_of(st.integers(1, 2**40), st.integers(2**62, 2**63)),
    place=st.floats(0, 1),
)
def test_integers_are_the_exact_product(seed, size, place):
    """low + floor(U m / 2^128) of the 128-bit U, against Python's integers, for m up to 2^63."""
    low = -(2**63) + int(place * (2**64 - size))
    low = min(low, 2**63 - size)
    drawn = Generator(seed).integers(low, low + size, 50).numpy()
    words = [int(w) for w in Generator(seed)._words(100)]
    expected = [low + ((words[2 * i] + (words[2 * i + 1] << 64)) * size >> 128) for i in range(50)]
    assert drawn.tolist() == expected


@pytest.mark.parametrize("values", [1, 2, 7, 1000])
def test_integers_are_equally_likely(values):
    drawn = Generator(9).integers(-3, values - 3, 200_000).numpy()
    assert drawn.min() == -3
    assert drawn.max() == values - 4
    if values > 1:
        assert stats.chisquare(np.bincount(drawn + 3, minlength=values)).pvalue > 1e-3


@pytest.mark.parametrize("p", [0.0, 0.001, 0.3, 0.5, 1.0])
def test_bernoulli_has_its_probability(p):
    n = 200_000
    drawn = Generator(2).bernoulli(p, n).numpy()
    assert set(np.unique(drawn)) <= {0.0, 1.0}
    assert abs(drawn.mean(dtype=np.float64) - p) <= 5 * np.sqrt(p * (1 - p) / n)


def test_bernoulli_takes_a_probability_for_each_element():
    p = np.array([[0.0], [0.25], [1.0]])
    mean = Generator(2).bernoulli(p, (3, 50_000)).numpy().mean(1, dtype=np.float64)
    assert np.abs(mean - p[:, 0]).max() < 5 * np.sqrt(0.25 * 0.75 / 50_000)
    assert mean[0] == 0
    assert mean[2] == 1


@given(seed=SEEDS, n=SIZES)
def test_permutations_hold_each_index_once(seed, n):
    assert (np.sort(Generator(seed).permutation(n).numpy()) == np.arange(n)).all()


def test_permutations_are_equally_likely():
    rng = Generator(13)
    counts = dict[tuple, int]()
    for _ in range(6000):
        order = tuple(rng.permutation(4).numpy())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Generator(-1), "seed"),
        (lambda: Generator(2**64), "seed"),
        (lambda: Generator(1.5), "seed"),
        (lambda: Generator(0).normal((2, -1)), "not negative"),
        (lambda: Generator(0).normal(2.5), "shape"),
        (lambda: Generator(0).normal("ab"), "shape"),
        (lambda: Generator(0).uniform(2, dtype="int32"), "float32 or float64"),
        (lambda: Generator(0).integers(3, 3, 1), "low < high"),
        (lambda: Generator(0).integers(0, 2**63 + 1, 1), "int64"),
        (lambda: Generator(0).integers(-(2**63), 2**63, 1), "int64"),
        (lambda: Generator(0).integers(0.5, 3, 1), "low"),
        (lambda: Generator(0).bernoulli(1.5, 3), "1.5"),
        (lambda: Generator(0).bernoulli(float("nan"), 3), "nan"),
        (lambda: Generator(0).bernoulli([0.5, 0.5], 3), "broadcast"),
        (lambda: Generator(0).permutation(-1), "not negative"),
        (lambda: Generator(0).split(-1), "not negative"),
        (lambda: Generator(0).split(1.0), "integer"),
        (lambda: Generator.state.fset(Generator(0), {"key": [0, 0]}), "state"),
        (lambda: Generator.state.fset(Generator(0), {**Generator(0).state, "key": [0]}), "32-bit"),
        (lambda: Generator.state.fset(Generator(0), {**Generator(0).state, "counter": -1}), "counter"),
        (lambda: Generator.state.fset(Generator(0), {**Generator(0).state, "algorithm": "PCG64"}), "PCG64"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)

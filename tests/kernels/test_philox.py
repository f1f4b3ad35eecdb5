"""Philox: the published vectors; the same bits from every version; and their distributions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from scipy import special, stats
from simulator import version as simulated

from tinygen.kernels.cpu import philox as cpu
from tinygen.kernels.definitions import philox as definition

KERNELS = pytest.mark.parametrize("kernels", [pytest.param(cpu, id="cpu"), simulated("philox")])
VERSIONS = pytest.mark.parametrize(
    "version", [pytest.param(definition, id="definition"), pytest.param(cpu, id="cpu"), simulated("philox")]
)
KEYS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
# carries between the counter's words are where implementations differ: draw next to them too
COUNTERS = st.one_of(
    st.integers(0, 2**128 - 1),
    st.builds(lambda e, d: (2**e - d) % 2**128, st.sampled_from([32, 64, 96, 128]), st.integers(0, 9)),
)
SIZES = st.one_of(st.integers(0, 40), st.sampled_from([1023, 1024, 1025, 4099, 16383, 16385, 33333]))


def number(*words: int) -> int:
    """The integer whose 32-bit words, least significant first, are `words`."""
    return sum(w << 32 * i for i, w in enumerate(words))


@VERSIONS
@pytest.mark.parametrize(
    ("counter", "key", "block"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (
            (0xFFFFFFFF,) * 4,
            (0xFFFFFFFF,) * 2,
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
    ids=["zeros", "ones", "pi"],
)
def test_published_vectors(version, counter, key, block):
    """The philox4x32-10 lines of Random123's known-answer file."""
    assert tuple(version.philox_bits(key, number(*counter), 4)) == block


@KERNELS
@given(key=KEYS, counter=COUNTERS, n=SIZES)
def test_same_bits_from_every_version(kernels, key, counter, n):
    ours, theirs = kernels.philox_bits(key, counter, n), definition.philox_bits(key, counter, n)
    assert ours.dtype == theirs.dtype == np.uint32
    assert ours.shape == theirs.shape == (n,)
    assert (ours == theirs).all()


@KERNELS
@given(
    key=KEYS,
    counter=COUNTERS,
    n=SIZES,
    dtype=st.sampled_from(["float32", "float64"]),
    name=st.sampled_from(["philox_uniform", "philox_normal"]),
)
def test_same_variates_from_every_version(kernels, key, counter, n, dtype, name):
    ours = getattr(kernels, name)(key, counter, n, dtype)
    theirs = getattr(definition, name)(key, counter, n, dtype)
    assert ours.dtype == theirs.dtype == np.dtype(dtype)
    assert ours.shape == (n,)
    assert (ours == theirs).all()


def extreme_words() -> np.ndarray:
    """64-bit words at both ends, around the middle, at the seams, and at every power of two."""
    seams = [2.0**64 * p for p in (0.075, 0.925, np.exp(-25.0), 0.5 * np.exp(-25.0))]
    centres = [
        0,
        2**64 - 1,
        2**63,
        *(2**e for e in range(64)),
        *(2**64 - 2**e for e in range(64)),
        *map(int, seams),
    ]
    return np.array([(c + d) % 2**64 for c in centres for d in range(-6, 7)], np.uint64)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_normals_at_the_extremes(dtype):
    words = extreme_words()
    n = words.size
    out = np.empty(n, dtype)
    njit(lambda *arrays: cpu._normal_chunk(*arrays))(words, np.empty(n), np.empty(n), np.empty(n, np.int64), out)
    expected = definition.normal_of_words(words).astype(dtype)
    assert (out == expected).all()
    assert np.isfinite(out).all()
    assert np.abs(expected).max() == pytest.approx(-special.ndtri(2.0**-65), rel=1e-6)


def test_normals_are_odd_and_monotone_in_the_word():
    words = np.sort(extreme_words())
    z = definition.normal_of_words(words)
    assert (definition.normal_of_words(~words) == -z).all()
    assert np.diff(z).min() > -2e-15 * np.abs(z).max()  # the approximations may step back by a rounding


@VERSIONS
@given(key=KEYS, counter=st.integers(0, 2**128 - 1), skip=st.integers(0, 600), n=st.integers(0, 600))
def test_a_block_depends_on_its_counter_alone(version, key, counter, skip, n):
    """Element 4 (skip + i) + j of the stream at `counter` is element 4i + j of that at `counter + skip`."""
    whole = version.philox_bits(key, counter, 4 * skip + n)
    assert (whole[4 * skip :] == version.philox_bits(key, (counter + skip) % 2**128, n)).all()


@pytest.mark.parametrize(
    ("low", "high"), [(-0.6931, -1.2), (-1.2, -3.0), (-2.0, -25.0), (-24.9, -25.1), (-25.0, -45.05)]
)
def test_quantile_against_scipy(low, high):
    p = np.exp(np.linspace(high, low, 20_001))
    assert np.abs(definition.lower_quantile(p) / special.ndtri(p) - 1).max() < 2e-15


def test_logarithm_against_numpy():
    p = np.exp(np.linspace(-45.0, np.log(0.075), 50_001))
    assert np.abs(definition.logarithm(p) / np.log(p) - 1).max() < 5e-16
    near_one = np.linspace(0.5, 2.0, 50_001)
    assert np.abs(definition.logarithm(near_one) - np.log(near_one)).max() < 3e-16


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normals_are_normal(dtype):
    """Kolmogorov-Smirnov, and the first six moments at 5 standard errors: E z^2k = (2k - 1)!!."""
    n = 1_000_000
    z = cpu.philox_normal((11, 2020), 7, n, dtype).astype(np.float64)
    assert stats.kstest(z, "norm").pvalue > 1e-3
    moment = lambda k: special.factorial2(k - 1) if k % 2 == 0 else 0.0
    for k in range(1, 7):
        error = 5 * np.sqrt((moment(2 * k) - moment(k) ** 2) / n)
        assert abs((z**k).mean() - moment(k)) < error
    assert abs((z[1:] * z[:-1]).mean()) < 5 / np.sqrt(n)
    beyond = special.ndtr(-4.0)
    for tail in (z > 4, z < -4):
        assert abs(tail.mean() - beyond) < 5 * np.sqrt(beyond / n)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniforms_are_uniform(dtype):
    n = 1_000_000
    u = cpu.philox_uniform((3, 4), 2**90, n, dtype).astype(np.float64)
    assert u.min() >= 0
    assert u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    for k in range(1, 7):
        error = 5 * np.sqrt((1 / (2 * k + 1) - 1 / (k + 1) ** 2) / n)
        assert abs((u**k).mean() - 1 / (k + 1)) < error


def test_float32_uniform_is_the_float64_one_rounded_down():
    single, double = (definition.philox_uniform((5, 6), 0, 100_000, t) for t in ("float32", "float64"))
    assert (single == np.floor(double * 2**24) / 2**24).all()


def test_bits_are_balanced_and_keys_unrelated():
    """Each of the 32 bits is set half of the time; streams of neighbouring keys agree in half of theirs."""
    n = 400_000
    bits = cpu.philox_bits((0, 0), 0, n)
    for b in range(32):
        assert abs(((bits >> np.uint32(b)) & 1).mean() - 0.5) < 5 * 0.5 / np.sqrt(n)
    other = cpu.philox_bits((1, 0), 0, n)
    agreeing = np.unpackbits((bits ^ other).view(np.uint8)).mean()
    assert abs(agreeing - 0.5) < 5 * 0.5 / np.sqrt(32 * n)

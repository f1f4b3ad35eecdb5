"""Normalisation: the definitions obey the theory in float64, and the Numba and CUDA kernels obey the definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator import version as simulated

from tinygen.kernels.cpu import normalisation as cpu
from tinygen.kernels.definitions import normalisation as definition

KERNELS = [pytest.param(cpu, id="cpu"), simulated("normalisation")]
VERSIONS = [pytest.param(definition, id="definition"), *KERNELS]


def fill(rng, shape, dtype, layout):
    """Random values in one of the memories an array of this shape can have."""
    if layout == "channels last":
        return np.moveaxis(rng.normal(size=(shape[0], *shape[2:], shape[1])).astype(dtype), -1, 1)
    if layout == "sliced":
        return rng.normal(size=(*shape[:-1], 2 * shape[-1])).astype(dtype)[..., ::-2]
    if layout == "transposed":
        return rng.normal(size=shape[::-1]).astype(dtype).T
    return rng.normal(size=shape).astype(dtype)


@st.composite
def problems(draw):
    """x, g of one shape (N, C, *) in any memory, weight and bias or None, a number of groups that divides C."""
    groups = draw(st.integers(1, 4))
    channels = groups * draw(st.sampled_from([1, 2, 3, 5, 8, 16, 17]))
    spatial = draw(st.sampled_from([(), (1,), (7,), (1, 1), (3, 5), (4, 4), (16, 12), (2, 3, 2)]))
    shape = (draw(st.integers(1, 3)), channels, *spatial)
    dtype = draw(st.sampled_from([np.float32, np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, g = (
        fill(rng, shape, dtype, draw(st.sampled_from(["c", "channels last", "sliced", "transposed"]))) for _ in range(2)
    )
    weight, bias = (rng.normal(size=shape[1:]).astype(dtype) if draw(st.booleans()) else None for _ in range(2))
    return x, g, weight, bias, groups


def first_channelwise(p, x):
    """A parameter of shape x.shape[1:] cut down to one value per channel."""
    return None if p is None else np.ascontiguousarray(p.reshape(x.shape[1], -1)[:, 0])


def agree(actual, expected, x):
    """Equal to the rounding of float32, on the scale of the result; float64 to that of the order of its sums."""
    for a, b in zip(actual, expected, strict=True):
        assert a.dtype == x.dtype
        assert a.shape == b.shape
        scale = 1 + np.abs(b).max(initial=0)
        np.testing.assert_allclose(a, b, rtol=0, atol=(4e-6 if x.dtype == np.float32 else 1e-12) * scale)


def is_pixel_major(y):
    return np.moveaxis(y, 1, -1).flags.c_contiguous


# ---- the kernels equal the definitions


@pytest.mark.parametrize("kernels", KERNELS)
@given(problem=problems(), silu=st.booleans())
def test_group_norm_equals_its_definition(kernels, problem, silu):
    x, g, weight, bias, groups = problem
    weight, bias = first_channelwise(weight, x), first_channelwise(bias, x)
    kept = x.copy()
    expected = definition.group_norm(x, groups, weight, bias, 1e-3, silu)
    actual = kernels.group_norm(x, groups, weight, bias, 1e-3, silu)
    agree(actual, expected, x)
    args = (g, x, groups, weight, bias, *expected[1:], silu)
    gradients = kernels.group_norm_backward(*args)
    agree(gradients, definition.group_norm_backward(*args), x)
    assert np.array_equal(x, kept)
    if x.dtype == np.float32:
        assert is_pixel_major(actual[0])
        assert is_pixel_major(gradients[0])


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("own", [True, False])
@given(problem=problems(), slope=st.sampled_from([1.0, 0.2, 0.0]))
def test_batch_norm_equals_its_definition(kernels, problem, slope, own):
    x, g, weight, bias, _ = problem
    weight, bias = first_channelwise(weight, x), first_channelwise(bias, x)
    running = None if own else (x.mean((0, *range(2, x.ndim))), x.var((0, *range(2, x.ndim))) * 2, 0.1)
    expected = definition.batch_norm(x, weight, bias, 1e-3, slope, running, own)
    actual = kernels.batch_norm(x, weight, bias, 1e-3, slope, running, own)
    agree(actual, expected, x)
    args = (g, x, weight, *expected[1:], expected[0], slope)
    gradients = kernels.batch_norm_backward(*args, own=own)
    agree(gradients, definition.batch_norm_backward(*args, own=own), x)
    over = g.copy()
    in_place = kernels.batch_norm_backward(over, *args[1:], room=over, own=own)
    agree(in_place, definition.batch_norm_backward(*args, own=own), x)
    if x.dtype == np.float32 and own:
        assert is_pixel_major(actual[0])
        assert is_pixel_major(gradients[0])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["dense", "with gaps", "of another dtype"])
@pytest.mark.parametrize("shape", [(3, 5), (2, 6, 4, 4), (7, 16, 9, 5), (1, 2)])
def test_running_statistics_move_by_their_share_towards_the_mean_and_the_unbiased_variance(
    version, dtype, kind, shape, monkeypatch
):
    monkeypatch.setattr(cpu, "_SERIAL", 100)  # several threads, of which one moves them
    rng, channels = np.random.default_rng(1), shape[1]
    x = (3 * rng.standard_normal(shape) + 1).astype(dtype)
    other = {"float32": "float64", "float64": "float32"}[dtype] if kind == "of another dtype" else dtype
    start = rng.standard_normal((2, channels)).astype(other)
    mean, var = (np.repeat(s, 2)[::2] if kind == "with gaps" else s.copy() for s in start)
    y, *_ = version.batch_norm(x, None, None, 1e-5, 1.0, (mean, var, 0.3))
    axes, count = (0, *range(2, x.ndim)), x.size // channels
    unbiased = x.astype("float64").var(axes) * count / max(count - 1, 1)
    np.testing.assert_allclose(mean, 0.7 * start[0] + 0.3 * x.mean(axes), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(var, 0.7 * start[1] + 0.3 * unbiased, rtol=1e-4, atol=1e-5)
    assert np.array_equal(y, version.batch_norm(x, None, None, 1e-5)[0])


@pytest.mark.parametrize("version", VERSIONS)
def test_given_statistics_stay_as_they_are_and_make_a_map_of_each_entry(version):
    rng = np.random.default_rng(2)
    x, g = rng.standard_normal((2, 3, 5, 4, 2)).astype(np.float32)
    w, mean, var = rng.standard_normal(5), rng.standard_normal(5), rng.uniform(0.5, 2, 5)
    w, *given = (a.astype(np.float32) for a in (w, mean, var))
    kept = [a.copy() for a in given]
    y, m, r = version.batch_norm(x, w, None, 0.1, 1.0, (*given, 0.5), False)
    scale = (w / np.sqrt(given[1] + 0.1)).reshape(5, 1, 1)
    np.testing.assert_allclose(y, (x - given[0].reshape(5, 1, 1)) * scale, rtol=1e-5, atol=1e-6)
    dx, dw, db = version.batch_norm_backward(g, x, w, m, r, own=False)
    np.testing.assert_allclose(dx, g * scale, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dw, (g * y).sum((0, 2, 3)) / w, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(db, g.sum((0, 2, 3)), rtol=1e-4, atol=1e-4)
    assert all(np.array_equal(a, b) for a, b in zip(given, kept))


@pytest.mark.parametrize("kernels", KERNELS)
@given(problem=problems(), data=st.data())
def test_layer_and_rms_norm_equal_their_definitions(kernels, problem, data):
    x, g, weight, bias, _ = problem
    n = data.draw(st.integers(1, x.ndim - 1))
    rows = x.ndim - 1 - n
    weight, bias = (p if p is None else p[(0,) * rows] for p in (weight, bias))
    expected = definition.layer_norm(x, n, weight, bias, 1e-3)
    agree(kernels.layer_norm(x, n, weight, bias, 1e-3), expected, x)
    args = (g, x, n, weight, *expected[1:])
    agree(kernels.layer_norm_backward(*args), definition.layer_norm_backward(*args), x)
    expected = definition.rms_norm(x, n, weight, 1e-3)
    agree(kernels.rms_norm(x, n, weight, 1e-3), expected, x)
    args = (g, x, n, weight, expected[1])
    agree(kernels.rms_norm_backward(*args), definition.rms_norm_backward(*args), x)


@pytest.mark.parametrize("shape", [(5, 8, 40, 40), (3, 24, 33, 31), (64, 3, 16, 16), (4000, 33)])
def test_many_pixels_on_every_thread(shape, monkeypatch):
    """Sizes at which the work is cut between threads and the float32 sums are flushed; the same bits each time."""
    monkeypatch.setattr(cpu, "_SERIAL", 1000)
    rng = np.random.default_rng(0)
    x, g = (fill(rng, shape, np.float32, "channels last") for _ in range(2))
    expected = definition.batch_norm(x, None, None, 1e-5)
    actual = cpu.batch_norm(x, None, None, 1e-5)
    agree(actual, expected, x)
    assert all(np.array_equal(a, b) for a, b in zip(actual, cpu.batch_norm(x, None, None, 1e-5), strict=True))
    args = (g, x, None, *expected[1:])
    agree(cpu.batch_norm_backward(*args), definition.batch_norm_backward(*args), x)
    expected = definition.group_norm(x, 1, None, None, 1e-5, True)
    agree(cpu.group_norm(x, 1, None, None, 1e-5, True), expected, x)
    args = (g, x, 1, None, None, *expected[1:], True)
    agree(cpu.group_norm_backward(*args), definition.group_norm_backward(*args), x)
    expected = definition.layer_norm(x, x.ndim - 1, None, None, 1e-5)
    args = (g, x, x.ndim - 1, None, *expected[1:])
    agree(cpu.layer_norm_backward(*args), definition.layer_norm_backward(*args), x)


# ---- the definitions are what the papers say


def standardised(block, eps):
    return (block - np.mean(block)) / np.sqrt(np.var(block) + eps)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 7, 16, 17, 21])
@pytest.mark.parametrize("size", [1, 5, 70, 300, 1025, 4099])
def test_a_row_among_others_is_what_it_is_alone(rows, size):
    """Bit by bit, whatever rows are gone through together; a row of NaN is one of them."""
    rng = np.random.default_rng(0)
    x, g = (rng.normal(size=(rows, size)).astype(np.float32) for _ in range(2))
    weight, bias = (rng.normal(size=size).astype(np.float32) for _ in range(2))
    x[rows // 2, 0] = np.nan

    def normalised(x, g):
        y, mean, rstd = cpu.layer_norm(x, 1, weight, bias, 1e-5)
        z, scale = cpu.rms_norm(x, 1, weight, 1e-5)
        dx, dz = cpu.layer_norm_backward(g, x, 1, weight, mean, rstd)[0], cpu.rms_norm_backward(g, x, 1, weight, scale)
        return y, mean, rstd, z, scale, dx, dz[0]

    alone = [normalised(x[i : i + 1], g[i : i + 1]) for i in range(rows)]
    for found, pieces in zip(normalised(x, g), zip(*alone)):
        np.testing.assert_array_equal(found, np.concatenate(pieces))


@given(problems())
def test_every_normalisation_standardises_its_own_block(problem):
    x, _, weight, bias, groups = problem
    x, eps = x.astype(np.float64), 0.03
    c = x.shape[1]
    w, b = first_channelwise(weight, x), first_channelwise(bias, x)
    per_channel = (c,) + (1,) * (x.ndim - 2)
    w_full, b_full = (d if p is None else p.reshape(per_channel) for p, d in ((w, 1.0), (b, 0.0)))

    by_channel = np.stack([standardised(x[:, i], eps) for i in range(c)], 1)
    np.testing.assert_allclose(definition.batch_norm(x, w, b, eps)[0], by_channel * w_full + b_full, atol=1e-12)

    by_group = np.stack(
        [np.concatenate([standardised(part, eps) for part in np.split(example, groups)]) for example in x]
    )
    z = by_group * w_full + b_full
    np.testing.assert_allclose(definition.group_norm(x, groups, w, b, eps)[0], z, atol=1e-12)
    activated = definition.group_norm(x, groups, w, b, eps, silu=True)[0]
    np.testing.assert_allclose(activated, z / (1 + np.exp(-z)), atol=1e-12)

    by_example = np.stack([standardised(example, eps) for example in x])
    w_full, b_full = 1.0 if weight is None else weight, 0.0 if bias is None else bias
    layer = definition.layer_norm(x, x.ndim - 1, weight, bias, eps)[0]
    np.testing.assert_allclose(layer, by_example * w_full + b_full, atol=1e-12)
    scaled = np.stack([example / np.sqrt(np.mean(example**2) + eps) for example in x])
    np.testing.assert_allclose(definition.rms_norm(x, x.ndim - 1, weight, eps)[0], scaled * w_full, atol=1e-12)


def slope(f, a, direction, h=1e-3):
    """df(a + t direction)/dt at 0 by the fourth-order central difference."""
    near, far = (f(a + k * h * direction) - f(a - k * h * direction) for k in (1, 2))
    return (8 * near - far) / (12 * h)


NORMS = {
    "batch": (
        lambda v, x, w, b: v.batch_norm(x, w, b, 0.1),
        lambda v, g, x, w, b, s: v.batch_norm_backward(g, x, w, *s),
        (6,),
    ),
    "group": (
        lambda v, x, w, b: v.group_norm(x, 3, w, b, 0.1),
        lambda v, g, x, w, b, s: v.group_norm_backward(g, x, 3, w, b, *s),
        (6,),
    ),
    "group, SiLU": (
        lambda v, x, w, b: v.group_norm(x, 3, w, b, 0.1, True),
        lambda v, g, x, w, b, s: v.group_norm_backward(g, x, 3, w, b, *s, True),
        (6,),
    ),
    "layer": (
        lambda v, x, w, b: v.layer_norm(x, 2, w, b, 0.1),
        lambda v, g, x, w, b, s: v.layer_norm_backward(g, x, 2, w, *s),
        (4, 5),
    ),
    "RMS": (
        lambda v, x, w, b: v.rms_norm(x, 2, w, 0.1),
        lambda v, g, x, w, b, s: v.rms_norm_backward(g, x, 2, w, *s),
        (4, 5),
    ),
}


@pytest.mark.parametrize("name", NORMS)
def test_gradients_are_the_slopes_of_the_forward(name):
    forward, backward, parameters = NORMS[name]
    rng = np.random.default_rng(1)
    x, g = rng.normal(1.5, 2, (2, 6, 4, 5)), rng.normal(size=(2, 6, 4, 5))
    w, b = rng.normal(size=parameters), rng.normal(size=parameters)
    statistics = forward(definition, x, w, b)[1:]
    gradients = backward(definition, g, x, w, b, statistics)
    for i, gradient in enumerate(gradients):
        arguments = [x, w, b]

        def along(value, i=i, arguments=arguments):
            return (g * forward(definition, *arguments[:i], value, *arguments[i + 1 :])[0]).sum()

        for _ in range(3):
            direction = rng.normal(size=arguments[i].shape)
            numeric = slope(along, arguments[i], direction)
            assert (gradient * direction).sum() == pytest.approx(numeric, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_input_gradient_is_orthogonal_to_one_and_to_the_normalised_input(version, dtype):
    rng = np.random.default_rng(2)
    x, g = (rng.normal(3, 2, (4, 6, 5, 7)).astype(dtype) for _ in range(2))
    w = rng.normal(size=6).astype(dtype)
    blocks = {}
    y, *s = version.batch_norm(x, None, None, 0.0)
    dx = version.batch_norm_backward(g, x, w, *s)[0]
    blocks["batch"] = [np.moveaxis(a, 1, 0).reshape(6, -1) for a in (dx, y)]
    y, *s = version.group_norm(x, 2, None, None, 0.0)
    dx = version.group_norm_backward(g, x, 2, w, None, *s)[0]
    blocks["group"] = [a.reshape(8, -1) for a in (dx, y)]
    y, *s = version.layer_norm(x, 2, None, None, 0.0)
    dx = version.layer_norm_backward(g, x, 2, None, *s)[0]
    blocks["layer"] = [a.reshape(24, -1) for a in (dx, y)]
    tolerance = 2000 * np.finfo(dtype).eps  # of sums of 100 to 200 terms of size 1
    for dx, x_hat in blocks.values():
        assert np.abs(dx.sum(1, dtype=np.float64)).max() < tolerance
        assert np.abs((dx.astype(np.float64) * x_hat).sum(1)).max() < tolerance
    y, r = version.rms_norm(x, 2, None, 0.0)
    dx, _ = version.rms_norm_backward(g, x, 2, None, r)
    assert np.abs((dx.astype(np.float64) * y).sum((2, 3))).max() < tolerance


# ---- eps


def eps_is_the_fourth_argument(normalise):
    """A constant input has no variance: what remains of rstd is eps^(-1/2); otherwise it adds to the variance."""
    x = np.random.default_rng(3).normal(0, 0.1, (8, 4, 6)).astype(np.float32)
    for eps in (1e-5, 1e-2):
        np.testing.assert_allclose(normalise(np.ones_like(x), eps)[2], eps**-0.5, rtol=1e-5)
        variance = x.astype(np.float64).var((0, 2))
        np.testing.assert_allclose(normalise(x, eps)[2], (variance + eps) ** -0.5, rtol=1e-5)


@pytest.mark.parametrize("version", VERSIONS)
def test_eps_adds_to_the_variance_under_the_root(version):
    eps_is_the_fourth_argument(lambda x, eps: version.batch_norm(x, None, None, eps))


def test_that_check_sees_eps_and_momentum_swapped_and_eps_outside_the_root():
    momentum = 0.1
    with pytest.raises(AssertionError):
        eps_is_the_fourth_argument(lambda x, eps: definition.batch_norm(x, None, None, momentum))

    def outside(x, eps):
        y, mean, rstd = definition.batch_norm(x, None, None, 0.0 if x.var() else 1e-30)
        return y, mean, 1 / (1 / rstd + eps)

    with pytest.raises(AssertionError):
        eps_is_the_fourth_argument(outside)


# ---- far from zero


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("shape", [(2, 16, 40, 40), (3, 6, 11, 13)])
def test_mean_ten_thousand_deviation_one_costs_nothing_forward(kernels, shape):
    """float32 against float64 on the same numbers: 4e-6 forward. Backward gets the mean rounded to float32, that
    is up to 5e-4 deviations off, and dx (of size 1) is held to that."""
    rng = np.random.default_rng(4)
    x = rng.normal(1e4, 1, shape).astype(np.float32)
    g = rng.normal(size=shape).astype(np.float32)
    exact_x, exact_g = x.astype(np.float64), g.astype(np.float64)
    forwards = {
        "batch": lambda v, x: v.batch_norm(x, None, None, 1e-5),
        "group": lambda v, x: v.group_norm(x, 2, None, None, 1e-5),
        "layer": lambda v, x: v.layer_norm(x, 3, None, None, 1e-5),
    }
    backwards = {
        "batch": lambda v, g, x, s: v.batch_norm_backward(g, x, None, *s),
        "group": lambda v, g, x, s: v.group_norm_backward(g, x, 2, None, None, *s),
        "layer": lambda v, g, x, s: v.layer_norm_backward(g, x, 3, None, *s),
    }
    for name, forward in forwards.items():
        y, *s = forward(kernels, x)
        exact, *exact_s = forward(definition, exact_x)
        assert np.abs(y - exact).max() < 4e-6, name
        np.testing.assert_allclose(s[1], exact_s[1], rtol=1e-6)
        dx = backwards[name](kernels, g, x, s)[0]
        assert np.abs(dx - backwards[name](definition, exact_g, exact_x, exact_s)[0]).max() < 1e-3, name


def test_the_mean_of_squares_less_the_square_of_the_mean_would_not_do():
    x = np.random.default_rng(4).normal(1e4, 1, 4096).astype(np.float32)
    naive = (x * x).mean() - x.mean() ** 2
    assert abs(naive - x.astype(np.float64).var()) > 0.5


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("channels", [1, 3, 16, 64])
def test_an_outlier_in_the_first_pixel_spoils_no_variance(kernels, channels):
    """The shift is taken from the first pixels: it may be far from the mean only as far as the deviation allows."""
    x = np.random.default_rng(5).normal(size=(2, channels, 64, 64)).astype(np.float32)
    x[:, :, 0, 0] = 1e4
    rstd = kernels.group_norm(x, channels, None, None, 1e-5)[2]
    np.testing.assert_allclose(rstd, definition.group_norm(x, channels, None, None, 1e-5)[2], rtol=1e-5)


# ---- edges


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_spoils_its_own_block_and_no_other(version, bad):
    x = np.random.default_rng(6).normal(size=(3, 20, 4, 4)).astype(np.float32)
    x[1, 7, 2, 3] = bad
    y = version.group_norm(x, 4, None, None, 1e-5)[0]
    spoiled = np.zeros(x.shape, bool)
    spoiled[1, 5:10] = True
    assert np.array_equal(np.isnan(y), spoiled)
    spoiled[:] = False
    spoiled[:, 7] = True
    assert np.array_equal(np.isnan(version.batch_norm(x, None, None, 1e-5)[0]), spoiled)
    spoiled[:] = False
    spoiled[1, 7] = True
    assert np.array_equal(np.isnan(version.layer_norm(x, 2, None, None, 1e-5)[0]), spoiled)
    assert np.isnan(version.rms_norm(x, 2, None, 1e-5)[0][1, 7, 2, 3])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_block_of_one_element_becomes_the_bias_and_passes_no_gradient(version):
    x = np.arange(10, dtype=np.float32).reshape(2, 5)
    bias = np.linspace(-1, 1, 5, dtype=np.float32)
    y, *s = version.group_norm(x, 5, None, bias, 1e-5)
    assert np.array_equal(y, np.broadcast_to(bias, (2, 5)))
    dx, _, dbias = version.group_norm_backward(np.ones_like(x), x, 5, None, bias, *s)
    assert not dx.any()
    assert np.array_equal(dbias, np.full(5, 2))
    y, *s = version.layer_norm(x[:, :1], 1, None, None, 1e-5)
    assert not y.any()
    assert not version.layer_norm_backward(np.ones_like(y), x[:, :1], 1, None, *s)[0].any()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_empty_batch_is_empty_and_its_parameters_get_zero(version):
    x = np.zeros((0, 6, 3, 3), np.float32)
    y, mean, rstd = version.group_norm(x, 3, None, None, 1e-5)
    assert (y.shape, mean.shape, rstd.shape) == (x.shape, (0, 3), (0, 3))
    dx, dweight, dbias = version.group_norm_backward(x, x, 3, None, None, mean, rstd)
    assert dx.shape == x.shape
    assert not dweight.any()
    assert not dbias.any()
    y, mean, rstd = version.batch_norm(x, None, None, 1e-5)
    assert y.shape == x.shape
    assert np.isnan(mean).all()
    assert version.layer_norm(x, 1, None, None, 1e-5)[1].shape == (0, 6, 3)
    assert version.rms_norm(x, 3, None, 1e-5)[1].shape == (0,)


@pytest.mark.parametrize("version", VERSIONS)
def test_shapes_that_do_not_fit_are_named(version):
    x = np.zeros((2, 6, 3), np.float32)
    with pytest.raises(ValueError, match="6 channels cannot be divided into 4 equal groups"):
        version.group_norm(x, 4, None, None, 1e-5)
    with pytest.raises(ValueError, match=r"must have shape \(6,\).*found \(5,\)"):
        version.batch_norm(x, np.ones(5, np.float32), None, 1e-5)
    with pytest.raises(ValueError, match=r"at least the dimensions \(N, C\), found shape \(2,\)"):
        version.batch_norm(x[:, 0, 0], None, None, 1e-5)
    with pytest.raises(ValueError, match=r"shape \(6, 3\), found \(3,\)"):
        version.layer_norm(x, 2, np.ones(3, np.float32), None, 1e-5)
    with pytest.raises(ValueError, match=r"with a negative_slope y must be given, of the shape of x \(2, 6, 3\)"):
        version.batch_norm_backward(x, x, None, np.zeros(6), np.ones(6), None, 0.2)
    with pytest.raises(ValueError, match=r"cannot normalise the last 4 dimensions of shape \(2, 6, 3\)"):
        version.rms_norm(x, 4, None, 1e-5)
    with pytest.raises(ValueError, match=r"g must have the shape of x \(2, 6, 3\), found \(2, 6\)"):
        version.layer_norm_backward(x[:, :, 0], x, 1, None, np.zeros((2, 6)), np.zeros((2, 6)))


def test_parameter_gradients_of_a_hundred_thousand_terms_lose_no_digits():
    """0.1 added up one by one in float32 is off by 1e-3 after so many terms."""
    g = np.full((100_000, 64), 0.1, np.float32)
    x = np.random.default_rng(7).normal(size=g.shape).astype(np.float32)
    _, *s = cpu.batch_norm(x, None, None, 1e-5)
    np.testing.assert_allclose(cpu.batch_norm_backward(g, x, None, *s)[2], 1e4, rtol=1e-5)
    _, *s = cpu.layer_norm(x, 1, None, None, 1e-5)
    np.testing.assert_allclose(cpu.layer_norm_backward(g, x, 1, None, *s)[2], 1e4, rtol=1e-5)

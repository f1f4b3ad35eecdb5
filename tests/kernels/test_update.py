"""Adam, AdamW and the moving average: versions agree, PyTorch's formulas, closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator import version as simulated

from tinygen.kernels.cpu import update as cpu
from tinygen.kernels.definitions import update as definition

KERNELS = pytest.mark.parametrize("kernels", [pytest.param(cpu, id="cpu"), simulated("update")])
VERSIONS = pytest.mark.parametrize(
    "version", [pytest.param(definition, id="definition"), pytest.param(cpu, id="cpu"), simulated("update")]
)
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
OPTIONS = {
    "lr": 0.01,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "weight_decay": 0.0,
    "decoupled": False,
}


def laid_out(rng, shape, layout, dtype):
    """Normal numbers: contiguous, with the second axis last in memory, or with gaps."""
    if layout == "channels last" and len(shape) > 2:
        return np.moveaxis(rng.standard_normal((shape[0], *shape[2:], shape[1])).astype(dtype), -1, 1)
    if layout == "gaps" and shape:
        return rng.standard_normal((*shape[:-1], 2 * shape[-1])).astype(dtype)[..., ::2]
    return rng.standard_normal(shape).astype(dtype)


def close(ours, theirs, dtype):
    return np.abs(ours - theirs).max(initial=0) <= 4 * np.finfo(dtype).eps * (1 + np.abs(theirs).max(initial=0))


@KERNELS
@given(
    shape=st.sampled_from([(), (1,), (7,), (140_001,), (5, 3), (4, 6, 5, 5), (0, 3)]),
    layouts=st.lists(st.sampled_from(["contiguous", "channels last", "gaps"]), min_size=4, max_size=4),
    dtype=st.sampled_from(["float32", "float64"]),
    weight_decay=st.sampled_from([0.0, 0.1]),
    decoupled=st.booleans(),
    step=st.sampled_from([1, 2, 1000]),
    seed=st.integers(0, 99),
)
def test_adam_is_the_definition(kernels, shape, layouts, dtype, weight_decay, decoupled, step, seed):
    rng = np.random.default_rng(seed)
    p, g, m, v = (laid_out(rng, shape, layout, dtype) for layout in layouts)
    np.square(v, out=v)
    options = {**OPTIONS, "weight_decay": weight_decay, "decoupled": decoupled, "step": step, "eps": 1e-3}
    expected = [x.copy() for x in (p, g, m, v)]
    definition.adam_update(*expected, **options)
    given_gradient = g.copy()
    kernels.adam_update(p, g, m, v, **options)
    assert (g == given_gradient).all()
    assert all(close(ours, theirs, dtype) for ours, theirs in zip((p, m, v), (expected[0], *expected[2:])))


def test_parameters_together_are_each_one_alone(monkeypatch):
    """Bit by bit, on one thread and on several; one with gaps among them."""
    shapes, layouts = [(3, 5), (), (40_001,), (4, 6, 5, 5), (2, 7), (1000,)], ["contiguous", "channels last", "gaps"]
    options = {**OPTIONS, "weight_decay": 0.1, "step": 3}

    def drawn():
        rng = np.random.default_rng(0)
        found = [[laid_out(rng, s, layouts[i % 3], "float32") for _ in range(4)] for i, s in enumerate(shapes)]
        for *_, v in found:
            np.square(v, out=v)
        return found

    alone, together, threaded = drawn(), drawn(), drawn()
    for arrays in alone:
        cpu.adam_update(*arrays, **options)
    cpu.adam_update_all(*zip(*together), lambda: options)
    monkeypatch.setattr(cpu, "SERIAL", 1)
    cpu.adam_update_all(*zip(*threaded), lambda: options)
    for several in (together, threaded):
        assert all(np.array_equal(a, b) for ours, theirs in zip(several, alone) for a, b in zip(ours, theirs))


@KERNELS
@given(
    shape=st.sampled_from([(), (7,), (140_001,), (4, 6, 5, 5), (0, 3)]),
    layouts=st.lists(st.sampled_from(["contiguous", "channels last", "gaps"]), min_size=2, max_size=2),
    dtype=st.sampled_from(["float32", "float64"]),
    decay=st.sampled_from([0.0, 0.5, 0.9999, 1.0]),
    seed=st.integers(0, 99),
)
def test_ema_is_the_definition(kernels, shape, layouts, dtype, decay, seed):
    rng = np.random.default_rng(seed)
    average, new = (laid_out(rng, shape, layout, dtype) for layout in layouts)
    expected = average.copy()
    definition.ema_update(expected, new, decay)
    kernels.ema_update(average, new, decay)
    assert close(average, expected, dtype)


@VERSIONS
@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("weight_decay", [0.0, 0.03])
def test_adam_is_pytorch_s_loop(version, decoupled, weight_decay):
    """Fifty steps against the loop in torch.optim's documentation, one number at a time."""
    rng = np.random.default_rng(0)
    gradients = rng.standard_normal((50, 6))
    options = {**OPTIONS, "weight_decay": weight_decay, "decoupled": decoupled}
    p = rng.standard_normal(6)
    expected = []
    for theta, column in zip(p, gradients.T):
        m = v = 0.0
        for t, g in enumerate(column, 1):
            if decoupled:
                theta -= options["lr"] * weight_decay * theta
            else:
                g += weight_decay * theta
            m = 0.9 * m + (1 - 0.9) * g
            v = 0.999 * v + (1 - 0.999) * g**2
            m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
            theta -= options["lr"] * m_hat / (math.sqrt(v_hat) + options["eps"])
        expected.append(theta)
    moments = np.zeros((2, 6))
    for t, g in enumerate(gradients, 1):
        version.adam_update(p, g, *moments, step=t, **options)
    assert np.abs(p - expected).max() < 1e-14


@VERSIONS
@DTYPES
def test_adam_s_first_step_is_the_sign_of_the_gradient(version, dtype):
    """-lr g / (|g| + eps) whatever the betas: CHECKS 41."""
    g = np.array([3.0, -1e-3, 1e4, -2.0, 0.0], dtype)
    p, m, v = np.zeros(5, dtype), np.zeros(5, dtype), np.zeros(5, dtype)
    version.adam_update(p, g, m, v, **{**OPTIONS, "eps": 1e-12}, step=1)
    assert np.abs(p + 0.01 * np.sign(g)).max() < 1e-2 * 4 * np.finfo(dtype).eps + 1e-11


@VERSIONS
def test_decoupled_decay_shrinks_whatever_the_gradient(version):
    """With no gradient AdamW multiplies by 1 - lr wd each step; Adam's penalty is normalised to a step of lr."""
    p, zero = np.full(3, 2.0), np.zeros(3)
    m, v = np.zeros(3), np.zeros(3)
    for t in range(1, 11):
        version.adam_update(p, zero, m, v, **{**OPTIONS, "weight_decay": 0.5, "decoupled": True}, step=t)
    assert np.abs(p - 2 * (1 - 0.01 * 0.5) ** 10).max() < 1e-14
    p = np.full(3, 2.0)
    version.adam_update(p, zero, np.zeros(3), np.zeros(3), **{**OPTIONS, "weight_decay": 0.5}, step=1)
    assert np.abs(p - (2 - 0.01)).max() < 1e-9


@VERSIONS
@pytest.mark.parametrize("decay", [0.0, 0.3, 0.99])
def test_average_of_a_constant_is_geometric(version, decay):
    """After n steps towards w: w + d^n (w0 - w), CHECKS 40."""
    rng = np.random.default_rng(1)
    start, w = rng.standard_normal((2, 100))
    average = start.copy()
    for _ in range(40):
        version.ema_update(average, w, decay)
    assert np.abs(average - (w + decay**40 * (start - w))).max() < 1e-14


@VERSIONS
@DTYPES
def test_average_that_has_arrived_stays(version, dtype):
    w = np.random.default_rng(2).standard_normal(1000).astype(dtype)
    average = w.copy()
    version.ema_update(average, w, 0.999)
    assert (average == w).all()


@VERSIONS
def test_nan_in_one_gradient_spoils_one_parameter(version):
    p, m, v = np.zeros(40, np.float32), np.zeros(40, np.float32), np.zeros(40, np.float32)
    g = np.ones(40, np.float32)
    g[7] = np.nan
    version.adam_update(p, g, m, v, **OPTIONS, step=1)
    for x in (p, m, v):
        assert np.isnan(x).nonzero()[0].tolist() == [7]


@VERSIONS
def test_misfits_are_told(version):
    a, b = np.zeros(3), np.zeros(4)
    with pytest.raises(ValueError, match=r"one shape.*\(4,\)"):
        version.adam_update(a, b, a, a, **OPTIONS, step=1)
    with pytest.raises(ValueError, match="from 1, not 0"):
        version.adam_update(a, a, a, a, **OPTIONS, step=0)
    with pytest.raises(ValueError, match=r"one shape.*\(4,\)"):
        version.ema_update(a, b, 0.9)


@VERSIONS
def test_a_step_is_taken_unless_a_number_it_depends_on_is_not_finite(version):
    """The count of steps is asked for all the same: whoever counts takes that step back."""
    start = [np.ones((3, 5), np.float32), np.full((2,), 2.0, np.float32)]
    asked = []

    def settings():
        asked.append(1)
        return {**OPTIONS, "step": len(asked)}

    for when, moves in ((None, True), ([1.0, -1e300], True), ([1.0, np.nan], False), ([-np.inf], False)):
        params, gradients, firsts, seconds = ([a.copy() for a in start] for _ in range(4))
        when = None if when is None else np.array(when)
        gradients = [3 * g for g in gradients]
        version.adam_update_all(params, gradients, firsts, seconds, settings, when)
        averages = [a.copy() for a in start]
        version.ema_update_all(averages, [2 * a for a in start], 0.5, when)
        for arrays in (params, firsts, seconds, averages):
            assert all((a != b).all() == moves and (a == b).all() != moves for a, b in zip(arrays, start))
    assert len(asked) == 4


@VERSIONS
def test_several_dtypes_in_one_launch_are_an_error(version):
    """They would be read as the first one's."""
    lists = [[np.ones(5, dtype) for dtype in ("f4", "f8")] for _ in range(4)]
    with pytest.raises(TypeError, match="of one dtype are updated together, not float32 and float64"):
        version.adam_update_all(*lists, lambda: {**OPTIONS, "step": 3})
    with pytest.raises(TypeError, match="of one dtype are updated together, not float32 and float64"):
        version.ema_update_all(*lists[:2], 0.9)


@VERSIONS
def test_an_average_without_decay_is_a_copy(version):
    values = [np.float32([1e30, -0.0, 1e-40]), np.float32([np.inf])]
    averages = [np.float32([1.0, 3.0, 1e30]), np.float32([-5.0])]
    version.ema_update_all(averages, values, 0.0)
    assert [a.tobytes() for a in averages] == [v.tobytes() for v in values]

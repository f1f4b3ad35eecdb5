"""Optimisers against their closed forms (Adam's first step: tinygen.checks.engine); groups, states, bad options."""

import copy

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn, optim
from tinygen.autodiff.backward import MutationError
from tinygen.training.tree import join, split

RNG = np.random.default_rng(0)


def parameter(*shape):
    return nn.Parameter(RNG.normal(size=shape))


def with_gradient(p, g):
    p.grad = tg.tensor(np.asarray(g, dtype=p.dtype))
    return p


ALL = [
    lambda ps: optim.SGD(ps, lr=0.1),
    lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    lambda ps: optim.Adam(ps, lr=0.1, weight_decay=0.1),
    lambda ps: optim.AdamW(ps, lr=0.1),
    lambda ps: optim.RMSprop(ps, lr=0.1, momentum=0.9, centered=True),
]


def test_adam_does_not_see_the_gradients_scale():
    ends = []
    for scale in (1.0, 1e6):
        p = nn.Parameter(np.ones(5))
        opt = optim.Adam([p], lr=0.1, eps=0.0)
        for g in np.random.default_rng(3).normal(size=(7, 5)):
            with_gradient(p, scale * g)
            opt.step()
        ends.append(p.detach().numpy().copy())
    np.testing.assert_allclose(*ends, rtol=1e-9)


def test_decoupled_decay_shrinks_the_weight_and_leaves_the_gradient_alone():
    """AdamW with no gradient is p (1 - lr weight_decay)^n; Adam's coupled decay enters as a gradient, so its sign."""
    decoupled, coupled = (with_gradient(nn.Parameter(np.array([2.0, -3.0])), np.zeros(2)) for _ in range(2))
    first, second = optim.AdamW([decoupled], 0.1, weight_decay=0.5), optim.Adam([coupled], 0.1, weight_decay=0.5)
    first.step(), second.step()
    np.testing.assert_allclose(decoupled.detach(), [2.0 * 0.95, -3.0 * 0.95])
    np.testing.assert_allclose(coupled.detach(), [1.9, -2.9], rtol=1e-6)


def test_gradient_descent_on_a_quadratic_contracts_by_one_minus_lr_times_curvature():
    curvature = np.array([1.0, 4.0])
    p = nn.Parameter(np.ones(2))
    opt = optim.SGD([p], lr=0.2)
    for _ in range(6):
        opt.zero_grad()
        (0.5 * tg.tensor(curvature) * p * p).sum().backward()
        opt.step()
    np.testing.assert_allclose(p.detach(), (1 - 0.2 * curvature) ** 6)


def test_momentum_under_a_constant_gradient_reaches_the_speed_lr_over_one_minus_momentum():
    p = nn.Parameter(np.zeros(1))
    opt = optim.SGD([p], lr=0.1, momentum=0.5)
    n = 12
    for _ in range(n):
        with_gradient(p, [1.0])
        opt.step()
    speeds = (1 - 0.5 ** np.arange(1, n + 1)) / 0.5
    np.testing.assert_allclose(p.detach(), -0.1 * speeds.sum())


def test_rmsprop_under_a_constant_gradient():
    p = nn.Parameter(np.zeros(1))
    opt = optim.RMSprop([p], lr=0.1, alpha=0.9, eps=0.0)
    for _ in range(5):
        with_gradient(p, [-7.0])
        opt.step()
    np.testing.assert_allclose(p.detach(), 0.1 * (1 / np.sqrt(1 - 0.9 ** np.arange(1, 6))).sum())


@pytest.mark.parametrize("keep", [lambda state: state, lambda state: copy.deepcopy(join(*split(state)))])
@pytest.mark.parametrize("make", ALL)
def test_a_state_resumes_to_the_same_bits(make, keep):
    """Directly, or through the arrays and JSON of a checkpoint: ten steps are five, loaded elsewhere, and five more."""
    start, gradients = RNG.normal(size=(4, 3)).astype(np.float32), RNG.normal(size=(10, 4, 3)).astype(np.float32)

    def run(p, opt, steps):
        for g in steps:
            with_gradient(p, g)
            opt.step()

    whole = nn.Parameter(start.copy())
    run(whole, make([whole]), gradients)
    first = nn.Parameter(start.copy())
    opt = make([first])
    run(first, opt, gradients[:5])
    saved = keep(opt.state_dict())
    second = nn.Parameter(np.array(first))
    resumed = make([second])
    resumed.load_state_dict(saved)
    run(first, opt, gradients[5:])  # the one that went on does not disturb the state that was taken over
    run(second, resumed, gradients[5:])
    np.testing.assert_array_equal(second.detach(), whole.detach())


@pytest.mark.parametrize("make", ALL)
def test_a_step_makes_graphs_recorded_before_stale(make):
    p = parameter(3)
    y = (p * p).sum()
    with_gradient(p, np.ones(3))
    make([p]).step()
    with pytest.raises(MutationError, match="multiply"):
        y.backward()


@pytest.mark.parametrize("make", ALL)
def test_a_parameter_without_gradient_stays_and_the_memory_is_its_own(make):
    p, q = parameter(3), parameter(2)
    memory, before = p._data, np.array(q)
    opt = make([p, q])
    with_gradient(p, np.ones(3))
    opt.step()
    assert p._data is memory
    np.testing.assert_array_equal(q.detach(), before)
    opt.zero_grad()
    assert p.grad is None


def test_channels_last_parameters_and_gradients_of_another_layout():
    value, g = RNG.normal(size=(4, 3, 2, 2)), RNG.normal(size=(4, 3, 2, 2))
    ends = []
    for last in (False, True):
        lay = (lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)) if last else np.copy
        p = nn.Parameter(lay(value))
        p.grad = tg.Tensor(g.copy())
        opt = optim.Adam([p], lr=0.1)
        opt.step()
        opt.step()
        ends.append(np.array(p))
    np.testing.assert_allclose(*ends, rtol=1e-12)


def test_groups_have_options_of_their_own():
    slow, fast = nn.Parameter(np.zeros(1)), nn.Parameter(np.zeros(1))
    opt = optim.SGD([{"params": slow, "lr": 0.01}, {"params": [fast]}], lr=1.0)
    with_gradient(slow, [1.0]), with_gradient(fast, [1.0])
    opt.step()
    assert (float(slow), float(fast)) == (-0.01, -1.0)
    opt.param_groups[0]["lr"] = 0.5
    opt.step()
    assert float(slow) == -0.51


def test_bad_arguments_are_refused():
    p = parameter(2)
    with pytest.raises(ValueError, match="SGD got no parameters"):
        optim.SGD([])
    with pytest.raises(ValueError, match=r"shape \(2,\) is given twice"):
        optim.SGD([p, p])
    with pytest.raises(ValueError, match="that no operation made"):
        optim.SGD([p * 2])
    with pytest.raises(TypeError, match="moves tensors, not str"):
        optim.SGD(["weight"])
    with pytest.raises(TypeError, match="SGD has no option 'momentun'"):
        optim.SGD([{"params": [p], "momentun": 0.9}])
    with pytest.raises(ValueError, match="lr must be at least 0"):
        optim.Adam([p], lr=-1.0)
    with pytest.raises(ValueError, match=r"betas\[1\] must be at least 0.0 and below 1.0, not 1.0"):
        optim.Adam([p], betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="nesterov needs a momentum"):
        optim.SGD([p], nesterov=True)
    with pytest.raises(ValueError, match=r"groups of \[1\] parameters, this one has \[2\]"):
        optim.SGD([p, parameter(2)]).load_state_dict(optim.SGD([p]).state_dict())
    other = optim.Adam([with_gradient(parameter(3), np.ones(3))])
    other.step()
    with pytest.raises(ValueError, match=r"exp_avg in the state has shape \(3,\), its parameter has \(2,\)"):
        optim.Adam([p]).load_state_dict(other.state_dict())


# -- clipping and schedules ----------------------------------------------------------------------------------


def test_clipping_scales_all_gradients_to_the_norm_and_tells_what_it_was():
    ps = [with_gradient(parameter(3), [3.0, 0.0, 0.0]), with_gradient(parameter(1), [4.0]), parameter(2)]
    assert optim.clip_grad_norm_(ps, 1.0) == pytest.approx(5.0)
    np.testing.assert_allclose(ps[0].grad, [0.6, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(ps[1].grad, [0.8], rtol=1e-6)
    assert optim.clip_grad_norm_(ps, 2.0) == pytest.approx(1.0, rel=1e-6)
    np.testing.assert_allclose(ps[1].grad, [0.8], rtol=1e-6)
    with pytest.raises(ValueError, match="max_norm must be above 0"):
        optim.clip_grad_norm_(ps, 0.0)


def test_schedules_multiply_each_groups_first_rate():
    p, q = parameter(1), parameter(1)
    opt = optim.SGD([{"params": [p], "lr": 2.0}, {"params": [q]}], lr=1.0)
    schedule = optim.LambdaLR(opt, optim.linear_warmup(4, optim.cosine(10, 0.2)))
    rates = []
    for _ in range(16):
        rates.append([g["lr"] for g in opt.param_groups])
        schedule.step()
    rates = np.array(rates)
    np.testing.assert_allclose(rates[:, 0], 2 * rates[:, 1])
    np.testing.assert_allclose(rates[:4, 1], [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(rates[4, 1], 1.0)
    np.testing.assert_allclose(rates[9, 1], 0.6)
    np.testing.assert_allclose(rates[14:, 1], 0.2)


def test_a_schedule_resumes():
    def made():
        opt = optim.SGD([parameter(1)], lr=1.0)
        return opt, optim.LambdaLR(opt, optim.step_decay(2, 0.5))

    opt, schedule = made()
    for _ in range(5):
        schedule.step()
    other, resumed = made()
    resumed.load_state_dict(schedule.state_dict())
    assert other.param_groups[0]["lr"] == opt.param_groups[0]["lr"] == 0.25
    with pytest.raises(ValueError, match="every must be at least 1"):
        optim.step_decay(0)

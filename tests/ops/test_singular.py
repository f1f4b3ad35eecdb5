"""The documented conventions where derivatives do not exist or formulas break down, one test each."""

import math

import numpy as np
import pytest

import tinygen as tg

inf = math.inf


def leaf(*values, dtype=np.float64):
    return tg.tensor(np.array(values, dtype=dtype), requires_grad=True)


def gradient(fn, *xs):
    """First gradients of sum(fn(xs)), as lists."""
    return [None if g is None else g.tolist() for g in tg.grad(fn(*xs).sum(), xs, allow_unused=True)]


def second(fn, x):
    """The gradient of the sum of the first gradient."""
    (g,) = tg.grad(fn(x).sum(), x, create_graph=True)
    return tg.grad(g.sum(), x, allow_unused=True)[0].tolist() if g.requires_grad else [0.0] * x.size


# -- steps and kinks -----------------------------------------------------------------------------------------


def test_abs_has_gradient_0_at_0():
    assert gradient(tg.abs, leaf(-1, 0, 2)) == [[-1, 0, 1]]


def test_relu_has_gradient_0_at_0():
    assert gradient(tg.relu, leaf(-1, 0, 2)) == [[0, 0, 1]]


def test_leaky_relu_has_the_negative_slope_at_0():
    assert gradient(lambda x: tg.leaky_relu(x, 0.25), leaf(-1, 0, 2)) == [[0.25, 0.25, 1]]


def test_elu_has_gradient_alpha_at_0():
    assert gradient(lambda x: tg.elu(x, 0.5), leaf(0, 2)) == [[0.5, 1]]


@pytest.mark.parametrize("fn", [tg.maximum, tg.minimum])
def test_a_tie_of_two_is_shared_in_halves(fn):
    assert gradient(fn, leaf(1, 3), leaf(1, 3)) == [[0.5, 0.5], [0.5, 0.5]]
    assert gradient(lambda a: fn(a, 3.0), leaf(3)) == [[0.5]]


@pytest.mark.parametrize("fn", [tg.max, tg.min])
def test_ties_of_a_reduction_are_shared_evenly(fn):
    assert gradient(fn, leaf(2, 2, 2, 2)) == [[0.25] * 4]
    x = tg.tensor(np.array([[1.0, 1, 1], [0, 0, 0.0]]), requires_grad=True)
    rows = gradient(lambda x: fn(x, axis=1), x)[0]
    np.testing.assert_allclose(rows, np.full((2, 3), 1 / 3))


@pytest.mark.parametrize("fn", [tg.floor, tg.ceil, tg.round, tg.trunc, tg.sign])
def test_steps_have_gradient_0_everywhere(fn):
    assert gradient(fn, leaf(-1, 0, 0.5, 2)) == [[0, 0, 0, 0]]


# -- clip ----------------------------------------------------------------------------------------------------


def test_clip_passes_the_gradient_on_its_edges():
    assert gradient(lambda x: tg.clip(x, -1, 1), leaf(-2, -1, 0, 1, 2)) == [[0, 1, 1, 1, 0]]


def test_clip_by_tensors_gives_the_bound_what_it_clipped():
    x, low, high = leaf(-2, -1, 0, 1, 2), leaf(-1), leaf(1)
    assert gradient(tg.clip, x, low, high) == [[0, 1, 1, 1, 0], [1], [1]]


def test_clip_by_one_bound():
    assert gradient(lambda x: tg.clip(x, min=0.0), leaf(-1, 0, 1)) == [[0, 1, 1]]
    assert gradient(lambda x: tg.clip(x, max=0.0), leaf(-1, 0, 1)) == [[1, 1, 0]]


def test_where_the_bounds_of_clip_cross_the_upper_one_wins_and_takes_the_gradient():
    x, low, high = leaf(0, 2, 4), leaf(3), leaf(1)
    assert tg.clip(x, low, high).tolist() == [1, 1, 1]
    assert gradient(tg.clip, x, low, high) == [[0, 0, 0], [0], [3]]


# -- powers --------------------------------------------------------------------------------------------------


def test_power_0_has_gradient_0_in_the_base():
    assert gradient(lambda a: a**0, leaf(0, 2)) == [[0, 0]]
    assert gradient(lambda a: a ** tg.tensor(np.zeros(2)), leaf(0, 2)) == [[0, 0]]


def test_power_of_base_0_has_gradient_0_in_the_exponent():
    zero = tg.tensor(np.zeros(3))
    assert gradient(lambda b: tg.power(zero, b), leaf(0, 1, 2.5)) == [[0, 0, 0]]


@pytest.mark.parametrize(("exponent", "first", "then"), [(1, 1, 0), (2, 0, 2), (3, 0, 0), (1.5, 0, inf)])
def test_powers_at_0(exponent, first, then):
    power = lambda x: x**exponent
    assert gradient(power, leaf(0)) == [[first]]
    assert second(power, leaf(0)) == [then]


def test_mixed_derivative_of_a_power_at_exponent_0():
    """d2(a^b) / da db = a^(b-1) (1 + b log a), which is 1/a at b = 0."""
    a, b = leaf(2.0), leaf(0.0)
    (da,) = tg.grad(tg.power(a, b).sum(), a, create_graph=True)
    assert tg.grad(da.sum(), b)[0].tolist() == pytest.approx([0.5])


def test_sqrt_has_an_infinite_gradient_at_0():
    assert gradient(tg.sqrt, leaf(0, 4)) == [[inf, 0.25]]


# -- norms and spreads ---------------------------------------------------------------------------------------


def test_hypot_at_the_origin_has_gradient_0_and_finite_second_gradient():
    a, b = leaf(0, 3), leaf(0, 4)
    assert gradient(tg.hypot, a, b) == [[0, 0.6], [0, 0.8]]
    assert np.isfinite(second(lambda x: tg.hypot(x, b), leaf(0, 3))).all()


@pytest.mark.parametrize("order", [2, 1, np.inf, 3, 1.5])
def test_norm_at_0_has_gradient_0_and_finite_second_gradient(order):
    norm = lambda x: tg.linalg.norm(x, order)
    assert gradient(norm, leaf(0, 0, 0)) == [[0, 0, 0]]
    assert np.isfinite(second(norm, leaf(0, 0, 0))).all()


def test_a_zero_row_beside_others_leaves_their_norms_gradients_alone():
    x = tg.tensor(np.array([[0.0, 0], [3, 4]]), requires_grad=True)
    np.testing.assert_allclose(gradient(lambda x: tg.linalg.norm(x, axis=1), x)[0], [[0, 0], [0.6, 0.8]])


def test_norm_neither_overflows_nor_underflows():
    assert tg.linalg.norm(tg.tensor(np.array([3e200, 4e200]))).item() == pytest.approx(5e200)
    assert tg.linalg.norm(tg.tensor(np.array([3e-200, 4e-200]))).item() == pytest.approx(5e-200)


def test_few_equal_values_have_a_variance_of_exactly_0():
    rng = np.random.default_rng(0)
    for n in range(1, 65):
        for scale in (1e-40, 1.0, 3e38):
            equal = np.full((3, n), rng.uniform(0.1, 1) * scale, np.float32)
            for axis, x in ((1, equal), (0, equal.T)):
                assert not tg.var(x, axis).numpy().any()


@pytest.mark.parametrize("numbers", [[np.inf], [-np.inf, 2], [1, 2, np.inf], [np.inf, 1, np.inf], [1, np.nan, 2]])
def test_what_is_infinite_has_no_variance(numbers):
    x = np.array([numbers, [1] * len(numbers)], np.float32)
    for axis, rows in ((1, x), (0, x.T), (2, x[None])):
        np.testing.assert_array_equal(tg.var(rows, axis).numpy().reshape(2), [np.nan, 0])
    assert np.isnan(tg.var(x[0], 0).item())


def test_std_of_equal_values_has_gradient_0():
    assert tg.std(leaf(3, 3, 3)).item() == 0
    assert gradient(tg.std, leaf(3, 3, 3)) == [[0, 0, 0]]
    assert np.isfinite(second(tg.std, leaf(3, 3, 3))).all()


# -- products with zeros -------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [(0,), (0, 2), (0, 1, 2)])
def test_gradient_of_a_product_with_zeros_is_the_product_of_the_others(zeros):
    x = np.array([2.0, 3.0, 5.0, 7.0])
    x[list(zeros)] = 0
    expected = [np.prod(np.delete(x, i)) for i in range(4)]
    assert gradient(tg.prod, leaf(*x)) == [expected]


def test_second_gradient_of_a_product_with_zeros():
    hessian = tg.hessian(tg.prod, np.array([0.0, 0.0, 5.0])).tolist()
    assert hessian == [[0, 5, 0], [5, 0, 0], [0, 0, 0]]


def test_running_product_through_a_zero():
    x = leaf(2, 0, 3)
    assert tg.cumulative_prod(x).tolist() == [2, 0, 0]
    assert gradient(tg.cumulative_prod, x) == [[1, 2 + 6, 0]]


# -- logarithms of sums --------------------------------------------------------------------------------------


def test_logaddexp_of_minus_infinity():
    a, b = leaf(-inf, -inf, 0), leaf(0, -inf, -inf)
    assert tg.logaddexp(a, b).tolist() == [0, -inf, 0]
    assert gradient(tg.logaddexp, a, b) == [[0, 0, 1], [1, 0, 0]]


def test_logsumexp_of_minus_infinity():
    x = tg.tensor(np.array([[-inf, -inf], [-inf, 1.0]]), requires_grad=True)
    assert tg.logsumexp(x, axis=1).tolist() == [-inf, 1]
    assert gradient(lambda x: tg.logsumexp(x, axis=1), x) == [[[0, 0], [0, 1]]]


def test_logsumexp_does_not_overflow():
    assert tg.logsumexp(leaf(1000, 1000)).item() == pytest.approx(1000 + math.log(2))
    assert gradient(tg.logsumexp, leaf(1000, 1000)) == [pytest.approx([0.5, 0.5])]


def test_log_softmax_of_far_apart_scores_is_finite():
    x = leaf(0, 1e4)
    assert tg.log_softmax(x).tolist() == [-1e4, 0]
    assert gradient(lambda x: tg.log_softmax(x)[0], x) == [[1, -1]]


# -- where: the branch not taken is not there ----------------------------------------------------------------

POLES = {
    "log": (tg.log, 0.0),
    "log of a negative": (tg.log, -1.0),
    "sqrt": (tg.sqrt, 0.0),
    "sqrt of a negative": (tg.sqrt, -1.0),
    "reciprocal": (lambda x: 1 / x, 0.0),
    "log of sqrt": (lambda x: tg.log(tg.sqrt(x)), 0.0),
    "sqrt of log": (lambda x: tg.sqrt(tg.log(x)), 0.0),
    "quotient": (lambda x: tg.sin(x) / x, 0.0),
    "power": (lambda x: x**-1.5, 0.0),
    "exp of exp": (lambda x: tg.exp(tg.exp(x)) * 2.0, 1000.0),
    "asin": (lambda x: tg.asin(x), 2.0),
    "chain": (lambda x: tg.tanh(tg.log(tg.sqrt(x) * x) - 1 / x), 0.0),
    "finite slope, infinite bend": (lambda x: x**1.5, 0.0),
    "moved about": (lambda x: tg.concat([tg.log(x.reshape(2, 1))[::-1], x[:, None]])[:2, 0][::-1], 0.0),
    "twice": (lambda x: tg.log(x) + tg.sqrt(x) * tg.log(x), 0.0),
    "x log x": (lambda x: x * tg.log(x), 0.0),
}


@pytest.mark.parametrize("name", POLES)
def test_the_untaken_branch_of_where_leaves_gradients_of_both_orders_clean(name):
    fn, pole = POLES[name]
    good = 0.5 if name != "sqrt of log" else 2.0
    chosen = np.array([False, True])
    safe = lambda x: tg.where(chosen, fn(x), x * x)
    x = leaf(pole, good)
    (g,) = tg.grad(safe(x).sum(), x, create_graph=True)
    (h,) = tg.grad(g.sum(), x)
    alone = leaf(*([good, good] if name == "moved about" else [good]))
    (g1,) = tg.grad(fn(alone).sum(), alone, create_graph=True)
    (h1,) = tg.grad(g1.sum(), alone)
    np.testing.assert_allclose(g.tolist(), [2 * pole, g1.tolist()[-1]])
    np.testing.assert_allclose(h.tolist(), [2, h1.tolist()[-1]])


def test_directional_derivatives_pass_where_beside_a_pole():
    """A cotangent that happens to be 0, as inside jvp, is no branch that was not taken."""
    x, v = np.array([0.0, 0.5]), np.array([1.0, 1.0])
    _, dy = tg.jvp(lambda x: tg.where(np.array([False, True]), x * tg.log(x), x), [x], [v])
    np.testing.assert_allclose(dy.tolist(), [1, math.log(0.5) + 1])


def test_an_entry_used_outside_the_untaken_branch_too_keeps_its_gradient():
    x = leaf(0.0, 4.0)
    fn = lambda x: tg.where(np.array([False, True]), tg.sqrt(x), 0.0) + 3 * x
    assert gradient(fn, x) == [[3, 3.25]]
    column = tg.tensor(np.array([[0.0], [4.0]]), requires_grad=True)
    chosen = np.array([[False, False], [True, False]])
    assert gradient(lambda c: tg.where(chosen, tg.sqrt(c), 0.0), column) == [[[0], [0.25]]]


def test_an_entry_that_two_wheres_take_in_turn_keeps_both_gradients():
    x = leaf(0.0, 4.0, 4.0)

    def fn(x):
        s = tg.sqrt(x)
        return tg.where(np.array([False, True, False]), s, 0.0) + tg.where(np.array([False, False, True]), 2.0 * s, x)

    assert gradient(fn, x) == [[1, 1.25, 0.5]]
    assert second(fn, x) == [0, -1 / 32, -1 / 16]


def test_a_pole_in_the_branch_that_is_taken_is_not_hidden():
    x = leaf(0.0, 1.0)
    assert gradient(lambda x: tg.where(np.array([True, True]), tg.log(x), x), x) == [[inf, 1]]
    assert gradient(lambda x: tg.sqrt(x) * 0.0, leaf(-1.0))[0] != [0.0]


# -- what carries no gradient --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.bool_])
def test_integers_and_booleans_carry_no_gradient(dtype):
    with pytest.raises(TypeError, match="carries no gradient"):
        tg.tensor([0, 1], dtype=dtype, requires_grad=True)
    x = leaf(0.0, 1.0)
    assert not x.astype(dtype).requires_grad


@pytest.mark.parametrize("fn", [lambda x: x > 0, tg.argmax, tg.argsort, tg.isnan, lambda x: x == x, tg.any])
def test_results_that_are_not_floating_carry_no_gradient(fn):
    assert not fn(leaf(1.0, 2.0)).requires_grad


def test_a_singular_matrix_has_a_determinant_but_no_inverse():
    a = tg.tensor(np.ones((2, 2)), requires_grad=True)
    assert tg.linalg.det(a).item() == 0
    with pytest.raises(ValueError, match="singular"):
        tg.linalg.inv(a)
    with pytest.raises(ValueError, match="singular"):
        tg.grad(tg.linalg.det(a), a)
    sign, log = tg.linalg.slogdet(a)
    assert (sign.item(), log.item()) == (0, -inf)

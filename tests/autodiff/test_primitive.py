"""Operations a user adds: one vjp an argument, joint ones, residuals, lists; and what is refused."""

import importlib
import weakref
from unittest import mock

import numpy as np
import pytest

import tinygen as tg
from tinygen.autodiff.primitive import REGISTRY, Kept, either
from tinygen.kernels.definitions.arithmetic import LARGE
from tinygen.testing import gradcheck

backward_module = importlib.import_module("tinygen.autodiff.backward")

X = np.random.default_rng(0).uniform(0.5, 1.5, (2, 3))
Y = np.random.default_rng(1).uniform(0.5, 1.5, (2, 3))


@tg.primitive(x=lambda g, x: 3.0 * x**2 * g, elementwise=True)
def cube(x):
    return x**3


def test_one_argument():
    assert gradcheck(cube, X, order=3)
    assert cube(2.0).dtype == np.float32
    assert cube(np.array([2])).tolist() == [8]


def test_one_vjp_for_each_argument_broadcasts():
    ratio = tg.primitive(a=lambda g, b: g / b, b=lambda g, y, b: -g * y / b)(lambda a, b: a / b)
    assert gradcheck(ratio, X, Y[:1], order=3)
    assert gradcheck(ratio, X[:, :1], Y, order=2)


def test_a_joint_vjp_and_one_beside_it():
    @tg.primitive(tg.joint(lambda g, a, b: (g * b, g * a), "a", "b"), c=lambda g: g)
    def fused(a, b, c):
        return a * b + c

    assert gradcheck(fused, X, Y, X, order=3)
    x, c = tg.tensor(X, requires_grad=True), tg.tensor(X, requires_grad=True)
    assert tg.grad(fused(x, Y, 0.0).sum(), x)[0].tolist() == Y.tolist()
    assert tg.grad(fused(X, Y, c).sum(), c)[0].tolist() == np.ones((2, 3)).tolist()


def test_a_joint_vjp_may_return_none():
    half = tg.primitive(tg.joint(lambda g, a, b: (g, None), "a", "b"))(lambda a, b: a + 0 * b)
    a, b = tg.tensor(X, requires_grad=True), tg.tensor(Y, requires_grad=True)
    ga, gb = tg.grad(half(a, b).sum(), [a, b], allow_unused=True)
    assert ga is not None
    assert gb is None


def test_residuals_kept_by_the_forward():
    runs = []

    @tg.primitive(x=lambda g, x, root: g * (0.5 / root) if runs.append(1) is None else g)
    def keeps_root(x):
        root = np.sqrt(x)
        return Kept(root * 1.0, root=root)

    x = tg.tensor(X, requires_grad=True)
    np.testing.assert_allclose(tg.grad(keeps_root(x).sum(), x)[0], 0.5 / np.sqrt(X))


def test_a_list_of_arguments():
    @tg.primitive(arrays=lambda g, arrays: [g * (i + 1.0) for i in range(len(arrays))])
    def weighted(arrays):
        return sum((i + 1) * a for i, a in enumerate(arrays))

    assert gradcheck(lambda a, b: weighted([a, b, a]), X, Y, order=2)
    assert gradcheck(lambda a: weighted((a, Y)), X, order=2)


def test_shapes_and_static_arguments_reach_the_vjp():
    @tg.primitive(x=lambda g, x_shape, times: tg.broadcast_to(g, x_shape) * float(times))
    def scaled_sum(x, times=2):
        return x.sum() * times

    assert gradcheck(scaled_sum, X, order=2)
    assert gradcheck(scaled_sum, X, 5, order=2)
    assert gradcheck(lambda x: scaled_sum(x, times=7), X)


def test_docstring_and_name_are_the_forwards():
    assert tg.exp.__doc__ == "e^x."
    assert tg.exp.name == "exp"
    assert repr(tg.power) == "<primitive power(a, b)>"


def test_a_users_operation_stays_out_of_the_projects_table():
    assert "cube" not in REGISTRY


# -- refused -------------------------------------------------------------------------------------------------


def test_a_vjp_for_no_argument():
    with pytest.raises(TypeError, match="'z', not one of the arguments"):
        tg.primitive(z=lambda g: g)(lambda x: x)


def test_a_vjp_that_asks_for_what_there_is_not():
    odd = tg.primitive(x=lambda g, nothing: g)(lambda x: x * 1)
    with pytest.raises(TypeError, match="'nothing', which is neither g, y, an argument nor kept"):
        odd(tg.tensor(X, requires_grad=True))


def test_a_joint_of_one():
    with pytest.raises(TypeError, match="two arguments or more"):
        tg.joint(lambda g: (g,), "x")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tg.exp(), r"exp\(\) missing 1 required positional argument: 'x'"),
        (lambda: tg.exp(1, 2), r"exp\(\) takes 1 positional argument but 2 were given"),
        (lambda: tg.exp(1, x=2), r"exp\(\) got multiple values for argument 'x'"),
        (lambda: tg.exp(1, out=2), r"exp\(\) got an unexpected keyword argument 'out'"),
    ],
)
def test_calls_that_do_not_fit(call, words):
    with pytest.raises(TypeError, match=words):
        call()


def test_shapes_that_do_not_broadcast_name_both_and_the_rule():
    with pytest.raises(
        ValueError, match=r"^add: shapes \(2, 3\) and \(4,\) do not fit together: sizes must be equal or 1"
    ):
        tg.tensor(X) + np.ones(4)


def test_an_error_that_is_not_about_shapes_is_handed_on():
    with pytest.raises(ValueError, match="power: Integers to negative integer powers"):
        tg.tensor([2, 3]) ** -1


def test_a_wrong_vjp_is_found_by_gradcheck():
    wrong = tg.primitive(x=lambda g, x: 2.0 * x**2 * g, elementwise=True)(lambda x: x**3)
    with pytest.raises(AssertionError, match="order 1 in input 0"):
        gradcheck(wrong, X)
    constant = tg.primitive(x=lambda g, x: 3.0 * tg.stop_gradient(x) ** 2 * g)(lambda x: x**3)
    assert gradcheck(constant, X)
    with pytest.raises(AssertionError, match="order 2 in input 0"):
        gradcheck(constant, X, order=2)
    detached = tg.primitive(x=lambda g, x: 3.0 * x**2 * g.detach())(lambda x: x**3)
    with pytest.raises(AssertionError, match="order 2 in cotangent 0"):
        gradcheck(detached, X, order=2)


def test_a_vjp_of_another_shape_is_named():
    @tg.primitive(x=lambda g: g[:1])
    def halved(x):
        return x / 2

    with pytest.raises(ValueError, match=r"halved: a vjp gave shape \(1,\) for an argument of shape \(2,\)"):
        halved(tg.ones(2, requires_grad=True)).sum().backward()


def test_a_vjp_that_leaves_the_tensors_is_named():
    @tg.primitive(x=lambda g: np.asarray(g))
    def same(x):
        return x + 0

    with pytest.raises(TypeError, match="same: a vjp gives tensors, not ndarray"):
        same(tg.ones(2, requires_grad=True)).sum().backward()


@pytest.mark.parametrize("operation", [tg.sum, tg.max, tg.reshape])
def test_none_in_place_of_a_tensor_is_named(operation):
    with pytest.raises(TypeError, match=f"{operation.name}: 'x' is None, not a tensor, an array or a number"):
        operation(None, (1,))


@pytest.mark.parametrize(
    ("vjp", "is_arithmetic"),
    [
        (lambda g, x: -g * x / 2.0 + g - x, True),
        (lambda g, x: g * x**2, False),
        (lambda g, x: g @ x, False),
        (lambda g, x: tg.exp(x) * g, False),
        (lambda g, x: g * (x > 0), False),
        (lambda g, x: g.reshape(3), False),
    ],
)
def test_vjps_that_run_on_bare_arrays_only_add_subtract_multiply_and_divide(vjp, is_arithmetic):
    assert tg.primitive(x=vjp)(lambda x: x).rules[0].arithmetic is is_arithmetic


def test_the_two_forms_of_a_vjp_ask_for_the_same():
    with pytest.raises(TypeError, match=r"ask for the same, in one order; found \('g', 'x'\) and \('g', 'y'\)"):
        either(lambda g, x: g * x, lambda g, y: g * y)


def test_a_single_form_for_tensors_and_arrays_names_g_first():
    with pytest.raises(TypeError, match=r"names g first; found \('x', 'g'\)"):
        either(lambda x, g: g * x)


scaled = tg.primitive(x=either(lambda g, k: scaled(g, k)))(lambda x, k: x * k)


def test_a_vjp_of_operations_alone_is_one_of_arrays_too():
    (rule,) = scaled.rules
    assert type(rule.vjp(tg.tensor(X), 3.0)) is tg.Tensor
    assert type(rule.of_arrays(X, 3.0)) is np.ndarray
    assert rule.of_arrays(X, 3.0).tolist() == (3.0 * X).tolist()
    assert gradcheck(lambda x: scaled(x, 3.0), X, order=2)


def test_of_two_forms_one_is_for_gradients_that_are_recorded():
    doubled = tg.primitive(x=either(lambda g: g * 2.0, lambda g: 3.0 * g))(lambda x: 2.0 * x)
    x = tg.ones((2,), requires_grad=True)
    g = tg.ones((2,))
    np.testing.assert_array_equal(tg.grad(doubled(x), x, g, create_graph=True)[0], [2, 2])
    np.testing.assert_array_equal(tg.grad(doubled(x), x, g)[0], [3, 3])


@pytest.mark.parametrize("n", [3, LARGE])
def test_gradients_that_others_hold_are_not_added_to(n, monkeypatch):
    """The seed, and what a vjp made and kept."""
    kept = []

    def keeping(g):
        kept.append(g * 2.0)
        return kept[-1]

    doubled = tg.primitive(x=keeping)(lambda x: 2 * x)

    def gradient():
        kept.clear()
        x, seed = tg.ones(n, requires_grad=True), tg.ones(n)
        (found,) = tg.grad(doubled(x) + (x + x) + doubled(x), x, seed)
        assert (found.numpy() == 6).all()
        return all((array.numpy() == value).all() for array, value in [(seed, 1), *((k, 2) for k in kept)])

    assert gradient()
    monkeypatch.setattr(backward_module, "_ONLY_HERE", mock.ANY)
    monkeypatch.setattr(backward_module, "alone", lambda *given: True)
    assert not gradient()  # as it would be if nobody counted


@pytest.mark.parametrize("n", [3, LARGE])
def test_a_gradient_that_only_the_engine_holds_is_added_to_in_place(n, monkeypatch):
    """Also what one operation gives of an argument that it has twice."""
    made = []

    def doubling(g):
        made.append(weakref.ref((y := g * 2.0)._data))
        return y

    twice = tg.primitive(a=doubling, b=lambda g: g * 2.0)(lambda a, b: 2 * a + 2 * b)
    twice_together = tg.primitive(tg.joint(lambda g: (doubling(g), g * 2.0), "a", "b"))(lambda a, b: 2 * a + 2 * b)

    def in_place(operation):
        made.clear()
        x, seed = tg.ones(n, requires_grad=True), tg.ones(n)
        (found,) = tg.grad(operation(x, x), x, seed)
        assert (found.numpy() == 4).all()
        return made[0]() is found._data

    assert in_place(twice)
    assert in_place(twice_together)
    monkeypatch.setattr(backward_module, "_ONLY_HERE", 0)
    monkeypatch.setattr(backward_module, "alone", lambda *given: False)
    assert not in_place(twice)

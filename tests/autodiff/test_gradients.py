"""`grad` and `backward`: what they return, what they run, what they refuse."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.autodiff.backward import sum_to
from tinygen.testing import arrays, broadcastable, check_adjoint


def leaf(*values, dtype=np.float64):
    return tg.tensor(np.array(values, dtype=dtype), requires_grad=True)


# -- values --------------------------------------------------------------------------------------------------


def test_gradient_of_every_input_leaf_or_not():
    x = leaf(1, 2)
    y = x * 3.0
    z = (y * y).sum()
    gz, gy, gx = tg.grad(z, [z, y, x])
    assert (gz.tolist(), gy.tolist(), gx.tolist()) == (1, [6, 12], [18, 36])
    assert x.grad is None


def test_an_input_that_another_input_was_made_from():
    x = leaf(2)
    y = x * x
    gx, gy = tg.grad((x * y).sum(), [x, y])
    assert (gx.tolist(), gy.tolist()) == ([12], [2])


@pytest.mark.parametrize("order", range(1, 9))
def test_any_order_of_create_graph(order):
    """d^n/dx^n of exp(2x) = 2^n exp(2x), of x^8 = 8!/(8-n)! x^(8-n)."""
    x = leaf(0.3)
    for fn, expected in (
        (lambda x: tg.exp(2 * x), 2.0**order * np.exp(0.6)),
        (lambda x: x**8, np.prod(np.arange(8, 8 - order, -1)) * 0.3 ** (8 - order)),
    ):
        y = fn(x)
        for _ in range(order):
            (y,) = tg.grad(y, x, create_graph=True)
        assert y.item() == pytest.approx(expected)


def test_without_create_graph_the_gradient_is_a_constant():
    x = leaf(2)
    (g,) = tg.grad((x**3).sum(), x)
    assert not g.requires_grad


def test_backward_through_a_gradient():
    """The gradient penalty: the gradient of |grad f|^2."""
    x = leaf(1, 2)
    (g,) = tg.grad((x**3).sum(), x, create_graph=True)
    (g * g).sum().backward()
    assert x.grad.tolist() == [4 * 9 * 1, 4 * 9 * 8]  # d/dx (3x^2)^2 = 36 x^3


def test_backward_of_a_leaf_and_with_a_cotangent():
    x = leaf(1, 2)
    x.backward([3.0, 4.0] @ np.eye(2))
    assert x.grad.tolist() == [3, 4]


def test_cotangent_and_gradient_take_the_dtype_of_their_tensor():
    x = leaf(1, 2, dtype=np.float32)
    y = x.astype("float64") * np.array([1.0, 2.0])
    (g,) = tg.grad(y, x, np.array([1, 1], dtype=np.float64))
    assert g.dtype == np.float32
    assert g.tolist() == [1, 2]


# -- what is asked wrongly -----------------------------------------------------------------------------------


def test_unused_inputs():
    x, y = leaf(1), leaf(1)
    with pytest.raises(ValueError, match="does not depend on input 1"):
        tg.grad(x.sum(), [x, y])
    assert tg.grad(x.sum(), [x, y], allow_unused=True)[1] is None


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: tg.grad(leaf(1, 2) * 2, []), ValueError, r"shape \(2,\) needs grad_output"),
        (lambda: tg.grad(leaf(1, 2) * 2, [], np.ones(3)), ValueError, r"shape \(3,\), the output has \(2,\)"),
        (lambda: tg.grad(leaf(1).sum(), tg.tensor([1.0])), ValueError, "input 0 has requires_grad=False"),
        (lambda: tg.grad(leaf(1).sum(), [np.ones(1)]), TypeError, "input 0 is ndarray"),
        (lambda: tg.grad(tg.tensor(1.0), []), ValueError, "carries no gradient"),
        (lambda: tg.grad(1.0, []), TypeError, "not of float"),
        (lambda: tg.tensor(1.0).backward(), ValueError, "carries no gradient"),
    ],
)
def test_errors_say_what_is_wrong_in_one_line(call, error, words):
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_requires_grad_is_fixed_on_results():
    y = leaf(1) * 2
    with pytest.raises(ValueError, match="multiply"):
        y.requires_grad = False


# -- what is run ---------------------------------------------------------------------------------------------


def counted():
    calls = []

    def vjp(g):
        calls.append(1)
        return g

    return tg.primitive(x=vjp)(lambda x: x * 1.0), calls


def test_a_vjp_that_leads_to_nothing_asked_for_is_not_run():
    same, calls = counted()
    x, y = leaf(1), leaf(2)
    z = (same(x) * y).sum()
    tg.grad(z, y)
    assert calls == []
    tg.grad(z, x)
    assert calls == [1]


def test_nothing_below_an_interior_input_is_run():
    same, calls = counted()
    x = leaf(1)
    y = same(x)
    tg.grad((y * y).sum(), y)
    assert calls == []


def test_the_vjp_of_a_constant_argument_is_not_run():
    used = []
    product = tg.primitive(a=lambda g, b: used.append("a") or g * b, b=lambda g, a: used.append("b") or g * a)
    x, c = leaf(1, 2), tg.tensor([1.0, 2.0])
    tg.grad(product(lambda a, b: a * b)(x, c).sum(), x)
    assert used == ["a"]


# -- recording on and off ------------------------------------------------------------------------------------


def test_no_grad_as_block_and_as_decorator_and_nested():
    x = leaf(1)

    @tg.no_grad()
    def inside():
        return (x * 2).requires_grad

    with tg.no_grad():
        with tg.no_grad():
            assert not (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert not inside()
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_exception():
    with pytest.raises(KeyError), tg.no_grad():
        raise KeyError
    assert (leaf(1) * 2).requires_grad


def test_no_grad_in_one_thread_leaves_the_others_recording():
    inside, done = threading.Event(), threading.Event()

    def quiet():
        with tg.no_grad():
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=quiet)
    thread.start()
    inside.wait(10)
    recorded = (leaf(1) * 2).requires_grad
    done.set()
    thread.join()
    assert recorded


def test_threads_differentiate_beside_each_other():
    shared = leaf(*range(1, 6))
    results = {}

    def work(k):
        with np.errstate(all="raise"):
            for _ in range(20):
                (results[k],) = tg.grad((tg.exp(shared * 0.1) * k).sum(), shared)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(4):
        np.testing.assert_allclose(results[k], 0.1 * k * np.exp(0.1 * np.arange(1, 6)))


# -- broadcasting --------------------------------------------------------------------------------------------


@given(broadcastable(2), st.integers(0, 99))
def test_sum_to_is_the_adjoint_of_broadcasting(shapes, seed):
    whole = np.broadcast_shapes(*shapes)
    x = np.random.default_rng(seed).normal(size=shapes[0])
    check_adjoint(lambda t: tg.broadcast_to(t, whole), lambda g: sum_to(g, shapes[0]), x)


@given(broadcastable(3), st.data())
def test_gradients_have_the_shape_of_their_inputs(shapes, data):
    a, b, c = (tg.tensor(data.draw(arrays(shape)), requires_grad=True) for shape in shapes)
    y = tg.where(np.asarray(a) > 0, a * b, tg.clip(b, -1, 1)) + tg.maximum(c, a) / 2.0
    for g, x in zip(tg.grad(y.sum(), [a, b, c]), (a, b, c)):
        assert g.shape == x.shape


def test_a_constant_output_depends_on_nothing():
    x = tg.tensor(2.0, requires_grad=True)
    assert tg.grad(tg.tensor(1.0), [x], allow_unused=True) == (None,)
    with pytest.raises(ValueError, match="carries no gradient"):
        tg.grad(tg.tensor(1.0), [x])


def test_the_fourth_derivative_of_a_cubic_depends_on_nothing():
    x = tg.tensor(2.0, requires_grad=True)
    y = x**3
    for expected in (12.0, 12.0, 6.0):
        (y,) = tg.grad(y, x, create_graph=True)
        assert y.item() == expected
    assert tg.grad(y, x, allow_unused=True) == (None,)

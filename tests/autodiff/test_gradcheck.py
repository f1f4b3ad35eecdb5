"""`gradcheck` and the strategies: what they find, and that what they draw is what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.testing import arrays, broadcastable, conv_cases, gradcheck, shapes

X = np.random.default_rng(0).normal(size=(2, 3))


def test_it_accepts_what_is_right():
    assert gradcheck(lambda x, y: tg.sin(x) * y, X, X[:1], order=3)
    assert gradcheck(lambda x: (tg.sin(x), x.sum()), X, order=2)
    assert gradcheck(lambda x, n: x**n, tg.tensor(np.abs(X) + 1), 3)
    assert gradcheck(lambda x, labels: x[labels, 0], X, np.array([0, 1, 1]))
    assert gradcheck(lambda x: tg.tensor(np.ones(2)) + 0 * x.sum(), X.astype(np.float32), order=2)
    assert gradcheck(lambda x, y: x * 2, X, X)  # one input is not used


WRONG = {
    "a factor": lambda g, x: 2.0 * g * tg.cos(x),
    "a sign": lambda g, x: -g * tg.cos(x),
    "one entry": lambda g, x: g * tg.cos(x) * np.array([[1.0, 1, 1], [1, 1, 1.001]]),
    "two entries exchanged": lambda g, x: (g * tg.cos(x))[::-1],
    "nothing": lambda g, x: 0.0 * g,
}


@pytest.mark.parametrize("name", WRONG)
def test_it_finds_a_wrong_first_derivative(name):
    sine = tg.primitive(x=WRONG[name])(lambda x: np.sin(x))
    with pytest.raises(AssertionError, match=r"order 1 in input 0, of shape \(2, 3\): measured .* expected"):
        gradcheck(sine, X)


def test_it_finds_a_derivative_that_is_wrong_only_when_recorded():
    from tinygen.autodiff.tape import mode

    sine = tg.primitive(x=lambda g, x: g * tg.cos(x) * (1.1 if mode.recording else 1.0))(lambda x: np.sin(x))
    with pytest.raises(AssertionError, match="order 1"):
        gradcheck(sine, X)


def test_it_names_the_worst_input():
    product = tg.primitive(a=lambda g, b: 1.0001 * g * b, b=lambda g, a: 3.0 * g * a)(lambda a, b: a * b)
    with pytest.raises(AssertionError, match="input 1"):
        gradcheck(product, X, X)


@pytest.mark.parametrize(
    ("fn", "x"), [(tg.abs, 0.0), (tg.relu, 0.0), (lambda x: tg.maximum(x, 1.0), 1.0), (lambda x: tg.clip(x, 0, 1), 1.0)]
)
def test_it_says_where_a_function_is_not_differentiable(fn, x):
    with pytest.raises(AssertionError, match="not differentiable at the point"):
        gradcheck(fn, np.full(3, x))


def test_it_says_what_else_is_wrong():
    def writes(x):
        x._data[0] += 1.0
        return x * 1.0

    rng = np.random.default_rng(0)
    for fn, words in (
        (writes, "changes its differentiable input 0 in place"),
        (lambda x: x * rng.normal(), "other values when it is called again"),
        (lambda x: x.astype("float32"), "gives float32 for float64"),
        (lambda x: tg.log(x - 100.0), "not finite"),
        (lambda x: x > 0, "no floating tensor"),
        (lambda x: 3.0, "gives float, not a tensor"),
    ):
        with pytest.raises(AssertionError, match=words):
            gradcheck(fn, X.copy())
    with pytest.raises(ValueError, match="no input to differentiate"):
        gradcheck(lambda n: n, 3)
    with pytest.raises(ValueError, match="order=0"):
        gradcheck(tg.sin, X, order=0)


def test_it_leaves_its_arguments_alone():
    x = X.copy()
    t = tg.tensor(X, requires_grad=True)
    gradcheck(lambda x, t: x * t, x, t, order=2)
    np.testing.assert_array_equal(x, X)
    assert t.grad is None


# -- strategies ----------------------------------------------------------------------------------------------


@given(shapes(1, 3, 2, 4))
def test_shapes(shape):
    assert 1 <= len(shape) <= 3
    assert all(2 <= n <= 4 for n in shape)


@given(broadcastable(3))
def test_broadcastable(drawn):
    assert len(drawn) == 3
    np.broadcast_shapes(*drawn)


@given(st.data(), st.sampled_from([np.float32, np.float64, np.int64, np.bool_]))
def test_arrays(data, dtype):
    x = data.draw(arrays((2, 3), dtype, low=-1, high=1))
    assert x.shape == (2, 3)
    assert x.dtype == dtype
    assert (x >= -1).all()
    assert (x <= 1).all()


def test_arrays_come_in_many_layouts():
    seen = set()

    @given(arrays((2, 3)))
    def draw(x):
        seen.add((x.flags.c_contiguous, x.flags.f_contiguous, any(s < 0 for s in x.strides)))

    draw()
    assert len(seen) == 4


@given(conv_cases())
def test_conv_cases_fit(case):
    y = tg.nn.functional.conv2d(
        np.zeros(case["x"]),
        np.zeros(case["w"]),
        None if case["bias"] is None else np.zeros(case["bias"]),
        *(case[name] for name in ("stride", "padding", "dilation", "groups")),
    )
    assert y.shape == case["out"]

"""Shapes and places: widths, counts, shifts and axes in every form that NumPy takes, copies, and what is refused."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.ops.reduction import vector_norm

X = np.arange(6.0, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("form", [list, tuple, np.array, tg.tensor])
def test_places_in_any_form_are_numpys(form):
    x = tg.tensor(X, requires_grad=True)
    for found, expected in [
        (tg.roll(x, form([1, 2]), form([0, 1])), np.roll(X, [1, 2], [0, 1])),
        (tg.flip(x, form([0, 1])), X[::-1, ::-1]),
        (tg.expand_dims(x, form([0, 2])), X[None, :, None]),
        (tg.squeeze(x.reshape(1, 2, 1, 3), form([0, 2])), X),
        (tg.tile(x, form([2, 1])), np.tile(X, (2, 1))),
        (tg.repeat(x, form([2, 0, 1]), 1), np.repeat(X, [2, 0, 1], 1)),
        (tg.pad(x, form([[1, 0], [2, 1]])), np.pad(X, [[1, 0], [2, 1]])),
    ]:
        assert np.array_equal(found.numpy(), expected)
        (back,) = tg.grad(found, [x], expected)
        assert np.array_equal(back.numpy(), X * np.bincount(expected.ravel().astype(int), minlength=6).reshape(2, 3))


@pytest.mark.parametrize("one", [int, np.int64, np.array, tg.tensor])
def test_a_place_in_any_form_is_numpys(one):
    x = tg.tensor(X)
    for found, expected in [
        (tg.roll(x, one(1), one(1)), np.roll(X, 1, 1)),
        (tg.roll(x, one(4)), np.roll(X, 4)),
        (tg.flip(x, one(1)), X[:, ::-1]),
        (tg.tile(x, one(2)), np.tile(X, 2)),
        (tg.repeat(x, one(2), 0), np.repeat(X, 2, 0)),
        (tg.pad(x, one(1)), np.pad(X, 1)),
    ]:
        assert np.array_equal(found.numpy(), expected)


POSITIVE = (X + 1) / 4
REDUCTIONS = [tg.sum, tg.mean, tg.max, tg.min, tg.prod, tg.var, tg.std, tg.logsumexp, vector_norm]
COUNTS = [tg.any, tg.all, tg.count_nonzero]


@pytest.mark.parametrize("reduce", REDUCTIONS + COUNTS, ids=lambda f: f.name)
@pytest.mark.parametrize("form", [list, np.array, tg.tensor])
def test_a_reduction_takes_axes_in_any_form(reduce, form):
    for axes in [(0, 1), (1,), (-1, 0)]:
        x, y = (tg.tensor(POSITIVE, requires_grad=True) for _ in range(2))
        found, expected = reduce(x, form(axes)), reduce(y, axes)
        assert np.array_equal(found.numpy(), expected.numpy())
        if reduce in REDUCTIONS:
            g = np.ones_like(found.numpy())
            assert np.array_equal(tg.grad(found, x, g)[0].numpy(), tg.grad(expected, y, g)[0].numpy())


@pytest.mark.parametrize("reduce", [*REDUCTIONS, *COUNTS, tg.argmax, tg.argmin, tg.cumulative_sum, tg.cumulative_prod])
@pytest.mark.parametrize("form", [np.int64, np.array, tg.tensor])
def test_a_reduction_takes_an_axis_in_any_form(reduce, form):
    x, y = (tg.tensor(POSITIVE, requires_grad=True) for _ in range(2))
    found, expected = reduce(x, form(-1)), reduce(y, -1)
    assert np.array_equal(found.numpy(), expected.numpy())
    if found.requires_grad:
        g = np.ones_like(found.numpy())
        assert np.array_equal(tg.grad(found, x, g)[0].numpy(), tg.grad(expected, y, g)[0].numpy())


def test_an_axis_that_changed_before_its_gradient_is_found():
    axis, x = np.array([0]), tg.tensor(X, requires_grad=True)
    y = tg.sum(x, axis)
    axis[0] = 1
    with pytest.raises(tg.MutationError, match="'axis'"):
        tg.grad(y, x, np.ones(3, np.float32))


@pytest.mark.parametrize("hold", [lambda pair: pair, lambda pair: (pair, (2, 1)), lambda pair: [pair, (2, 1)]])
@pytest.mark.parametrize("make", [list, np.array, tg.tensor])
def test_widths_of_a_border_are_read_at_each_call(make, hold):
    pair = make([1, 0])
    widths = hold(pair)
    assert np.array_equal(tg.pad(X, widths).numpy(), np.pad(X, hold((1, 0))))
    pair[0] = 5
    assert np.array_equal(tg.pad(X, widths).numpy(), np.pad(X, hold((5, 0))))


def test_a_shift_is_read_at_each_call():
    shift = tg.tensor(1)
    assert np.array_equal(tg.roll(X, shift, 1).numpy(), np.roll(X, 1, 1))
    shift[...] = 2
    assert np.array_equal(tg.roll(X, shift, 1).numpy(), np.roll(X, 2, 1))


@pytest.mark.parametrize(
    "copied",
    [
        lambda x: tg.repeat(x, 1),
        lambda x: tg.repeat(x, 1, 0),
        lambda x: tg.repeat(x.reshape(1, -1), 1, 0),
        lambda x: tg.repeat(x, 0, 0),
        lambda x: tg.repeat(x, [1] * x.shape[0], 0),
        lambda x: tg.tile(x, 1),
        lambda x: tg.tile(x, ()),
        lambda x: tg.roll(x, (), ()),
        lambda x: tg.roll(x, 0),
        lambda x: tg.roll(x, 0, 0),
    ],
)
@pytest.mark.parametrize("shape", [(2, 3), (300, 400)])
def test_what_changes_nothing_is_a_copy_all_the_same(copied, shape):
    x = tg.ones(shape)
    y = copied(x)
    y[...] = 9.0
    assert (x.numpy() == 1).all()
    assert not np.shares_memory(x._data, y._data)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: tg.flip(X, (0, 0)), r"^flip: axis \(0, 0\) names a dimension twice"),
        (lambda: tg.flip(X, (0, -2)), "^flip: axis .* names a dimension twice"),
        (lambda: tg.flip(X, 2), "^flip: axis 2 is out of range for 2 dimensions"),
        (lambda: tg.roll(X, 1, -3), "^roll: axis -3 is out of range for 2 dimensions"),
        (lambda: tg.expand_dims(X, (0, 0)), r"^expand_dims: axis \(0, 0\) names a dimension twice"),
        (lambda: tg.expand_dims(X, 3), "^expand_dims: axis 3 is out of range for 3 dimensions"),
        (lambda: tg.repeat(X, -1, 0), "^repeat: counts -1 are negative"),
        (lambda: tg.repeat(X, [1, -1], 0), r"^repeat: counts \[1, -1\] are negative"),
        (lambda: tg.tile(X, (-1, 2)), r"^tile: repetitions \(-1, 2\) are negative"),
        (lambda: tg.pad(X, ((1, -1), (0, 0))), "^pad: widths .* are negative"),
        (lambda: tg.concat([X, X], 2), "^concat: axis 2 is out of range for 2 dimensions"),
        (lambda: tg.concat([1.0, 2.0], 0), "^concat: axis 0 is out of range for 0 dimensions"),
        (lambda: tg.concat([X, X.T], 0), r"^concat: shapes \(2, 3\) and \(3, 2\) do not fit together"),
        (lambda: tg.concat([X, X[0]], 0), r"^concat: shapes \(2, 3\) and \(3,\) do not fit together"),
        (lambda: tg.concat([], 0), "^concat: needs at least one array"),
        (lambda: tg.stack([X, X], -4), "^stack: axis -4 is out of range for 3 dimensions"),
        (lambda: tg.stack([X, X.T]), r"^stack: shapes \(2, 3\) and \(3, 2\) must be equal"),
        (lambda: tg.stack([]), "^stack: needs at least one array"),
        (lambda: tg.unstack(X, 2), "^unstack: axis 2 is out of range for 2 dimensions"),
        (lambda: tg.split(X, 1, -3), "^split: axis -3 is out of range for 2 dimensions"),
        (lambda: tg.argmax(X, (0, 1)), r"^argmax: axis \(0, 1\) names 2 dimensions, not one"),
        (lambda: tg.argmin(X, ()), r"^argmin: axis \(\) names 0 dimensions, not one"),
        (lambda: tg.cumulative_sum(X, (0, 1)), r"axis \(0, 1\) names 2 dimensions, not one"),
    ],
)
def test_what_does_not_fit_is_said_of_what_was_called(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_half_a_count_is_refused():
    with pytest.raises(TypeError, match="float"):
        tg.repeat(X, 2.5, 0)


@pytest.mark.parametrize("axis", [1.5, np.float32(1.5), (0,), (0, 1), "a"])
@pytest.mark.parametrize(
    "call",
    [
        lambda axis: tg.concat([X, X], axis),
        lambda axis: tg.stack([X, X], axis),
        lambda axis: tg.unstack(X, axis),
        lambda axis: tg.split(X, 1, axis),
    ],
    ids=["concat", "stack", "unstack", "split"],
)
def test_what_joins_or_cuts_takes_an_integer(call, axis):
    with pytest.raises(TypeError):
        call(axis)


_ALONG = """sum mean max min var std prod logsumexp any all argmax argmin count_nonzero cumulative_sum cumulative_prod
flip unstack expand_dims diff sort argsort softmax log_softmax"""


@pytest.mark.parametrize(
    "call",
    [
        *[lambda axis, name=name: getattr(tg, name)(X, axis) for name in _ALONG.split()],
        lambda axis: tg.sum(X, (0, axis)),
        lambda axis: tg.split(X, 1, axis),
        lambda axis: tg.concat([X, X], axis),
        lambda axis: tg.stack([X, X], axis),
        lambda axis: tg.squeeze(X[:, :1], axis),
        lambda axis: tg.roll(X, 1, axis),
        lambda axis: tg.moveaxis(X, axis, 0),
        lambda axis: tg.linalg.norm(X, 3, axis),
    ],
)
def test_an_axis_of_1_is_no_float(call):
    """Nor where it was looked up by 1 before, which it equals."""
    call(1)
    with pytest.raises(TypeError, match="float"):
        call(1.0)


def test_places_are_those_of_a_range_too():
    x = tg.tensor(X.reshape(1, 2, 3), requires_grad=True)
    for found, expected in [
        (tg.moveaxis(x, range(2), range(1, 3)), np.moveaxis(X[None], (0, 1), (1, 2))),
        (tg.roll(x, range(1, 3), range(1, 3)), np.roll(X[None], (1, 2), (1, 2))),
        (tg.sum(x, range(2)), X.sum(0)),
    ]:
        assert np.array_equal(found.numpy(), expected)
        tg.grad(found.sum(), [x])

"""What a tensor is to the outside: dtypes, conversions, indexing, copies, pickles, other libraries' protocols."""

import copy
import pickle

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.tensor import as_tensor

f32, f64, i64 = np.float32, np.float64, np.int64


# -- making --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, f32),
        ([1.0, 2], f32),
        ([[1, 2], [3, 4]], i64),
        (True, np.bool_),
        (np.ones(2), f64),
        (np.ones(2, f32), f32),
        (np.float64(1), f64),
        ([np.float64(1), 2.0], f64),
        (np.ones(2, np.int8), np.int8),
    ],
)
def test_python_floats_make_float32_and_arrays_keep_their_dtype(data, dtype):
    assert tg.tensor(data).dtype == dtype
    assert tg.tensor(data, dtype="float64").dtype == f64


def test_lists_may_hold_tensors():
    assert tg.tensor([tg.tensor([1.0, 2.0]), [3.0, 4.0]]).tolist() == [[1, 2], [3, 4]]


def test_a_tensor_is_a_copy_of_its_data():
    a = np.zeros(2)
    x = tg.tensor(a)
    a[0] = 1
    assert x.tolist() == [0, 0]


@pytest.mark.parametrize("data", ["text", [[1, 2], [3]], [1 + 2j], object(), None])
def test_what_is_no_array_of_numbers_is_refused_in_one_line(data):
    with pytest.raises((TypeError, ValueError), match="cannot make a tensor") as caught:
        tg.tensor(data)
    assert "\n" not in str(caught.value)


# -- dtypes --------------------------------------------------------------------------------------------------

T32, T64, TI, TB = tg.tensor([1.0]), tg.tensor([1.0], f64), tg.tensor([1]), tg.tensor([True])


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (lambda: T32 + 1, f32),
        (lambda: T32 * 2.5, f32),
        (lambda: 2.5 / T32, f32),
        (lambda: T32 * np.float64(2.5), f32),
        (lambda: T32 + T64, f64),
        (lambda: T32 + TI, f32),
        (lambda: T64 * TI, f64),
        (lambda: T32 * TB, f32),
        (lambda: TI + 1, i64),
        (lambda: TI * 2.5, f32),
        (lambda: TI / 2, f32),
        (lambda: TI / TI, f32),
        (lambda: TB * 2.5, f32),
        (lambda: TI + TB, i64),
        (lambda: TI // 2, i64),
        (lambda: TI**2, i64),
        (lambda: 2.0**TI, f32),
        (lambda: tg.exp(TI), f32),
        (lambda: tg.sin(TB), f32),
        (lambda: tg.exp(1), f32),
        (lambda: T32 > 0, np.bool_),
        (lambda: tg.where(TB, T32, 0.0), f32),
        (lambda: tg.where(TB, 1.0, 0.0), f32),
        (lambda: tg.where(TB, TI, 0), i64),
        (lambda: tg.where(TB, TI, 0.5), f32),
        (lambda: tg.maximum(T32, 0.5), f32),
        (lambda: tg.clip(T32, 0, 1), f32),
        (lambda: tg.sum(TI), i64),
        (lambda: tg.sum(TB), i64),
        (lambda: tg.mean(TI), f32),
        (lambda: tg.mean(T64), f64),
        (lambda: T32.astype("float64"), f64),
        (lambda: T32.to("float64"), f64),
    ],
)
def test_promotion(value, dtype):
    assert value().dtype == dtype


def test_products_of_mixed_dtypes_are_refused():
    with pytest.raises(TypeError, match="matmul: dtypes float32 and float64 are mixed"):
        tg.tensor([[1.0]]) @ tg.tensor([[1.0]], f64)


# -- conversions ---------------------------------------------------------------------------------------------


def test_numpy_sees_a_read_only_view():
    x = tg.tensor([1.0, 2.0])
    a = np.asarray(x)
    assert np.shares_memory(a, x._data)
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 5
    assert np.array(x).flags.writeable
    assert np.asarray(x, dtype=f64).dtype == f64
    assert (np.ones(2) @ np.asarray(x)).item() == 3


def test_a_copy_that_is_forbidden_and_needed():
    with pytest.raises(ValueError, match="without a copy"):
        np.asarray(tg.tensor([1.0]), dtype=f64, copy=False)


def test_dlpack_goes_both_ways_on_the_same_memory():
    x = tg.tensor([1.0, 2.0])
    assert np.shares_memory(np.from_dlpack(x), x._data)
    a = np.arange(3.0)
    y = tg.from_dlpack(a)
    assert np.shares_memory(y._data, a)
    assert y.dtype == f64
    assert not tg.from_dlpack(tg.tensor([1.0], requires_grad=True)).requires_grad


def test_torch_and_tinygen_share_memory():
    torch = pytest.importorskip("torch")
    x = tg.tensor([1.0, 2.0])
    t = torch.from_dlpack(x)
    t[0] = 5
    assert x.tolist() == [5, 2]
    assert tg.from_dlpack(torch.ones(2, dtype=torch.float64)).dtype == f64


def test_item_truth_length_and_numbers():
    assert tg.tensor([[2.5]]).item() == 2.5
    assert (float(tg.tensor(2.5)), int(tg.tensor(2.0)), bool(tg.tensor([0.0]))) == (2.5, 2, False)
    assert [10, 20, 30][tg.tensor(1)] == 20
    assert len(tg.tensor([[1, 2]])) == 1
    assert f"{tg.tensor(2.5):.2f}" == "2.50"
    assert [row.tolist() for row in tg.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
    for wrong, error in (
        (lambda: tg.tensor([1.0, 2.0]).item(), ValueError),
        (lambda: bool(tg.tensor([1.0, 2.0])), ValueError),
        (lambda: len(tg.tensor(1.0)), TypeError),
        (lambda: [1, 2][tg.tensor(1.0)], TypeError),
    ):
        with pytest.raises(error):
            wrong()


def test_repr_shows_values_dtype_and_where_it_comes_from():
    assert repr(tg.tensor([1.0, 2.0])) == "tensor([1., 2.])"
    assert repr(tg.tensor([1.0], f64, requires_grad=True)) == "tensor([1.], dtype=float64, requires_grad=True)"
    assert "made by exp" in repr(tg.exp(tg.tensor([1.0], requires_grad=True)))


# -- operators -----------------------------------------------------------------------------------------------


def test_operators_take_numbers_and_arrays_on_either_side():
    x, a = tg.tensor([4.0, 9.0]), np.array([2.0, 3.0], f32)
    for result, expected in (
        (a + x, [6, 12]),
        (a - x, [-2, -6]),
        (a * x, [8, 27]),
        (x / a, [2, 3]),
        (a / x, [0.5, 1 / 3]),
        (2 - x, [-2, -7]),
        (1 / x, [0.25, 1 / 9]),
        (2**x, [16, 512]),
        (x // 2, [2, 4]),
        (7 % x, [3, 7]),
        (-x, [-4, -9]),
        (abs(-x), [4, 9]),
        (+x, [4, 9]),
        (x @ a, 35),
        (a @ x, 35),
        (x == a + 2, [True, False]),
        (a < x, [True, True]),
        ((x > 5) & tg.tensor([True, True]), [False, True]),
        (~(x > 5), [True, False]),
    ):
        assert isinstance(result, tg.Tensor)
        np.testing.assert_allclose(np.asarray(result), expected, rtol=1e-6)


def test_functions_take_nested_numbers_too():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = tg.multiply(x, [3.0, 4.0])
    assert y.dtype == f32
    assert tg.grad(y.sum(), x)[0].tolist() == [3, 4]
    assert tg.sum([[1.0, 2.0], [3.0, 4.0]], axis=0).tolist() == [4, 6]
    assert tg.where([True, False], x, 0.0).tolist() == [1, 0]
    assert tg.concat([[1.0], [2.0]]).tolist() == [1, 2]


def test_strangers_are_left_to_python():
    x = tg.tensor(1.0)
    assert x != "one"
    assert (x == None) is False  # noqa: E711
    with pytest.raises(TypeError):
        x + "one"
    with pytest.raises(TypeError):
        np.sin(x)  # NumPy's functions would lose the gradient without a word


# -- writing, copying, storing -------------------------------------------------------------------------------


def test_writing_in_place_and_what_refuses_it():
    x = tg.tensor([1.0, 2.0, 3.0])
    x[1:] = 0.0
    x[tg.tensor([True, False, False])] = tg.tensor([7.0])
    assert x.tolist() == [7, 0, 0]
    with pytest.raises(TypeError, match="written in place"):
        tg.tensor([1.0], requires_grad=True)[0] = 2.0
    with pytest.raises(TypeError, match="written in place"):
        x[0] = tg.tensor(1.0, requires_grad=True)
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        x.data = np.ones(2, f32)


def test_detach_shares_memory_and_drops_the_history():
    x = tg.tensor([1.0], requires_grad=True)
    y = (x * 2).detach()
    assert y.is_leaf
    assert not y.requires_grad
    assert np.shares_memory(x.detach()._data, x._data)


@pytest.mark.parametrize("twin_of", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_and_pickles_of_leaves(twin_of):
    x = tg.tensor([[1.0, 2.0]], f64, requires_grad=True)
    y = twin_of(x)
    assert (y.tolist(), y.dtype, y.requires_grad) == (x.tolist(), f64, True)
    assert not np.shares_memory(y._data, x._data)
    y.data[0, 0] = 9.0
    assert x.tolist() == [[1, 2]]
    (y * y).sum().backward()
    assert y.grad.tolist() == [[18, 4]]
    assert x.grad is None


def test_what_was_pickled_has_the_dtype_that_calls_ask_for():
    """NumPy gives it one of its own, which results would inherit; and every call would take the longer way."""
    ours = np.dtype(f32)
    array = pickle.loads(pickle.dumps(np.ones((2, 3), f32)))
    assert array.dtype is not ours
    lent = tg.asarray(array, copy=False)
    for x in (lent, as_tensor(array), tg.tensor(array), nn.Parameter(array)):
        assert x.dtype is ours
    for x in (tg.ones(2), nn.Parameter(np.ones(2, f32)), tg.ones(2, dtype=f64)):
        assert pickle.loads(pickle.dumps(x)).dtype is x.dtype
    array[0, 0] = 7.0
    assert lent.tolist()[0][0] == 7.0


def test_a_deep_copy_keeps_what_is_shared_shared():
    x = tg.tensor([1.0])
    a, b = copy.deepcopy([x, x])
    assert a is b


@pytest.mark.parametrize("twin_of", [copy.copy, copy.deepcopy, pickle.dumps])
def test_results_of_operations_are_not_copied_without_their_history(twin_of):
    with pytest.raises(TypeError, match="no operation made"):
        twin_of(tg.tensor([1.0], requires_grad=True) * 2)


def test_methods_are_the_functions():
    x = tg.tensor(np.random.default_rng(0).uniform(0.1, 1, (2, 3)))
    for name in ("sum", "mean", "max", "min", "var", "std", "prod", "exp", "log", "sqrt", "tanh", "sigmoid", "abs"):
        np.testing.assert_array_equal(np.asarray(getattr(x, name)()), np.asarray(getattr(tg, name)(x)))
    assert x.reshape(3, 2).shape == x.reshape((3, 2)).shape == (3, 2)
    assert x.permute(1, 0).shape == x.permute((1, 0)).shape == x.T.shape == x.mT.shape == x.transpose(0, 1).shape
    assert x[None].squeeze(0).flatten().shape == (6,)
    assert x.any().item() is True
    assert x.argmax(axis=1).shape == (2,)

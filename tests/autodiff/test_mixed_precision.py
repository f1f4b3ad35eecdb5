"""bfloat16 and mixed precision: what gives which dtype, and how far from exact each operation and gradient is.

U = 2^-8 is the unit of rounding: a number becomes one of bfloat16 that is within U of it, relatively. Where one bound
is for all entries of a result ("by norm"), |found - exact| / |exact| is taken of Euclidean norms.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygen as tg
import tinygen.nn.functional as F
from tinygen import kernels, nn
from tinygen.autodiff.mixed_precision import KEPT, LAYERS
from tinygen.autodiff.primitive import REGISTRY
from tinygen.autodiff.tape import mode
from tinygen.tensor import Tensor

U = 2.0**-8
FLOAT32 = np.dtype(np.float32)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def narrow(*shape, seed=0):
    return tg.tensor(numbers(*shape, seed=seed), dtype="bfloat16")


def full(*shape, seed=0):
    return Tensor(numbers(*shape, seed=seed).astype(np.float32), requires_grad=True)


def exactly(x):
    """The values of a tensor in float64."""
    return np.asarray(x).astype(np.float64)


def by_norm(found, exact):
    return np.linalg.norm(exactly(found) - exactly(exact)) / np.linalg.norm(exactly(exact))


# -- which dtype ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        *(lambda x: x + x, lambda x: 0.1 * x, lambda x: 1 - x, lambda x: x / 3, tg.tanh, tg.relu, F.silu, F.gelu),
        *(lambda x: x[1:], lambda x: x[[0, 0]], lambda x: tg.concat([x, x]), lambda x: x @ x.T, lambda x: tg.pad(x, 1)),
        *(lambda x: tg.where(x > 0, x, 0.0), lambda x: tg.maximum(x, 0.0), lambda x: x + tg.tensor([1, 2, 3, 4])),
        *(
            lambda x: F.layer_norm(x, 4),
            lambda x: F.group_norm(x, 2),
            lambda x: F.dropout(x, 0.5, True, tg.random.Generator(0)),
        ),
        lambda x: F.layer_norm(x, 4, tg.ones(4), tg.zeros(4)),
    ],
)
def test_what_networks_are_made_of_stays_bfloat16(make):
    assert make(narrow(3, 4)).dtype == tg.bfloat16


@pytest.mark.parametrize(
    "make",
    [
        *(
            tg.exp,
            tg.log,
            tg.sqrt,
            tg.sum,
            tg.prod,
            tg.mean,
            tg.softmax,
            tg.logsumexp,
            tg.std,
            F.softplus,
            lambda x: x**2,
        ),
        *(lambda x: F.mse_loss(x, x), lambda x: F.mse_loss(x, full(3, 4)), lambda x: tg.linalg.slogdet(x @ x.T)[1]),
        lambda x: F.cross_entropy(x, tg.tensor([0, 1, 2])),
        *(lambda x: x + full(3, 4), lambda x: tg.concat([x, full(3, 4)]), lambda x: x @ full(4, 3)),
    ],
)
def test_sums_logarithms_and_losses_are_float32_and_so_is_what_meets_float32(make):
    assert make(narrow(3, 4)).dtype == FLOAT32


def test_the_dtype_by_its_name_and_what_is_known_of_it():
    x = tg.tensor([1.0, 2.5], dtype="bfloat16")
    assert x.dtype == tg.bfloat16 == tg.zeros(2, dtype="bfloat16").dtype == tg.ones(2).to("bfloat16").dtype
    assert repr(x) == "tensor([1. , 2.5], dtype=bfloat16)"
    assert tg.finfo(x).eps == 2 * U
    assert tg.isdtype(x.dtype, "real floating")
    assert not tg.isdtype(x.dtype, ("integral", tg.float32))
    assert tg.result_type(x, 2.0, "int64") == tg.bfloat16
    assert tg.result_type(x, tg.float32) == FLOAT32
    assert tg.result_type(x, tg.float64) == np.float64


def test_the_table_names_operations_that_there_are():
    import tinygen.ops.gate

    assert REGISTRY.keys() >= KEPT, tinygen.ops.gate
    assert all(hasattr(F, name) for name in LAYERS)


# -- the switch ----------------------------------------------------------------------------------------------


def test_layers_take_copies_and_gradients_come_back_in_float32():
    x, w, b = full(5, 4), full(3, 4, seed=1), full(3, seed=2)
    assert F.linear(x, w, b).dtype == FLOAT32  # off by default
    with tg.mixed_precision():
        y = F.linear(x, w, b)
        with tg.mixed_precision(False):
            assert F.linear(x, w, b).dtype == FLOAT32
        assert F.linear(x, w, b).dtype == tg.bfloat16
        assert (x @ w.T).dtype == FLOAT32  # a plain product is no layer
        assert F.linear(*(t.to("float64") for t in (x, w, b))).dtype == np.float64
    assert not mode.mixed
    assert y.dtype == tg.bfloat16
    (y * y).sum().backward()
    assert {t.grad.dtype for t in (x, w, b)} == {FLOAT32}


def test_the_optimiser_moves_float32_weights_by_less_than_bfloat16_can_tell():
    layer = nn.Linear(8, 8, rng=tg.random.Generator(0))
    adam = tg.optim.Adam(layer.parameters(), lr=1e-5)
    before = exactly(layer.weight)
    with tg.mixed_precision():
        layer(narrow(4, 8)).sum().backward()
    adam.step()
    assert layer.weight.dtype == layer.weight.grad.dtype == FLOAT32
    assert all(m.dtype == FLOAT32 for m in adam.state[0].values() if hasattr(m, "dtype"))
    moved = np.abs(exactly(layer.weight) - before)
    assert (moved > 0).all()
    assert moved.max() < 1.1e-5


def test_what_is_computed_again_is_computed_as_the_first_time():
    layer = nn.Linear(4, 4, rng=tg.random.Generator(0))
    gradients = []
    for run in (lambda x: layer(x), lambda x: tg.checkpoint(lambda x: layer(x), x)):
        layer.zero_grad()
        with tg.mixed_precision():
            y = run(full(3, 4))
        y.sum().backward()  # outside of the block
        gradients.append(exactly(layer.weight.grad))
    assert np.array_equal(*gradients)


def test_gradients_of_gradients():
    """|f'|^2 through convolutions and a norm, as a gradient penalty takes it."""
    found = []
    for on in (False, True):
        x, w = full(2, 3, 5, 5), full(4, 3, 3, 3, seed=1)
        with tg.mixed_precision(on):
            y = F.silu(F.group_norm(F.conv2d(x, w, padding=1), 2)).sum()
            (g,) = tg.grad(y, x, create_graph=True)
            (g * g).sum().backward()
        found.append((g, w.grad))
    for exact, ours in zip(*found):
        assert ours.dtype == FLOAT32
        assert by_norm(ours, exact) < 8 * U


# -- how far off ---------------------------------------------------------------------------------------------

sizes = st.integers(1, 6)
channels = st.sampled_from([2, 4, 8])


def as_images(x):
    """(n, m) as one image of one channel, or a filter for such."""
    return x.reshape(1, 1, *x.shape)


CASES = {
    "add": (lambda a, b: a + b, 2),
    "multiply": (lambda a, b: a * b, 2),
    "divide": (lambda a, b: a / (b * b + 1), 2),
    "silu": (F.silu, 1),
    "gelu": (F.gelu, 1),
    "elu": (F.elu, 1),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.3), 1),
    "sigmoid": (F.sigmoid, 1),
    "tanh": (tg.tanh, 1),
    "matmul": (lambda a, b: a @ b.T, 2),
    "conv2d": (lambda a, b: F.conv2d(as_images(a), as_images(b), padding=1), 2),
    "conv_transpose2d": (lambda a, b: F.conv_transpose2d(as_images(a), as_images(b), stride=2), 2),
    "attention": (F.scaled_dot_product_attention, 3),
    "where": (lambda a, b: tg.where(exactly(a) > 0, a, b), 2),
    "indices": (lambda x: x[[0, 0, -1]], 1),
    "rows": (lambda x: x.reshape(-1, 1)[[0] * 50], 1),
    "avg_pool2d": (lambda x: F.avg_pool2d(as_images(x), (1, 2)), 1),
    "group_norm": (lambda x: F.group_norm(as_images(x), 1, eps=1e-2, silu=True), 1),
    "layer_norm": (lambda x: F.layer_norm(x, x.shape[-1], eps=1e-2), 1),
    "rms_norm": (lambda x: F.rms_norm(x, x.shape[-1], eps=1e-2), 1),
    "softmax": (tg.softmax, 1),
    "log_softmax": (tg.log_softmax, 1),
    "sum": (lambda x: tg.sum(x, 0), 1),
    "logsumexp": (lambda x: tg.logsumexp(x, 1), 1),
}
# those with several roundings: of an output or a term that the gradient is made of
SEVERAL = {"divide": 4, "sigmoid": 3, "tanh": 4, "attention": 8}


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=8)
@given(data=st.data())
def test_an_operation_rounds_once(name, data):
    """Each entry is within U of the exact value for the same arguments, its gradient within U of its own, by norm."""
    function, count = CASES[name]
    shapes = data.draw(st.builds(lambda n, m: [(n, m + 1)] * count, sizes, sizes))
    given = [narrow(*shape, seed=i) for i, shape in enumerate(shapes)]
    ours = [Tensor(x._data, requires_grad=True) for x in given]
    exact = [Tensor(exactly(x), requires_grad=True) for x in given]
    y, z = function(*ours), function(*exact)
    assert (np.abs(exactly(y) - exactly(z)) <= U * np.abs(exactly(z)) * SEVERAL.get(name, 1) + 1e-6).all()
    cotangent = narrow(*y.shape, seed=9)
    (y * cotangent).sum().backward()
    (z * Tensor(exactly(cotangent))).sum().backward()
    for a, b in zip(ours, exact):
        assert a.grad.dtype == tg.bfloat16
        size = np.linalg.norm(exactly(b.grad))
        assert np.linalg.norm(exactly(a.grad) - exactly(b.grad)) <= SEVERAL.get(name, 1) * U * size + 1e-6


@settings(max_examples=10)
@given(n=sizes, size=st.integers(3, 7), c=channels, k=channels, kernel=st.sampled_from([1, 3]))
def test_a_layer_rounds_its_arguments_and_its_result(n, size, c, k, kernel):
    """|found - x w| <= (2 U + U^2) |x| |w| + U |x w|, entry by entry; gradients within 2 U by norm."""
    x, w, b = full(n, c, size, size), full(k, c, kernel, kernel, seed=1), full(k, seed=2)
    exact = [Tensor(exactly(t), requires_grad=True) for t in (x, w, b)]
    with tg.mixed_precision():
        y = F.conv2d(x, w, b, padding=kernel // 2)
    z = F.conv2d(*exact, padding=kernel // 2)
    sizes_of_terms = exactly(F.conv2d(*(Tensor(np.abs(exactly(t))) for t in (x, w, b)), padding=kernel // 2))
    assert y.dtype == tg.bfloat16
    assert (np.abs(exactly(y) - exactly(z)) <= (2.1 * U) * sizes_of_terms + U * np.abs(exactly(z))).all()
    cotangent = numbers(*y.shape, seed=9)
    (y * Tensor(cotangent.astype(np.float32))).sum().backward()
    (z * Tensor(cotangent)).sum().backward()
    for ours, of_exact in zip((x, w, b), exact):
        assert by_norm(ours.grad, of_exact.grad) <= 2 * U


@settings(max_examples=8)
@given(t=sizes, s=sizes, d=st.sampled_from([4, 8, 16]), is_causal=st.booleans())
def test_attention_is_within_a_few_units(t, s, d, is_causal):
    given = [full(2, t, d), full(2, s, d, seed=1), full(2, s, d, seed=2)]
    exact = [Tensor(exactly(x), requires_grad=True) for x in given]
    with tg.mixed_precision():
        y = F.scaled_dot_product_attention(*given, is_causal=is_causal)
    z = F.scaled_dot_product_attention(*exact, is_causal=is_causal)
    assert by_norm(y, z) <= 3 * U
    cotangent = numbers(*y.shape, seed=9)
    (y * Tensor(cotangent.astype(np.float32))).sum().backward()
    (z * Tensor(cotangent)).sum().backward()
    scale = max(np.linalg.norm(exactly(x.grad)) for x in exact)
    for ours, of_exact in zip(given, exact):
        assert np.linalg.norm(exactly(ours.grad) - exactly(of_exact.grad)) <= 4 * U * scale


def test_sums_of_many_are_not_added_up_in_bfloat16():
    """4096 ones and a rest: bfloat16 stops counting at 256."""
    x = Tensor(tg.ones(4097, dtype="bfloat16")._data, requires_grad=True)
    rows = tg.ones(1, 4097, dtype="bfloat16")
    assert tg.sum(x).item() == 4097
    assert (rows @ x.reshape(-1, 1)).item() == 4096  # the number of bfloat16 next to it
    assert F.conv2d(x.reshape(1, 4097, 1, 1), rows.reshape(1, 4097, 1, 1)).item() == 4096
    x[np.zeros(3000, int)].sum().backward()
    assert exactly(x.grad)[0] == 3008  # next to 3000


def test_statistics_and_losses_are_not_rounded():
    x, w = narrow(5, 6)._data, np.ones(6, np.float32)
    kept = [
        *kernels.layer_norm(x, 1, w, w, 1e-3)[1:],
        *kernels.group_norm(x, 2, w, w, 1e-3)[1:],
        *kernels.batch_norm(x, w, w, 1e-3)[1:],
        kernels.rms_norm(x, 1, w, 1e-3)[1],
        kernels.attention(x, x, x, None, False, 1.0)[1],
        *kernels.cross_entropy(x, np.arange(5)),
    ]
    assert {statistic.dtype for statistic in kept} == {FLOAT32}
    a, b = narrow(200), narrow(200, seed=1)
    for loss in (F.mse_loss, F.l1_loss, F.huber_loss):
        assert loss(a, b).item() == pytest.approx(loss(Tensor(exactly(a)), Tensor(exactly(b))).item(), rel=1e-6)
        assert loss(a, b, reduction="none").dtype == FLOAT32


def test_a_number_is_not_rounded_before_it_is_used():
    """0.1 has an error of U / 3 in bfloat16: it would show in each of these as a shift to one side."""
    x = narrow(10000)
    for function in (lambda x: x * 0.1, lambda x: x / 0.1, lambda x: 0.1 - x, lambda x: F.leaky_relu(-abs(x), 0.1)):
        found, exact = exactly(function(x)), exactly(function(Tensor(exactly(x))))
        assert abs(np.mean(found / exact - 1)) < 0.02 * U

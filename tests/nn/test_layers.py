"""Dropout, attention, tables, pooling, resizing, losses: what must hold whatever PyTorch does."""

import copy
import math

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.nn import functional as F
from tinygen.testing import check_adjoint, gradcheck

RNG = np.random.default_rng(0)


def test_dropout_keeps_the_mean_and_the_kept_entries():
    n, p = 100_000, 0.3
    y = F.dropout(tg.ones(n), p, rng=tg.random.Generator(0)).numpy()
    kept = y != 0
    np.testing.assert_allclose(y[kept], 1 / (1 - p), rtol=1e-6)
    assert abs(kept.mean() - (1 - p)) < 5 * math.sqrt(p * (1 - p) / n)


def test_dropout_is_nothing_out_of_training_and_everything_at_probability_one():
    layer = nn.Dropout(0.5, rng=tg.random.Generator(0))
    x = tg.tensor(RNG.normal(size=(3, 4)), requires_grad=True)
    np.testing.assert_array_equal(layer.eval()(x).detach(), x.detach())
    assert not np.array_equal(layer.train()(x).detach(), layer(x).detach())
    assert not F.dropout(x, 1.0, rng=tg.random.Generator(0)).detach().numpy().any()


def test_the_gradient_of_dropout_is_its_own_mask():
    x = tg.tensor(RNG.normal(size=(3, 4)), requires_grad=True)
    y = F.dropout(x, 0.5, rng=tg.random.Generator(0))
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy() * x.detach().numpy(), y.detach().numpy())


def test_what_is_dropped_keeps_its_poles_to_itself():
    x = tg.tensor(np.zeros(64, np.float32), requires_grad=True)
    (gradient,) = tg.grad(F.dropout(tg.sqrt(x), 0.5, rng=tg.random.Generator(0)).sum(), [x])
    kept = tg.random.Generator(0).uniform(64).numpy() >= 0.5
    assert (gradient.numpy() == np.where(kept, np.inf, 0.0)).all()


@pytest.mark.filterwarnings("error")
def test_dropout_overflows_in_silence():
    assert tg.isinf(F.dropout(tg.full(9, 3e38), 0.5, rng=tg.random.Generator(0))).any()


def test_dropout_has_no_hidden_generator():
    with pytest.raises(TypeError, match="needs rng"):
        F.dropout(tg.ones(3), 0.5)
    with pytest.raises(ValueError, match=r"from 0 to 1, not 1\.5"):
        nn.Dropout(1.5)
    a, b = (nn.Dropout(rng=tg.random.Generator(4))(tg.ones(64)).numpy() for _ in range(2))
    np.testing.assert_array_equal(a, b)


# -- attention -----------------------------------------------------------------------------------------------


def attend(**options):
    layer = nn.MultiheadAttention(8, 2, batch_first=True, rng=tg.random.Generator(0), dtype="float64")
    return lambda x: layer(x, x, x, **options)[0].detach().numpy()


SEQUENCE = RNG.normal(size=(2, 5, 8))


def test_self_attention_commutes_with_permutations_of_the_sequence():
    order = RNG.permutation(5)
    np.testing.assert_allclose(attend()(tg.tensor(SEQUENCE))[:, order], attend()(tg.tensor(SEQUENCE[:, order])))


def test_causal_attention_sees_only_what_came_before():
    changed = SEQUENCE.copy()
    changed[:, 3:] += 1.0
    before, after = (attend(is_causal=True)(tg.tensor(x)) for x in (SEQUENCE, changed))
    np.testing.assert_allclose(before[:, :3], after[:, :3])
    assert np.abs(before[:, 3:] - after[:, 3:]).max() > 1e-3


def test_keys_under_the_padding_mask_do_not_count():
    padding = np.array([[False] * 5, [False, False, False, True, True]])
    changed = SEQUENCE.copy()
    changed[1, 3:] = 100.0
    rows = slice(0, 3)
    a, b = (attend(key_padding_mask=padding)(tg.tensor(x)) for x in (SEQUENCE, changed))
    np.testing.assert_allclose(a[1, rows], b[1, rows])
    short = attend()(tg.tensor(SEQUENCE[1:, :3]))
    np.testing.assert_allclose(a[1:, rows], short)


def test_what_attention_does_not_do_is_said():
    layer = nn.MultiheadAttention(8, 2)
    x = tg.ones(3, 2, 8)
    with pytest.raises(ValueError, match="never forms the weights"):
        layer(x, x, x, need_weights=True)
    with pytest.raises(ValueError, match="num_heads=3 must divide embed_dim=8"):
        nn.MultiheadAttention(8, 3)
    with pytest.raises(ValueError, match=r"key must be three axes, the last of 8, found \(3, 2, 6\)"):
        layer(x, tg.ones(3, 2, 6), x)
    with pytest.raises(ValueError, match=r"key_padding_mask must be \(2, 3\), found \(3, 2\)"):
        layer(x, x, x, key_padding_mask=np.zeros((3, 2), bool))
    with pytest.raises(ValueError, match="batch sizes, or the lengths"):
        layer(x, tg.ones(3, 1, 8), x)


# -- spectral norm -------------------------------------------------------------------------------------------


def converged(layer):
    """`layer` under spectral norm, after enough power iterations, in evaluation mode."""
    layer = nn.spectral_norm(layer, n_power_iterations=500, rng=tg.random.Generator(1))
    _ = layer.weight
    return layer.eval()


@pytest.mark.parametrize("kind", ["linear", "conv", "transposed"])
def test_the_largest_singular_value_becomes_one(kind):
    rng = tg.random.Generator(0)
    layer = {
        "linear": lambda: nn.Linear(6, 4, rng=rng, dtype="float64"),
        "conv": lambda: nn.Conv2d(3, 4, 3, rng=rng, dtype="float64"),
        "transposed": lambda: nn.ConvTranspose2d(3, 4, 3, rng=rng, dtype="float64"),
    }[kind]()
    weight = converged(layer).weight.detach().numpy()
    matrix = (weight.swapaxes(0, 1) if kind == "transposed" else weight).reshape(4, -1)
    np.testing.assert_allclose(np.linalg.norm(matrix, 2), 1.0, rtol=1e-10)


def test_using_a_normalised_layer_twice_before_the_gradient_is_allowed():
    layer = nn.spectral_norm(nn.Linear(6, 4, rng=tg.random.Generator(0)), rng=tg.random.Generator(1))
    (layer(tg.ones(2, 6)).sum() + layer(tg.ones(3, 6)).sum()).backward()
    assert layer.weight_orig.grad is not None
    assert [name for name, _ in layer.named_parameters()] == ["bias", "weight_orig"]
    assert layer.state_dict().keys() == {"bias", "weight_orig", "weight_u", "weight_v"}


def test_power_iteration_runs_in_training_only_and_a_copy_has_its_own():
    layer = nn.spectral_norm(nn.Linear(6, 4, rng=tg.random.Generator(0)), rng=tg.random.Generator(1))
    twin = copy.deepcopy(layer)
    for net, moves in ((layer, True), (layer.eval(), False)):
        before = np.array(net.weight_u)
        net.train(moves)(tg.ones(2, 6))
        assert np.array_equal(before, net.weight_u) != moves
    assert not np.array_equal(twin.weight_u, layer.weight_u)
    repr(layer)


def test_spectral_norm_needs_a_matrix():
    with pytest.raises(ValueError, match="'bias' is no parameter of Linear with two or more axes"):
        nn.spectral_norm(nn.Linear(2, 2), "bias")
    with pytest.raises(ValueError, match="n_power_iterations must be at least 1"):
        nn.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)


# -- tables, pooling, resizing -------------------------------------------------------------------------------


def test_a_row_used_several_times_gathers_all_its_gradients():
    layer = nn.Embedding(4, 2, rng=tg.random.Generator(0))
    layer(np.array([1, 1, 3])).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad, [[0, 0], [2, 2], [0, 0], [1, 1]])


def test_an_embedding_is_a_one_hot_times_the_table():
    layer = nn.Embedding(4, 2, rng=tg.random.Generator(0))
    index = np.array([[3, 0], [1, 1]])
    hot = F.one_hot(index, 4, dtype="float32")
    np.testing.assert_array_equal(layer(index).detach(), (hot @ layer.weight).detach())


@pytest.mark.parametrize("index", [[-1], [4]])
def test_an_index_out_of_range_is_refused(index):
    with pytest.raises(IndexError, match=f"index {index[0]} is outside 0 to 3"):
        nn.Embedding(4, 2)(np.array(index))
    with pytest.raises(TypeError, match="indices are integers, not float64"):
        nn.Embedding(4, 2)(np.array([0.5]))


def test_pooling_a_constant_gives_it_back():
    x = tg.full((1, 2, 6, 6), 3.0)
    for y in (F.max_pool2d(x, 2), F.avg_pool2d(x, 3), F.max_pool2d(x, 3, 2, 1)):
        np.testing.assert_allclose(y, 3.0)


def test_the_first_of_equal_maxima_gets_the_gradient_and_nan_wins():
    x = tg.ones(1, 1, 2, 2, requires_grad=True)
    F.max_pool2d(x, 2).sum().backward()
    np.testing.assert_array_equal(x.grad[0, 0], [[1, 0], [0, 0]])
    assert np.isnan(F.max_pool2d(np.array([[[[1.0, np.nan], [3.0, 2.0]]]]), 2).item())


@pytest.mark.parametrize("stride", [1, 2])
def test_a_cotangent_that_is_nan_reaches_the_chosen_entry_alone(stride):
    x = tg.tensor(np.arange(9.0).reshape(1, 1, 3, 3), requires_grad=True)
    y = F.max_pool2d(x, 2, stride)
    (g,) = tg.grad(y, x, np.full(y.shape, np.nan))
    chosen = {1: [[0, 0, 0], [0, 1, 1], [0, 1, 1]], 2: [[0, 0, 0], [0, 1, 0], [0, 0, 0]]}[stride]
    np.testing.assert_array_equal(np.isnan(g.numpy()[0, 0]), np.array(chosen, bool))


@pytest.mark.parametrize("layout", ["channels first", "channels last"])
def test_pooling_in_either_memory_layout(layout):
    x = RNG.permutation(2 * 3 * 5 * 6).reshape(2, 3, 5, 6) * 0.1  # no two near each other
    if layout == "channels last":
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert gradcheck(lambda x: F.max_pool2d(x, (2, 3), 1), x, order=2)
    np.testing.assert_allclose(F.avg_pool2d(x, (5, 6)).numpy()[..., 0, 0], x.mean((2, 3)))
    y = F.interpolate(x, scale_factor=2)
    assert (y._data.strides[1] == 8) == (layout == "channels last")


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize(("channels", "kernel"), [(3, (3, 3)), (2, (1, 5)), (32, (3, 3))])
@pytest.mark.parametrize("slope", [1.0, 0.2])
def test_a_convolution_of_doubled_images_makes_none(channels, kernel, slope, dtype, tolerance):
    """Values and all gradients are those of the two operations."""
    layer = nn.Conv2d(channels, 32, kernel, padding=(kernel[0] // 2, kernel[1] // 2), dtype=dtype)
    image = RNG.normal(size=(2, channels, 7, 6)).astype(dtype)
    cotangent = RNG.normal(size=(2, 32, 14, 12)).astype(dtype)

    def results(apply):
        x = tg.tensor(image, requires_grad=True)
        y = apply(x)
        return [y.detach(), *tg.grad(y, [x, layer.weight, layer.bias], cotangent)]

    found = results(lambda x: layer(x, slope, doubled=True))
    for a, b in zip(found, results(lambda x: layer(F.interpolate(x, scale_factor=2), slope)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b.numpy()).max())


@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_a_shift_of_each_image_is_added_to_the_bias(bias, doubled):
    """Values and all gradients are those of an addition behind."""
    layer = nn.Conv2d(32, 32, 3, padding=1, bias=bias, dtype=np.float64)
    images, shifts = RNG.normal(size=(2, 32, 7, 6)), RNG.normal(size=(2, 32))

    def results(apply):
        x, shift = tg.tensor(images, requires_grad=True), tg.tensor(shifts, requires_grad=True)
        y = apply(x, shift)
        weights = [p for p in (layer.weight, layer.bias) if p is not None]
        return [y.detach(), *tg.grad((y * y).sum(), [x, shift, *weights])]

    found = results(lambda x, shift: layer(x, doubled=doubled, shift=shift))
    expected = results(lambda x, shift: layer(x, doubled=doubled) + shift.reshape(2, 32, 1, 1))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * np.abs(b.numpy()).max())


def test_what_cannot_be_doubled_is_said():
    x = tg.ones(1, 2, 4, 4)
    with pytest.raises(ValueError, match=r"images are doubled for stride 1, .* padding \(1, 1\), .* padding \(0, 0\)"):
        nn.Conv2d(2, 2, 3)(x, doubled=True)
    with pytest.raises(ValueError, match=r"odd in height and width, are needed, found \(2, 2, 4, 3\)"):
        F.conv2d_doubled(x, tg.ones(2, 2, 4, 3))
    with pytest.raises(ValueError, match=r"take images \(N, 3, H, W\), found \(1, 2, 4, 4\)"):
        F.conv2d_doubled(x, tg.ones(2, 3, 3, 3))
    with pytest.raises(ValueError, match="conv_transpose2d: negative_slope is from 0 to 1, not -1"):
        F.conv_transpose2d(x, tg.ones(2, 2, 3, 3), negative_slope=-1)


def test_enlarging_repeats_and_its_adjoint_sums():
    x = RNG.normal(size=(2, 3, 4, 5))
    np.testing.assert_array_equal(F.interpolate(x, scale_factor=2), x.repeat(2, 2).repeat(2, 3))
    np.testing.assert_allclose(F.avg_pool2d(F.interpolate(x, (12, 10)), (3, 2)), x, rtol=1e-12)
    assert check_adjoint(
        lambda x: F.interpolate(x, scale_factor=(2, 3)),
        lambda y: F.avg_pool2d(y, (2, 3)) * 6.0,
        x,
        RNG.normal(size=(2, 3, 8, 15)),
    )


def test_bilinear_interpolation_is_exact_on_linear_images():
    i, j = np.mgrid[0:4, 0:5].astype(float)
    image = (2 * i - 3 * j + 1)[None, None]
    y = F.interpolate(image, (7, 9), mode="bilinear", align_corners=True).numpy()[0, 0]
    u, v = np.mgrid[0:7, 0:9].astype(float)
    np.testing.assert_allclose(y, 2 * u * 3 / 6 - 3 * v * 4 / 8 + 1, atol=1e-12)


def test_what_does_not_fit_pooling_and_resizing():
    x = tg.ones(1, 1, 4, 4)
    with pytest.raises(ValueError, match="spans 5 does not fit an image of size 4"):
        F.max_pool2d(x, 5)
    with pytest.raises(ValueError, match="padding=2 must be at most half of kernel_size=2"):
        F.avg_pool2d(x, 2, padding=2)
    with pytest.raises(ValueError, match=r"images \(N, C, H, W\) are needed, found shape \(4, 4\)"):
        F.max_pool2d(tg.ones(4, 4), 2)
    with pytest.raises(ValueError, match="one of size and scale_factor"):
        F.interpolate(x)
    with pytest.raises(ValueError, match='mode is "nearest" or "bilinear", not \'cubic\''):
        F.interpolate(x, 8, mode="cubic")
    with pytest.raises(ValueError, match="leaves nothing"):
        F.interpolate(x, scale_factor=0.1)


# -- linear and losses ---------------------------------------------------------------------------------------


def test_what_does_not_fit_a_linear_map():
    with pytest.raises(ValueError, match=r"x of shape \(2, 3\) and a weight of shape \(5, 4\) do not fit"):
        F.linear(tg.ones(2, 3), tg.ones(5, 4))
    with pytest.raises(ValueError, match=r"bias has shape \(4,\), 5 outputs need \(5,\)"):
        F.linear(tg.ones(2, 4), tg.ones(5, 4), tg.ones(4))
    with pytest.raises(TypeError, match="float32 and float64 are mixed"):
        nn.Linear(3, 2)(tg.ones(2, 3, dtype="float64"))
    with pytest.raises(ValueError, match="groups=3 must divide in_channels=4"):
        nn.Conv2d(4, 6, 3, groups=3)
    with pytest.raises(ValueError, match="dilation=0"):
        nn.Conv2d(4, 6, 3, dilation=0)


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.huber_loss, F.binary_cross_entropy_with_logits])
def test_reductions_agree_and_shapes_are_not_broadcast(loss):
    x, t = RNG.normal(size=(3, 4)), RNG.uniform(size=(3, 4))
    each = loss(x, t, reduction="none").numpy()
    np.testing.assert_allclose(loss(x, t).item(), each.mean())
    np.testing.assert_allclose(loss(x, t, reduction="sum").item(), each.sum())
    with pytest.raises(ValueError, match=r"\(3, 4\) and \(3, 1\) must be equal"):
        loss(x, t[:, :1])
    with pytest.raises(ValueError, match='reduction is "mean", "sum" or "none", not \'avg\''):
        loss(x, t, reduction="avg")
    with pytest.raises(TypeError, match="float32 and float64 are mixed"):
        loss(x.astype(np.float32), t)


def test_huber_is_a_square_within_delta_and_a_line_beyond():
    x, d = tg.tensor([0.0, 0.5, -1.0, 2.0, -4.0, 5.0], requires_grad=True), 2.0
    loss = F.huber_loss(x, tg.zeros(6), reduction="none", delta=d)
    np.testing.assert_allclose(loss.detach(), [0.0, 0.125, 0.5, 2.0, d * 3, d * 4])
    loss.sum().backward()
    np.testing.assert_allclose(x.grad, [0.0, 0.5, -1.0, 2.0, -d, d])
    with pytest.raises(ValueError, match="delta must be positive, not 0"):
        F.huber_loss(x, x, delta=0)


def test_binary_cross_entropy_is_finite_at_any_logit():
    x = tg.tensor([-1e4, -50.0, 0.0, 50.0, 1e4], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(x, tg.tensor([0.0, 1.0, 0.5, 0.0, 1.0]), reduction="none")
    np.testing.assert_allclose(loss.detach(), [0.0, 50.0, math.log(2), 50.0, 0.0], rtol=1e-6)
    loss.sum().backward()
    np.testing.assert_allclose(x.grad, [0.0, -1.0, 0.0, 1.0, 0.0], atol=1e-6)


def test_the_cross_entropy_of_a_uniform_guess_is_log_of_the_number_of_classes():
    loss = F.cross_entropy(np.zeros((4, 7, 2)), np.zeros((4, 2), int), reduction="none")
    np.testing.assert_allclose(loss, math.log(7))
    np.testing.assert_allclose(F.cross_entropy(np.zeros((4, 7)), np.full((4, 7), 1 / 7)).item(), math.log(7))


def test_what_does_not_fit_a_cross_entropy():
    with pytest.raises(ValueError, match="class 7 is outside 0 to 6"):
        F.cross_entropy(np.zeros((4, 7)), np.full(4, 7))
    with pytest.raises(ValueError, match=r"logits of shape \(4, 7\) need targets of shape \(4,\), found \(3,\)"):
        F.cross_entropy(np.zeros((4, 7)), np.zeros(3, int))


def test_a_mask_of_integers_is_refused():
    x = tg.ones((2, 3, 4))
    with pytest.raises(TypeError, match=r"a mask is boolean .* not int64"):
        F.scaled_dot_product_attention(x, x, x, attn_mask=np.ones((3, 3), np.int64))


INTEGERS = tg.tensor(np.arange(16).reshape(1, 1, 4, 4))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: F.instance_norm(x),
        lambda x: F.group_norm(x, 1),
        lambda x: F.layer_norm(x, (4,)),
        lambda x: F.rms_norm(x, (4,)),
        lambda x: F.avg_pool2d(x, 2),
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        lambda x: F.scaled_dot_product_attention(x, x, x),
    ],
)
def test_what_divides_refuses_integers(call):
    with pytest.raises(TypeError, match="floating, not int64"):
        call(INTEGERS)


def test_softmax_of_integers_is_that_of_the_same_numbers():
    for function in (F.softmax, F.log_softmax):
        np.testing.assert_array_equal(function(INTEGERS, -1).numpy(), function(INTEGERS.to("float32"), -1).numpy())


def test_the_gradient_of_a_linear_weight_lies_in_memory_as_the_weight():
    """What the optimiser reads in one pass with the weight is not copied first."""
    layer = nn.Linear(5, 3)
    layer(tg.ones((4, 5))).sum().backward()
    assert layer.weight.grad.numpy().flags.c_contiguous

"""Every layer with PyTorch's weights: the same values and gradients; and states that move both ways."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_comparison import equal, hold, real  # noqa: E402

import tinygen as tg  # noqa: E402
from tinygen import nn  # noqa: E402

TN = torch.nn
IMAGES = real(3, 4, 6, 5)
ROWS = real(3, 4)

LAYERS = [  # ours, PyTorch's, input
    (lambda d: nn.Linear(4, 5, dtype=d), TN.Linear(4, 5), real(2, 3, 4)),
    (lambda d: nn.Linear(4, 5, bias=False, dtype=d), TN.Linear(4, 5, bias=False), ROWS),
    (lambda d: nn.Conv2d(4, 6, 3, 2, 1, dtype=d), TN.Conv2d(4, 6, 3, 2, 1), IMAGES),
    (
        lambda d: nn.Conv2d(4, 6, (3, 2), 1, (1, 0), 2, 2, bias=False, dtype=d),
        TN.Conv2d(4, 6, (3, 2), 1, (1, 0), 2, 2, bias=False),
        IMAGES,
    ),
    (lambda d: nn.ConvTranspose2d(4, 6, 4, 2, 1, dtype=d), TN.ConvTranspose2d(4, 6, 4, 2, 1), IMAGES),
    (
        lambda d: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, dilation=2, dtype=d),
        TN.ConvTranspose2d(4, 6, 3, 2, 1, 1, 2, dilation=2),
        IMAGES,
    ),
    (lambda d: nn.Embedding(5, 3, dtype=d), TN.Embedding(5, 3), np.array([[0, 4, 4], [2, 1, 0]])),
    (lambda d: nn.BatchNorm1d(4, dtype=d), TN.BatchNorm1d(4), ROWS),
    (lambda d: nn.BatchNorm1d(4, dtype=d), TN.BatchNorm1d(4), real(3, 4, 5)),
    (lambda d: nn.BatchNorm2d(4, 1e-3, 0.3, dtype=d), TN.BatchNorm2d(4, 1e-3, 0.3), IMAGES),
    (lambda d: nn.BatchNorm2d(4, momentum=None, dtype=d), TN.BatchNorm2d(4, momentum=None), IMAGES),
    (lambda d: nn.BatchNorm2d(4, affine=False, dtype=d), TN.BatchNorm2d(4, affine=False), IMAGES),
    (
        lambda d: nn.BatchNorm2d(4, track_running_stats=False, dtype=d),
        TN.BatchNorm2d(4, track_running_stats=False),
        IMAGES,
    ),
    (lambda d: nn.InstanceNorm2d(4, dtype=d), TN.InstanceNorm2d(4), IMAGES),
    (
        lambda d: nn.InstanceNorm2d(4, affine=True, track_running_stats=True, dtype=d),
        TN.InstanceNorm2d(4, affine=True, track_running_stats=True),
        IMAGES,
    ),
    (lambda d: nn.GroupNorm(2, 4, dtype=d), TN.GroupNorm(2, 4), IMAGES),
    (lambda d: nn.GroupNorm(2, 4, silu=True, dtype=d), TN.Sequential(TN.GroupNorm(2, 4), TN.SiLU()), IMAGES),
    (lambda d: nn.LayerNorm((6, 5), dtype=d), TN.LayerNorm((6, 5)), IMAGES),
    (lambda d: nn.LayerNorm(4, bias=False, dtype=d), TN.LayerNorm(4, bias=False), ROWS),
    (lambda d: nn.RMSNorm(4, dtype=d), TN.RMSNorm(4), ROWS),
    (lambda d: nn.RMSNorm((6, 5), 0.1, False), TN.RMSNorm((6, 5), 0.1, False), IMAGES),
    (lambda d: nn.Upsample(scale_factor=2), TN.Upsample(scale_factor=2), IMAGES),
    (lambda d: nn.Upsample((7, 8), mode="bilinear"), TN.Upsample((7, 8), mode="bilinear"), IMAGES),
    (lambda d: nn.AvgPool2d(2), TN.AvgPool2d(2), IMAGES),
    (lambda d: nn.MaxPool2d(3, 2, 1), TN.MaxPool2d(3, 2, 1), IMAGES),
    (lambda d: nn.Flatten(), TN.Flatten(), IMAGES),
    (lambda d: nn.Identity(), TN.Identity(), IMAGES),
    (lambda d: nn.ReLU(), TN.ReLU(), ROWS),
    (lambda d: nn.LeakyReLU(0.2), TN.LeakyReLU(0.2), ROWS),
    (lambda d: nn.ELU(0.7), TN.ELU(0.7), ROWS),
    (lambda d: nn.GELU(), TN.GELU(), ROWS),
    (lambda d: nn.SiLU(), TN.SiLU(), ROWS),
    (lambda d: nn.Tanh(), TN.Tanh(), ROWS),
    (lambda d: nn.Sigmoid(), TN.Sigmoid(), ROWS),
    (lambda d: nn.Softplus(), TN.Softplus(), ROWS),
    (lambda d: nn.Softmax(1), TN.Softmax(1), ROWS),
]


def named(layer):
    """PyTorch's parameters, with those of a layer inside a Sequential under our names."""
    return {name.removeprefix("0."): value for name, value in layer.named_parameters()}


@pytest.mark.parametrize("case", LAYERS, ids=lambda case: repr(case[1]).replace("\n", ""))
def test_layer(case):
    make, theirs, x = case
    theirs = theirs.double().train()
    ours = make("float64")
    for parameter in theirs.parameters():  # affine parameters start at 1 and 0: move them away from there
        parameter.data = torch.tensor(real(*parameter.shape, seed=9))
    state = {name.removeprefix("0."): value.numpy() for name, value in theirs.state_dict().items()}
    ours.load_state_dict(state)
    assert list(dict(ours.named_parameters())) == list(named(theirs))
    floating = x.dtype.kind == "f"
    for _ in range(2):  # the second time the running statistics have moved
        a, b = tg.tensor(x, requires_grad=floating), torch.tensor(x, requires_grad=floating)
        y, z = ours(a), theirs(b)
        equal(y.detach(), z, "the value")
        leaves, others = list(ours.parameters()), list(theirs.parameters())
        hold(y, z, leaves + [a] * floating, others + [b] * floating)
    equal(ours.eval()(a).detach(), theirs.eval()(b), "the value out of training")
    theirs.load_state_dict({("0." if "Sequential" in repr(theirs) else "") + k: torch.tensor(np.asarray(v)) for k, v in ours.state_dict().items()})  # fmt: skip  # noqa: E501


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("masks", ["none", "boolean", "added", "per head"])
@pytest.mark.parametrize("shared", [False, True])
def test_multihead_attention(batch_first, masks, shared):
    theirs = TN.MultiheadAttention(6, 2, batch_first=batch_first, dtype=torch.float64)
    theirs.in_proj_bias.data = torch.tensor(real(18))
    ours = nn.MultiheadAttention(6, 2, batch_first=batch_first, dtype="float64")
    ours.load_state_dict(theirs.state_dict())
    rng = np.random.default_rng(0)
    n, t, s = 3, 4, 4 if shared else 5
    query, key, value = (real(n, length, 6, seed=i) for i, length in enumerate((t, s, s)))
    padding, attn = np.arange(s) >= np.array([s, s - 1, s - 2])[:, None], None
    if masks == "boolean":
        attn = rng.random((t, s)) < 0.3
        attn[:, 0] = False
    elif masks == "added":
        attn, padding = rng.normal(size=(t, s)), np.where(padding, -np.inf, 0.0)
    elif masks == "per head":
        attn = rng.random((n * 2, t, s)) < 0.3
        attn[..., 0] = False
    elif masks == "none":
        padding = None
    sequences = [x if batch_first else x.transpose(1, 0, 2) for x in ((query,) * 3 if shared else (query, key, value))]
    a = [tg.tensor(x, requires_grad=True) for x in sequences]
    b = [torch.tensor(x, requires_grad=True) for x in sequences]
    if shared:
        a, b = a[:1] * 3, b[:1] * 3
    wrapped = [None if m is None else torch.tensor(m) for m in (padding, attn)]
    y, none = ours(*a, key_padding_mask=padding, attn_mask=attn)
    z, _ = theirs(*b, key_padding_mask=wrapped[0], attn_mask=wrapped[1])  # its fused form has no second derivative
    assert none is None
    equal(y.detach(), z, "the value")
    leaves = 1 if shared else 3
    parameters = [dict(theirs.named_parameters())[name] for name, _ in ours.named_parameters()]
    hold(y, z, [*a[:leaves], *ours.parameters()], [*b[:leaves], *parameters])


@pytest.mark.parametrize("kind", ["Linear", "Conv2d", "ConvTranspose2d"])
def test_spectral_norm(kind):
    sizes = (4, 5) if kind == "Linear" else (4, 5, 3)
    x = ROWS if kind == "Linear" else IMAGES
    theirs = TN.utils.spectral_norm(getattr(TN, kind)(*sizes, dtype=torch.float64))
    ours = nn.spectral_norm(getattr(nn, kind)(*sizes, dtype="float64"))
    ours.load_state_dict(theirs.state_dict())
    assert list(dict(ours.named_parameters())) == list(dict(theirs.named_parameters()))
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        a, b = tg.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, z = ours(a), theirs(b)
        equal(y.detach(), z, "the value")
        hold(y, z, [a, *ours.parameters()], [b, *theirs.parameters()])
    for name, value in theirs.state_dict().items():
        equal(ours.state_dict()[name], value, name)


def test_a_whole_network_moves_through_safetensors_both_ways(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")

    def network(m):
        return m.Sequential(
            m.Conv2d(1, 8, 3, padding=1),
            m.BatchNorm2d(8),
            m.SiLU(),
            m.ConvTranspose2d(8, 4, 4, 2, 1),
            m.GroupNorm(2, 4),
            m.Flatten(),
            m.Linear(4 * 64, 6),
            m.LayerNorm(6),
        )

    x = real(2, 1, 4, 4).astype(np.float32)
    theirs, ours = network(TN), network(nn)
    theirs(torch.tensor(real(5, 1, 4, 4)).float())  # running statistics of their own
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    safetensors.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    ours.load_state_dict(tg.load(tmp_path / "theirs.safetensors"))
    np.testing.assert_allclose(
        ours.eval()(tg.tensor(x)).detach().numpy(), theirs.eval()(torch.tensor(x)).detach().numpy(), atol=1e-5
    )
    other, fresh = network(nn), network(TN)
    tg.save(tmp_path / "ours.safetensors", other.state_dict())
    fresh.load_state_dict(safetensors.load_file(tmp_path / "ours.safetensors"))
    for name, value in fresh.state_dict().items():
        np.testing.assert_array_equal(np.asarray(other.state_dict()[name]), value.numpy(), err_msg=name)

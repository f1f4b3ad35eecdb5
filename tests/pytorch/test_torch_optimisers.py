"""Twenty steps of every optimiser on the same losses: the same trajectory, in float64."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch_comparison import real  # noqa: E402

import tinygen as tg  # noqa: E402
from tinygen import nn, optim  # noqa: E402

STEPS = 20
SHAPES = [(4, 3), (3,), (2, 1, 3, 3)]

OPTIMISERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.2}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "betas": (0.0, 0.9), "weight_decay": 0.3}),
    ("RMSprop", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.9, "centered": True}),
]


def losses(parameters, step):
    """A function with curvature that changes at every step."""
    return sum((((p - 0.1 * step) ** 2) * (i + 1.0)).sum() + (p**4).sum() for i, p in enumerate(parameters)) * 0.1


@pytest.mark.parametrize(("name", "options"), OPTIMISERS, ids=str)
def test_trajectory(name, options):
    ours = [nn.Parameter(real(*s)) for s in SHAPES]
    theirs = [torch.nn.Parameter(torch.tensor(real(*s))) for s in SHAPES]
    groups = lambda ps: [{"params": ps[:2]}, {"params": ps[2:], "lr": 0.05}]
    optimiser = getattr(optim, name)(groups(ours), **options)
    reference = getattr(torch.optim, name)(groups(theirs), **options)
    for step in range(STEPS):
        for ps, opt in ((ours, optimiser), (theirs, reference)):
            opt.zero_grad()
            losses(ps, step).backward()
            opt.step()
        for p, q in zip(ours, theirs):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_a_state_of_pytorchs_adam_continues_here():
    start = real(4, 3)
    theirs = torch.nn.Parameter(torch.tensor(start))
    reference = torch.optim.Adam([theirs], lr=0.1)
    for step in range(5):
        reference.zero_grad()
        losses([theirs], step).backward()
        reference.step()
    ours = nn.Parameter(theirs.detach().numpy().copy())
    optimiser = optim.Adam([ours], lr=0.3)
    state = reference.state_dict()
    known = optimiser.param_groups[0].keys()
    state["param_groups"] = [{k: v for k, v in g.items() if k in known} for g in state["param_groups"]]
    optimiser.load_state_dict(state)
    for step in range(5, 8):
        for p, opt in ((ours, optimiser), (theirs, reference)):
            opt.zero_grad()
            losses([p], step).backward()
            opt.step()
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-10)


@pytest.mark.parametrize("max_norm", [0.5, 1e3, float("inf")])
def test_clipping(max_norm):
    ours, theirs = nn.Parameter(real(4, 3)), torch.nn.Parameter(torch.tensor(real(4, 3)))
    (ours**2).sum().backward()
    (theirs**2).sum().backward()
    norms = optim.clip_grad_norm_([ours], max_norm), torch.nn.utils.clip_grad_norm_([theirs], max_norm)
    np.testing.assert_allclose(float(norms[0]), float(norms[1]), rtol=1e-12)
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-12)


SCHEDULES = [
    (optim.cosine(8, 0.1), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 8, 0.02)),
    (optim.step_decay(3, 0.5), lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5)),
    (optim.linear_warmup(4), lambda o: torch.optim.lr_scheduler.LinearLR(o, 0.25, 1.0, 3)),
    (optim.constant(), lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0)),
]


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step")
@pytest.mark.parametrize("case", range(len(SCHEDULES)), ids=["cosine", "step", "warm-up", "constant"])
def test_schedules(case):
    factor, reference = SCHEDULES[case]
    ours = optim.SGD([nn.Parameter(tg.zeros(1))], lr=0.2)
    theirs = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2)
    schedule, other = optim.LambdaLR(ours, factor), reference(theirs)
    for _ in range(8):
        np.testing.assert_allclose(ours.param_groups[0]["lr"], theirs.param_groups[0]["lr"], rtol=1e-12)
        schedule.step()
        other.step()

"""`tg.capture`: replays are the plain steps, whatever changes between them; what a graph cannot hold is named."""

import sys
from typing import Any

import numpy as np
import pytest
from simulator import needs_compiler
from simulator.cupy import as_cupy

import tinygen as tg
from tinygen import nn, optim
from tinygen.capture import CaptureError, captured_steps
from tinygen.gan.variants import GANConfig, WGANConfig, WGANGPConfig
from tinygen.kernels import capture
from tinygen.learner import NonFinite, SingleLearner, learner_of
from tinygen.nets.inputs import as_input
from tinygen.random import Generator
from tinygen.recipe import Recipe
from tinygen.training import tree

pytestmark = needs_compiler
RECIPE = Recipe(lr=1e-2, warmup=5, ema_decay=0.8, grad_clip=1.0)
DATA = np.random.default_rng(0).normal(size=(8, 6, 5)).astype(np.float32)


class Model(nn.Module):
    """Batch statistics, noise for each example, dropout."""

    def __init__(self) -> None:
        rng = Generator(0)
        self.linear, self.norm, self.drop = nn.Linear(5, 3, rng=rng), nn.BatchNorm1d(3), nn.Dropout(0.3, rng=rng)

    def loss(self, batch: Any, rng: Generator) -> tuple[tg.Tensor, dict[str, tg.Tensor]]:
        x = as_input(batch["x"], self.linear.weight)
        y = self.drop(self.norm(self.linear(x)))
        return ((y + rng.normal(y.shape, device=y.device)) ** 2).mean(), {"mean": y.mean()}


@pytest.fixture
def session():
    with as_cupy() as state:
        yield state


def state(learner: Any, *generators: Generator) -> dict[str, bytes]:
    arrays, rest = tree.split(learner.state_dict())
    return {k: v.tobytes() for k, v in arrays.items()} | {"rest": repr([rest, *(g.state for g in generators)]).encode()}


def train(captured: bool, sizes: list[int], model: Any = None) -> tuple[Any, ...]:
    learner, rng = learner_of((model or Model()).to("cuda"), RECIPE), Generator(3)
    with captured_steps(captured):
        figures = [learner.step({"x": x[:n]}, rng) for x, n in zip(DATA, sizes)]
    return figures, state(learner, rng), learner


# -- replays are the plain steps ---------------------------------------------------------------------------------


def test_on_the_cpu_it_is_the_plain_call():
    step = tg.capture(lambda x, scale: float((x * scale).sum()))
    assert step(tg.tensor([1.0, 2.0]), 3) == step(np.float32([1, 2]), 3) == 9
    assert not step.graphs


def test_shapes_have_graphs_of_their_own_and_share_the_state(session):
    sizes = [6, 6, 4, 4, 6, 4, 6, 6]
    plain, before, _ = train(False, sizes)
    replayed, after, learner = train(True, sizes)
    assert replayed == plain
    assert after == before
    assert len(learner.move.graphs) == 2
    assert None not in learner.move.graphs.values()


@pytest.mark.parametrize("config", [WGANConfig, WGANGPConfig], ids=["rmsprop, clipped weights", "five steps to one"])
def test_players_in_turns_are_replayed(session, config):
    def players():
        return config(latent=3, hidden=(4,)).build((5,), None, Generator(0))

    plain, before, _ = train(False, [6] * 8, players())
    replayed, after, _ = train(True, [6] * 8, players())
    assert replayed == plain
    assert after == before


@pytest.mark.parametrize("make", [lambda ps: optim.SGD(ps, momentum=0.5), optim.RMSprop, optim.AdamW])
def test_a_step_of_one_s_own_follows_what_the_host_decides(session, make):
    """The learning rate changes between steps, and the generator is another one."""

    def run(captured):
        layer = nn.Linear(5, 2, rng=Generator(0)).to("cuda")
        optimiser, rngs = make(list(layer.parameters())), [Generator(1), Generator(2)]

        def step(x, rng):
            optimiser.zero_grad()
            loss = (layer(x + rng.uniform(x.shape, device=x.device)) ** 2).mean()
            loss.backward()
            optimiser.step()
            return loss

        call = tg.capture(step, device="cuda") if captured else lambda x, rng: step(tg.tensor(x, device="cuda"), rng)
        losses = []
        for i, x in enumerate(DATA):
            optimiser.param_groups[0]["lr"] = 0.1 / (i + 1)
            losses.append(float(call(x, rngs[i // 3 % 2])))
        return losses, np.asarray(layer.weight).tobytes(), [rng.state for rng in rngs]

    assert run(captured=True) == run(captured=False)


def test_a_gradient_recorded_before_a_replay_is_out_of_date(session):
    _, _, learner = train(True, [6] * 3)
    weight = learner.model.linear.weight
    loss = (weight * weight).sum()
    with captured_steps(True):
        learner.step({"x": DATA[3]}, Generator(0))
    with pytest.raises(tg.MutationError, match=r"multiply: its argument .* changed after it was recorded"):
        loss.backward()


# -- steps that are not finite -----------------------------------------------------------------------------------


def test_a_batch_with_nan_leaves_everything_and_training_goes_on(session):
    _, _, learner = train(True, [6] * 3)
    _, _, other = train(True, [6] * 3)
    bad = DATA[3].copy()
    bad[2, 1] = np.nan
    before = state(learner)
    with captured_steps(True):
        with pytest.raises(NonFinite, match="loss is nan"):
            learner.step({"x": bad}, Generator(5))
        after = state(learner)
        own = {k for k in before if "running" not in k and "batches" not in k and k != "rest"}
        assert {k: after[k] for k in own} == {k: before[k] for k in own}
        assert learner.optimiser.state[0]["step"] == learner.steps_done == 3
        for one in (learner, other):
            one.model.drop.rng.state = other.model.drop.rng.state
            one.model.load_state_dict(other.model.state_dict())
            one.step({"x": DATA[4]}, Generator(6))
    assert state(learner) == state(other)


def test_a_batch_with_nan_leaves_players_and_clipped_weights_too(session):
    """Of RMSprop, which has no kernel of its own that knows."""
    _, _, learner = train(
        True, [6] * 6, WGANConfig(latent=3, hidden=(4,), critic_steps=2).build((5,), None, Generator(0))
    )
    before = state(learner)
    for _ in range(2):  # the discriminator's turn alone, and both
        with captured_steps(True), pytest.raises(NonFinite, match="loss is nan"):
            learner.step({"x": np.full_like(DATA[0], np.nan)}, Generator(5))
        after = state(learner)
        assert {k: v for k, v in after.items() if k != "rest"} == {k: v for k, v in before.items() if k != "rest"}
        learner.discriminator.steps_done += 1


def test_when_the_generator_fails_the_discriminator_goes_back(session, monkeypatch):
    model = GANConfig(latent=3, hidden=(4,)).build((5,), None, Generator(0))
    _, _, learner = train(True, [6] * 4, model)
    before, original = state(learner), model.generator_loss
    assert None not in learner.move.graphs.values()
    for captured in (False, True):
        learner.move.graphs.clear()
        with captured_steps(captured), monkeypatch.context() as patch:
            patch.setattr(model, "generator_loss", lambda batch, rng: original(batch, rng) * float("nan"))
            for _ in range(1 + captured):
                with pytest.raises(NonFinite, match="the generator's loss is nan"):
                    learner.step({"x": DATA[5]}, Generator(0))
        after = state(learner)
        assert {k: v for k, v in after.items() if k != "rest"} == {k: v for k, v in before.items() if k != "rest"}
        assert [p.optimiser.state[0]["step"] for p in (learner.generator, learner.discriminator)] == [4, 4]


# -- what a graph cannot hold ------------------------------------------------------------------------------------


def prints_its_loss(x):
    loss = (x * x).sum()
    return loss * float(loss)


def takes_a_table_of_the_host(x):
    return x * tg.tensor(np.arange(5.0, dtype=np.float32), device="cuda")


def splits_a_generator(x):
    return x + Generator(0).split(1)[0].normal(x.shape, device=x.device)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (prints_its_loss, r"in prints_its_loss \(test_capture.py:\d+\), it waits for the device"),
        (
            takes_a_table_of_the_host,
            r"in takes_a_table_of_the_host .*an array of shape \(5,\) would go from cpu to cuda:0",
        ),
        (splits_a_generator, r"in splits_a_generator .*children, of a random generator are drawn on the host"),
    ],
)
def test_what_reads_or_copies_is_named(session, step, reason):
    captured = tg.capture(step, device="cuda")
    captured(DATA[0])
    with pytest.raises(CaptureError, match=f"the step cannot be captured: {reason}.*capture=False"):
        captured(DATA[0])
    plain = tg.capture(step, device="cuda", capture=False)
    assert float(plain(DATA[0]).sum()) == float(plain(DATA[0]).sum())


def run_twice(step):
    call = tg.capture(step, device="cuda")
    for x in DATA[:2]:
        call(x)


def failing(module, kind=RuntimeError):
    """A step that fails while it is captured, with an error of CuPy's `module`."""
    error = type("Error", (kind,), {"__module__": module})

    def step(x):
        if capture.capturing():
            raise error("STATUS_INTERNAL_ERROR")
        return x + 1

    return step


@pytest.mark.parametrize(
    ("module", "kind", "reason"),
    [
        (
            "cupy_backends.cuda.libs.cusolver",
            RuntimeError,
            r"a graph cannot hold what it calls \(STATUS_INTERNAL_ERROR\)",
        ),
        ("cupy.cuda.memory", MemoryError, r"the graph gets no memory of its own \(STATUS_INTERNAL_ERROR\)"),
    ],
)
def test_what_a_library_of_cuda_cannot_do_in_a_graph_is_no_end_of_a_run(session, module, kind, reason):
    with pytest.raises(CaptureError, match=f"in step .*{reason}; capture=False"):
        run_twice(failing(module, kind))
    call = tg.capture(failing(module, kind), device="cuda", capture=None)
    with pytest.warns(RuntimeWarning, match=reason):
        assert [float(call(x)[0, 0]) for x in DATA] == [float(x[0, 0] + 1) for x in DATA]
    with pytest.raises(ZeroDivisionError):
        run_twice(lambda x: x + 1 / (not capture.capturing()))


def test_a_graph_gets_the_memory_that_plain_steps_have_left(session):
    call = tg.capture(lambda x: x + 1, device="cuda")
    call(DATA[0])
    assert session.given_back == 0
    call(DATA[0])
    call(DATA[0])
    assert session.given_back == 1


def test_a_learner_goes_on_without_a_graph_and_says_so_once(session):
    class Reads(Model):
        def loss(self, batch, rng):
            loss, terms = super().loss(batch, rng)
            return loss, terms | {"host": float(loss)}

    with pytest.warns(RuntimeWarning, match="cannot be captured: in loss .*goes on without a graph") as said:
        figures, _, learner = train(None, [6] * 4, Reads())
    assert len(said) == 1
    assert learner.steps_done == len(figures) == 4
    with pytest.raises(CaptureError, match="in loss"):
        train(True, [6] * 2, Reads())


def test_a_number_that_changes_all_the_time_is_found_out(session):
    step = tg.capture(lambda x, scale: x * scale, device="cuda")
    for i in range(32):
        step(DATA[0], float(i))
    with pytest.raises(CaptureError, match="pass numbers that change as arrays"):
        step(DATA[0], 32.0)


# -- comparing ---------------------------------------------------------------------------------------------------


def test_replays_that_are_the_steps_pass_and_a_run_can_be_asked_to_compare(session, monkeypatch):
    _, expected, _ = train(False, [6] * 4)
    monkeypatch.setenv("TINYGEN_CHECK_CAPTURE", "1")
    _, compared, _ = train(True, [6] * 4)
    assert compared == expected


def baked(decide, shape, dtype):
    """The mistake: what the host decides is taken into the graph as it is."""
    return capture.constant(np.asarray(decide(), dtype).reshape(shape))


@pytest.mark.parametrize(
    ("module", "where"),
    [("tinygen.kernels.cuda.update", "optimiser|model"), ("tinygen.kernels.cuda.philox", "loss|0.0")],
    ids=["learning rate and count of steps", "place in the random stream"],
)
def test_what_was_taken_in_for_good_is_found(session, monkeypatch, module, where):
    monkeypatch.setenv("TINYGEN_CHECK_CAPTURE", "1")
    monkeypatch.setattr(sys.modules[module], "each_time", baked)
    with pytest.raises(CaptureError, match=f"the replay differs from the step itself at .*({where})"):
        train(True, [6] * 4)


def test_a_learning_rate_taken_in_for_good_is_found_in_other_optimisers(session, monkeypatch):
    monkeypatch.setattr(sys.modules["tinygen.optim.optimiser"], "each_time", baked)
    monkeypatch.setenv("TINYGEN_CHECK_CAPTURE", "1")
    players = WGANConfig(latent=3, hidden=(4,), critic_steps=1).build((5,), None, Generator(0))
    with pytest.raises(CaptureError, match="the replay differs from the step itself"):
        train(True, [6] * 4, players)


def test_the_state_of_a_learner_can_be_taken_back_under_its_graphs(session):
    """What `load_state_dict` writes, the graphs read."""
    learner, rng = SingleLearner(Model().to("cuda"), RECIPE), Generator(3)
    with captured_steps(True):
        for x in DATA[:3]:
            learner.step({"x": x}, rng)
        kept, place = tree.split(learner.state_dict()), rng.state
        first = [learner.step({"x": x}, rng) for x in DATA[3:6]]
        learner.load_state_dict(tree.join(*kept))
        rng.state = place
        assert [learner.step({"x": x}, rng) for x in DATA[3:6]] == first

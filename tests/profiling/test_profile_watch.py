"""A profile counts everything once, says where it belongs, changes no number, and leaves nothing behind."""

import itertools
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from simulator import needs_compiler
from simulator.cupy import as_cupy
from simulator.cupy.graph import Stream

import tinygen as tg
from tinygen import nn
from tinygen.autodiff.primitive import Primitive
from tinygen.autodiff.tape import reachable
from tinygen.profiling import watch
from tinygen.random import Generator

MILLISECOND = 1_000_000


class Clock:
    """Stands still unless it is told that time passes."""

    now = 0

    def __call__(self) -> int:
        return self.now

    def passes(self, milliseconds: int) -> None:
        self.now += milliseconds * MILLISECOND


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(watch, "clock", found)
    return found


class Block(nn.Module):
    def __init__(self, width: int, rng: Generator):
        self.first = nn.Linear(width, width, rng=rng)
        self.second = nn.Linear(width, width, rng=rng)

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        return self.second(tg.tanh(self.first(x)))


class Twice(nn.Module):
    """One block in two places, and a layer that is called by a name of its own."""

    def __init__(self, width: int = 4):
        rng = Generator(0)
        self.body = nn.ModuleList([Block(width, rng)])
        self.again = self.body[0]
        self.decoder = Decoder(width, rng)

    def loss(self, x: tg.Tensor) -> tg.Tensor:
        return tg.mean(tg.square(self.decoder.decode(self.again(self.body[0](x)))))


class Decoder(nn.Module):
    def __init__(self, width: int, rng: Generator):
        self.out = nn.Linear(width, 2, rng=rng)

    def decode(self, x: tg.Tensor) -> tg.Tensor:
        return tg.exp(self.out(x))


def data() -> tg.Tensor:
    return Generator(1).normal((5, 4))


# ---- time


def test_time_is_that_of_the_operation_the_gradient_or_python(clock: Clock) -> None:
    """All of it, to the nanosecond: what is in no operation is the rest."""

    def forward(x: np.ndarray) -> np.ndarray:
        clock.passes(5)
        return x * 2

    def pulled(g: np.ndarray) -> np.ndarray:
        clock.passes(7)
        return g * 2

    gradient = tg.primitive(pulled, name="gradient of slow")
    slow = tg.primitive(forward, x=lambda g: gradient(g), name="slow")
    x = tg.tensor([1.0], requires_grad=True)
    with tg.profile() as found:
        y = slow(slow(x))
        clock.passes(11)
        found.step()
        y.backward()
        found.step()
    rows = {(row.name, row.part): (row.calls, row.seconds) for row in found.operations()}
    assert rows["slow", "forward"] == (2, 0.010)
    assert rows["slow", "backward"] == (2, 0.014)
    assert found.seconds == 0.035
    assert found.rest == pytest.approx(0.011)
    assert found.watching == 0
    assert found.steps == 2
    assert sum(found.parts().values()) == pytest.approx(found.computing)


def test_the_typical_step_is_the_one_of_median_length(clock: Clock) -> None:
    with tg.profile() as found:
        for milliseconds in (1, 9, 3):
            tg.exp(np.ones(milliseconds))
            clock.passes(milliseconds)
            found.step()
    assert [e.cost.flop for e in found.typical_step()] == [3]
    assert [e.cost.flop for e in found.events] == [1, 9, 3]


def test_nothing_is_counted_twice() -> None:
    """Operations call kernels, and gradients operations: of all that was timed no two overlap."""
    rng = Generator(0)
    q, k, v = (tg.tensor(np.asarray(rng.normal((2, 3, 4))), requires_grad=True) for _ in range(3))
    images = tg.tensor(np.asarray(rng.normal((2, 3, 6, 6))), requires_grad=True)
    weight = tg.tensor(np.asarray(rng.normal((4, 3, 3, 3))), requires_grad=True)
    with tg.profile() as found:
        loss = tg.sum(nn.functional.scaled_dot_product_attention(q, k, v))
        loss = loss + tg.sum(tg.square(nn.functional.conv2d(images, weight)))
        loss.backward()
    events = found.events
    assert {"attention", "conv2d"} <= {e.operation for e in events if e.part == "backward"}
    assert all(before.stop <= after.start for before, after in itertools.pairwise(events))
    assert found.computing + found.watching < found.seconds
    assert found.computing + found.watching + found.rest == pytest.approx(found.seconds)


# ---- counts


def test_counts_are_those_of_the_tape() -> None:
    model = Twice()
    x = tg.tensor(data().numpy(), requires_grad=True)
    with tg.profile(model) as found:
        loss = model.loss(tg.stack(tg.unstack(x)))
        loss.backward()
    nodes = [node.name for node in reachable(loss._node) if node.op is not None]
    expected = {name: nodes.count(name) for name in nodes}
    assert found.recorded == expected
    forward = {row.name: row.calls for row in found.operations() if row.part == "forward"}
    backward = {row.name: row.calls for row in found.operations() if row.part == "backward" and row.name in expected}
    assert {name: forward[name] for name in expected} == expected
    assert backward.items() <= expected.items()
    assert {"linear", "tanh", "exp"} <= backward.keys()


# ---- modules


def test_work_belongs_to_the_innermost_module_and_its_gradient_to_the_same() -> None:
    model = Twice()
    with tg.profile(model) as found:
        tg.exp(data())  # nobody's
        model.loss(data()).backward()
    belongs = {(e.operation, e.part): set() for e in found.events}
    for e in found.events:
        belongs[e.operation, e.part].add(e.module)
    for part in ("forward", "backward"):
        assert belongs["tanh", part] == {"body.0"}
        assert belongs["linear", part] == {"body.0.first", "body.0.second", "decoder.out"}
        assert belongs["square", part] == {""}
    assert belongs["exp", "forward"] == {None, "decoder"}
    assert belongs["exp", "backward"] == {"decoder"}


def test_a_shared_module_stands_once_with_all_its_calls_as_in_named_modules() -> None:
    model = Twice()
    with tg.profile(model) as found:
        model.loss(data()).backward()
    rows = {row.path: row for row in found.modules()}
    assert list(rows) == [path for path, _ in model.named_modules()]
    assert "again" not in rows
    assert (rows["body.0"].calls, rows["body.0.first"].calls, rows["decoder"].calls) == (2, 2, 1)
    for path in ("", "body", "body.0"):  # a module's total is its own and that of all below it
        below = [row for row in rows.values() if row.path == path or row.path.startswith(f"{path}." if path else "")]
        for part in ("forward", "backward"):
            assert rows[path].total[part] == pytest.approx(sum(row.own[part] for row in below))
    inside = sum(e.stop - e.start for e in found.events if e.part == "forward" and e.module is not None) / 1e9
    assert rows[""].total["forward"] == pytest.approx(inside)


def test_work_done_again_in_the_backward_pass_belongs_to_its_module() -> None:
    model = Twice()
    with tg.profile(model) as found:
        tg.sum(tg.checkpoint(model.body[0], tg.tensor(np.ones((2, 4), np.float32), requires_grad=True))).backward()
    again = [e for e in found.events if e.what == "tanh"]
    assert [(e.part, e.module) for e in again] == [("forward", "body.0"), ("backward", "body.0")]


def test_optimisers_averages_and_random_numbers() -> None:
    model = Twice()
    optimiser, average = tg.optim.Adam(model.parameters()), tg.optim.EMA(model, 0.9)
    with tg.profile(model) as found:
        model.loss(Generator(3).normal((5, 4))).backward()
        optimiser.step()
        average.update()
    parts = {e.what: e.part for e in found.events}
    assert parts["random normal"] == "forward"
    moved = {what.removesuffix("_all") for what, part in parts.items() if part == "update"}
    assert {"adam_update", "ema_update"} <= moved


# ---- nothing changes, nothing stays


def test_the_numbers_are_the_same_bit_by_bit() -> None:
    def gradients() -> list[bytes]:
        model.zero_grad()
        model.loss(data()).backward()
        return [p.grad.numpy().tobytes() for p in model.parameters()]

    model = Twice()
    plain = gradients()
    with tg.profile(model):
        watched = gradients()
    assert plain == watched == gradients()


def everything() -> dict[tuple[str, str], int]:
    """Every global of the project and every attribute of its classes, by identity."""
    found = {}
    for path, module in list(sys.modules.items()):
        if path.partition(".")[0] != "tinygen":
            continue
        for name, value in list(vars(module).items()):
            found[path, name] = id(value)
            if isinstance(value, type):
                found |= {(f"{path}.{name}", attribute): id(v) for attribute, v in vars(value).items()}
    return found


def test_nothing_is_left_behind_also_not_by_an_exception() -> None:
    model = Twice()
    with tg.profile(model):
        model.loss(data())
    model.loss(data())  # all that is imported when first used is there now
    before = everything()
    found = []

    def fails() -> None:
        with tg.profile(model) as profile:
            found.append(profile)
            assert everything() != before
            model.loss(data())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert everything() == before
    seen = len(found[0].events)
    assert seen
    model.loss(data()).backward()
    assert len(found[0].events) == seen
    with tg.profile(model):  # and another can begin
        pass


def test_an_operation_that_fails_is_not_counted_and_the_next_one_is() -> None:
    with tg.profile() as found:
        with pytest.raises(ValueError, match="do not fit"):
            tg.add(np.ones(2), np.ones(3))
        tg.add(np.ones(3), np.ones(3))
    assert [e.what for e in found.events] == ["add"]


def test_an_operation_made_within_stays_one() -> None:
    with tg.profile() as found:
        cube = tg.primitive(lambda x: x**3, x=lambda g, x: 3 * x * x * g, name="cube")
        cube(np.full(1, 2.0))
    assert isinstance(cube, Primitive)
    assert [e.what for e in found.events] == ["cube"]
    assert cube(np.full(1, 2.0)).item() == 8


def test_one_profile_at_a_time() -> None:
    with tg.profile(), pytest.raises(RuntimeError, match="a profile is running already"), tg.profile():
        pass
    with tg.profile():
        pass


def test_other_threads_are_not_watched() -> None:
    with tg.profile(Twice()) as found:
        other = threading.Thread(target=lambda: Twice().loss(data()).backward())
        other.start()
        other.join()
    assert found.events == []
    assert found.recorded == {}


@pytest.fixture(autouse=True)
def none_running() -> Iterator[None]:
    yield
    assert "forward" not in vars(Primitive)


# ---- a device that runs behind the host


@needs_compiler
def test_on_a_device_every_operation_is_waited_for(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the simulated one nothing takes time but to wait: each event is one wait."""
    with as_cupy():
        monkeypatch.setattr(Stream, "synchronize", lambda stream: clock.passes(1))
        model = Twice().to("cuda")
        optimiser = tg.optim.Adam(model.parameters())
        x = data().to("cuda")
        with tg.profile(model) as found:
            model.loss(x).backward()
            optimiser.step()
    assert {e.part for e in found.events} == {"forward", "backward", "update"}
    assert {e.stop - e.start for e in found.events} == {MILLISECOND}
    assert found.rest == pytest.approx(0)


@needs_compiler
def test_a_captured_step_is_watched_as_the_plain_step_that_it_is() -> None:
    with as_cupy():
        step = tg.capture(lambda x: tg.exp(tg.tanh(x)))
        x = data().to("cuda")
        for _ in range(3):
            step(x)  # plain, recorded, replayed
        with tg.profile() as found:
            step(x)
        assert [e.what for e in found.events] == ["tanh", "exp"]
        assert [g is not None for g in step.graphs.values()] == [True]

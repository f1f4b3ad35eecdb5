"""What a profile shows adds up, and is there as tables, as JSON and as a picture; the command says what is wrong."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import tinygen as tg
from tinygen import nn
from tinygen.cli import main
from tinygen.cli.train import TrainOptions, configure
from tinygen.device import cuda_status
from tinygen.drawing.render import caption_of
from tinygen.profiling import report
from tinygen.profiling.ceilings import Ceilings
from tinygen.profiling.cost import Cost
from tinygen.profiling.profile import Operation, Profile
from tinygen.profiling.report import HOW_TO_READ, content, tables
from tinygen.profiling.timeline import timeline
from tinygen.random import Generator
from tinygen.training.assemble import assemble
from tinygen.training.registry import config_class


@pytest.fixture(scope="module")
def found() -> Profile:
    """Two steps of a small network."""
    rng = Generator(0)
    model = nn.Sequential(nn.Linear(6, 8, rng=rng), nn.Tanh(), nn.Sequential(nn.Linear(8, 2, rng=rng)))
    optimiser = tg.optim.Adam(model.parameters())

    def step() -> None:
        optimiser.zero_grad()
        tg.mean(tg.square(model(rng.normal((4, 6))))).backward()
        optimiser.step()

    step()  # what is loaded on first use would be most of the time
    with tg.profile(model) as profile:
        for _ in range(2):
            step()
            profile.step()
    return profile


def test_all_of_a_step_is_accounted_for(found: Profile) -> None:
    figures = content(found)
    spent = figures["seconds"]
    rest = [spent[name] for name in ("python_and_tape", "profile")]
    assert min(rest) > 0
    assert sum(row["seconds"] for row in figures["operations"]) + sum(rest) == pytest.approx(spent["step"])
    assert sum(spent[part] for part in ("forward", "backward", "update")) + sum(rest) == pytest.approx(spent["step"])
    assert {row["operation"]: row["calls"] for row in figures["operations"] if row["part"] == "forward"}["linear"] == 2
    whole = figures["modules"][0]
    assert (whole["path"], whole["kind"], whole["calls"]) == ("", "Sequential", 1)
    assert whole["total"]["backward"] == pytest.approx(sum(row["own"]["backward"] for row in figures["modules"]))


def test_a_ceiling_is_what_is_met_first() -> None:
    """On a machine that copies 10 bytes a second and does 100 FLOP a second."""
    ceilings = Ceilings(((1, 10),), flop_rate=100, dtype="float32")
    assert Operation("a", "forward", 1, 4.0, [Cost(flop=100, bytes=20)]).limit(ceilings) == ("memory", 0.5)
    assert Operation("b", "forward", 1, 4.0, [Cost(flop=300, bytes=20)]).limit(ceilings) == ("arithmetic", 0.75)
    assert Operation("c", "forward", 1, 4.0, [Cost(flop=400, bytes=20, saved=200)]).limit(ceilings)[1] == 0.5
    assert Operation("d", "forward", 2, 4.0, [Cost(0, 20), Cost(100, 0)]).limit(ceilings) == ("memory", 0.75)


def test_ceilings_are_rates_of_this_machine(found: Profile) -> None:
    assert found.ceilings.dtype == "float32"
    assert found.ceilings.bandwidth > 1e8
    assert found.ceilings.flop_rate > 1e8
    assert found.ceilings is found.ceilings  # measured once


@pytest.mark.parametrize(("width", "rates"), [(80, False), (111, False), (112, True), (120, True)])
def test_no_number_is_cut_off_however_narrow_the_terminal(found: Profile, width: int, rates: bool) -> None:
    console = Console(width=width)
    with console.capture() as shown:
        for part in tables(found, "a small network", width):
            console.print(part)
    assert "…" not in shown.get()
    assert ("GB/s" in shown.get().split("backward ms")[1]) == rates


def test_the_tables_name_operations_modules_and_how_to_read_them(
    found: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "LEAST", 0.0)  # whatever else the machine does meanwhile
    console = Console(width=140, record=True, file=None, quiet=False)
    with console.capture() as shown:
        for part in tables(found, "a small network"):
            console.print(part)
    text = shown.get()
    for word in ("a small network", "linear", "backward", "adam_update", "Python and the tape", "Linear", "GB/s"):
        assert word in text
    assert HOW_TO_READ[:60] in text


def test_the_timeline_has_one_step_lane_by_lane(found: Profile) -> None:
    lanes = timeline(found).lanes
    assert list(lanes) == ["", "level 1", "level 2", "operations"]
    assert (lanes[""][0].name, lanes[""][-1].name) == ("forward", "update")
    assert [s.name for s in lanes["level 1"]] == ["0", "1", "2", "2", "1", "0"]  # forth and back
    assert [s.name for s in lanes["level 2"]] == ["0", "0"]
    assert len(lanes["operations"]) == len(found.typical_step()) < len(found.events)
    for lane in lanes.values():
        assert all(s.start <= s.stop for s in lane)
        assert all(before.stop <= after.start for before, after in itertools.pairwise(lane))


def test_nothing_cannot_be_drawn() -> None:
    with tg.profile() as empty:
        pass
    with pytest.raises(ValueError, match="there is nothing to draw: no operation ran"):
        timeline(empty)


# ---- the command


def test_the_command_trains_a_few_steps_and_says_where_their_time_went(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["profile", "vae", "--steps", "2", "--batch-size", "8", "--out", str(tmp_path / "new")]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "vae on digits, batch 8, cpu: a step (mean of 2) takes" in printed
    assert "How to read it" in printed
    figures = json.loads((tmp_path / "new" / "profile.json").read_text())
    assert figures["steps"] == 2
    assert figures["machine"]["numpy"] == np.__version__
    assert {row["part"] for row in figures["operations"]} == {"forward", "backward", "update"}
    assert "vae on digits" in caption_of(tmp_path / "new" / "profile.png")
    written = (tmp_path / "new" / "profile.md").read_text()
    assert written.startswith(f"`{figures['command']}`\n\nprocessor ")
    assert figures["command"].startswith("tinygen profile vae ")
    for word in ("Ceilings, measured just now", "Python and the tape", "](profile.png)"):
        assert word in written


@pytest.mark.parametrize("model", ["vqvae", "pixelcnn", "ddpm", "realnvp", "wgan-gp"])
def test_a_step_of_every_family_adds_up(model: str) -> None:
    """Gradients of gradients, codes, flows run backwards: nothing is counted twice, and most of it has a module."""
    parts = assemble(configure(model, TrainOptions(batch_size=4), config_class(model)(), ""))
    with tg.profile(parts.model) as found:
        parts.learner.step(next(parts.loader), parts.rng)
    assert all(before.stop <= after.start for before, after in itertools.pairwise(found.events))
    assert found.rest > 0
    assert all(found.parts().values())
    worked = [e for e in found.events if e.part != "update"]
    assert sum(e.module is not None for e in worked) > 0.8 * len(worked)
    assert {e.module for e in found.events} - {None} <= {path for path, _ in parts.model.named_modules()}


@pytest.mark.gpu
@pytest.mark.skipif(not cuda_status()[0], reason=cuda_status()[1])
def test_the_command_on_a_gpu(tmp_path: Path) -> None:
    assert main(["profile", "ddpm", "--device", "cuda", "--steps", "2", "--out", str(tmp_path)]) == 0
    figures = json.loads((tmp_path / "profile.json").read_text())
    assert {row["part"] for row in figures["operations"]} == {"forward", "backward", "update"}
    assert figures["ceilings"]["flop_per_second"] > 1e12


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "profile takes a model: "),
        (["--steps", "3"], "profile takes the model first, then options: tinygen profile ddpm --steps"),
        (["vea"], "did you mean vae?"),
        (["vae", "--stepz", "3"], "takes no --stepz: did you mean --steps?"),
        (["vae", "--steps", "0"], "--steps is at least 1, not 0"),
    ],
)
def test_wrong_usage_is_one_line(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", *args]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1

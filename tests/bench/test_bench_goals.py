"""Goals: a row that falls short is named with its bound; one that meets its goal is not."""

import json
from pathlib import Path

import pytest

from tinygen.bench import goals, survey
from tinygen.bench.floors import Floor
from tinygen.bench.operations import OPERATIONS
from tinygen.bench.result import MILLISECONDS, SECONDS, Row, Runs, Samples
from tinygen.bench.tried import PARAGRAPH, PARAGRAPHS
from tinygen.profiling.cost import NOTHING

BOTH = (goals.AS_INSTALLED, goals.TUNED)


def row(case: str, **seconds: float) -> Row:
    samples = {}
    for name, value in seconds.items():
        samples[name.replace("_", ", ")] = Samples()
        samples[name.replace("_", ", ")].add(value)
    return Row(case, samples, {})


def test_each_kind_of_row_has_its_goal() -> None:
    assert goals.of_time("DDPM", "torch") == 0.40
    assert goals.of_time("DDPM", "torch, malloc tuned") == 0.45
    assert goals.of_time("SiLU", "torch") == 1.1
    assert goals.of_time("VAE sampling", "torch") == 1.1
    assert goals.of_time("ten tanh of a number", "torch") == 0.5
    assert goals.of_time("DDPM", "jax") is None
    assert goals.of_memory("DDPM", "torch") == 1.0
    assert goals.of_memory("DDPM, whole process", "torch") is None
    assert goals.of_time("ten softmax of 8x8", "torch") == 1.1
    assert {name.split(" ")[0] for name in goals.OF_ENGINE} == {"a", "ten"}
    assert len(goals.OF_ENGINE) < len(OPERATIONS) / 4


def test_a_row_that_falls_short_says_by_how_much_and_where_its_bound_is() -> None:
    rows = [
        row("DDPM", tinygen=0.5, torch=1.0),
        row("SiLU", tinygen=1.0, torch=1.0),
        row("VAE", tinygen=0.5, torch=1.0),
    ]
    floors = {"DDPM": Floor({"arithmetic": 0.1, "memory": 0.025}, NOTHING)}
    found = goals.short(Runs([rows], ["tinygen", "torch"], MILLISECONDS), goals.of_time, floors)
    assert found is not None
    assert found.header == ["short of its goal", "over", "goal", "is", "at its floor", "made of", "of it", "why"]
    assert found.cells == [
        ["DDPM", "torch", "0.40", "0.50 (0.50 to 0.50)", "0.12", "arithmetic 80%, memory 20%", "25%", "Convolutions"],
    ]


@pytest.mark.parametrize(("rounds", "why"), [([1.2, 1.3], ""), ([1.0, 1.3], "on both sides of it")])
def test_rounds_on_both_sides_of_a_goal_are_told_from_a_row_that_is_short(rounds: list[float], why: str) -> None:
    samples = {"tinygen": Samples(rounds), "torch": Samples([1.0, 1.0])}
    found = goals.short(Runs([[Row("SiLU", samples, {})]], ["tinygen", "torch"], MILLISECONDS), goals.of_time, {})
    assert found is not None
    assert found.cells[0][-1] == why


def test_where_all_is_met_there_is_nothing_to_say() -> None:
    runs = Runs([[row("DDPM", tinygen=0.4, torch=1.0)]], ["tinygen", "torch"], MILLISECONDS)
    assert goals.short(runs, goals.of_time, {}) is None


@pytest.mark.parametrize(("ours", "lines"), [(0.9, 0), (1.1, 1)])
def test_memory_has_no_floor(ours: float, lines: int) -> None:
    runs = Runs([[row("VAE", tinygen=ours, torch=1.0)]], ["tinygen", "torch"], MILLISECONDS)
    found = goals.short(runs, goals.of_memory)
    assert (0 if found is None else len(found.cells)) == lines
    if found is not None:
        assert found.header == ["short of its goal", "over", "goal", "is"]
        assert found.cells[0][2:] == ["1.00", "1.10 (1.10 to 1.10)"]


def test_a_start_that_is_late_is_told_in_seconds() -> None:
    rows = [row("DDPM, cold", tinygen=14.9, torch=1.0), row("DDPM, warm", tinygen=1.1, torch=3.0)]
    found = goals.late(Runs([rows], ["tinygen", "torch"], SECONDS), {"DDPM, cold": 0.8, "DDPM, warm": 0.7})
    assert found is not None
    assert found.cells == [["DDPM, warm", "1", "1.1", "0.7", "Start-up"]]
    assert goals.late(Runs([rows[:1]], ["tinygen", "torch"], SECONDS), {}) is None


def test_every_committed_row_that_falls_short_says_what_was_tried() -> None:
    """In a paragraph of docs/bench.md, which is there.

    Not those whose rounds, or runs, lie on both sides of the goal, nor rows with a `*`: other work made them so.
    """
    docs = Path(__file__).parents[2] / "docs"
    for name in ("bench", "steps", "survey"):
        content = json.loads((docs / "bench" / f"{name}.json").read_text())
        least: dict[tuple[str, str], float] = {}
        starred = set()
        for row_ in (row_ for run in content["runs"] for row_ in run):
            for library, found in row_["libraries"].items():
                middle, low, _ = found["tinygen_over_this"]
                key, ratio = (row_["case"], library), low if len(content["runs"]) == 1 else middle
                least[key] = min(ratio, least.get(key, ratio))
                if found["disturbed"]:
                    starred |= {key} if library != "tinygen" else {(row_["case"], n) for n in BOTH}
        wanted = {key: goals.of_time(*key) for key in least.keys() - starred}
        short = {case for (case, library), goal in wanted.items() if goal and least[case, library] > goal}
        assert short - PARAGRAPH.keys() == set()
    content = json.loads((docs / "bench" / "startup.json").read_text())
    seconds = {row_["case"]: row_["libraries"]["tinygen"]["median_s"] for row_ in content["runs"][0]}
    late = {case for case, taken in seconds.items() if taken > goals.of_startup(case)}
    assert late - PARAGRAPH.keys() == set()
    told = (docs / "bench.md").read_text()
    assert [name for name in PARAGRAPHS if f"**{name}.**" not in told] == []


def test_every_paragraph_is_of_rows_that_there_are() -> None:
    there = {operation.name for operation in (*OPERATIONS, *survey.OPERATIONS)} | goals.STEPS.keys()
    there |= {f"{step}, {state}" for step in goals.STEPS for state in goals.STARTUP}
    assert PARAGRAPH.keys() - there == set()
    assert sum(map(len, PARAGRAPHS.values())) == len(PARAGRAPH)

"""`tinygen bench`: libraries are compared before they are timed, and what is quoted is the median of paired ratios."""

import json
from pathlib import Path

import numpy as np
import pytest

from tinygen.bench.backends import BACKENDS, Backend
from tinygen.bench.interleave import BenchError, measure
from tinygen.bench.operations import OPERATIONS
from tinygen.bench.result import Row, Timing, markdown, save_picture, table
from tinygen.bench.steps import STEPS, Given
from tinygen.cli import main

OURS = BACKENDS["tinygen"]
CASE = "a + b, one number"


def other(name: str, **options: bool) -> Backend:
    return Backend(name, "wrong_backend", "numpy", options, {"PYTHONPATH": str(Path(__file__).parent)})


def test_a_library_that_computes_something_else_is_named_and_not_timed() -> None:
    again = OURS._replace(name="again")
    backends = [OURS, again, other("off"), other("broken", broken=True)]
    (row,) = measure([CASE], backends, threads=1, rounds=2, seconds=0.0)
    assert set(row.timings) == {"tinygen", "again"}
    assert row.wrong == {"off": "value differs by 5.0e-02", "broken": "ZeroDivisionError: no such kernel"}
    assert len(row.timings["again"].medians) == 2
    assert row.ratio("tinygen", "again") is not None
    assert row.ratio("tinygen", "off") is None


def test_a_library_that_does_not_start_is_one_line() -> None:
    with pytest.raises(BenchError, match=r"absent: ModuleNotFoundError: No module named 'nowhere'"):
        measure([CASE], [OURS._replace(name="absent", module="nowhere")], threads=1, rounds=1, seconds=0.0)


def test_ratios_are_made_within_a_round() -> None:
    """The machine is twice as slow in the second round: the ratio is what it was."""
    ours, theirs = Timing(), Timing()
    for weather in (1.0, 2.0, 4.0):
        ours.add(1.0 * weather, [weather], False)
        theirs.add(2.0 * weather, [2 * weather], weather == 4.0)
    row = Row(CASE, {"tinygen": ours, "torch": theirs}, {})
    assert row.ratio("tinygen", "torch") == (0.5, 0.5, 0.5)
    entry = row.as_json("tinygen")["libraries"]["torch"]
    assert entry["disturbed"] == 1
    assert entry["tinygen_over_this"] == (0.5, 0.5, 0.5)


def test_the_table_and_the_picture_show_what_is_missing(tmp_path: Path) -> None:
    from rich.console import Console

    timing = Timing()
    timing.add(0.002, [0.002], False)
    rows = [
        Row("conv", {"tinygen": timing, "torch": timing}, {}),
        Row("norm", {"tinygen": timing}, {"torch": "differs"}),
    ]
    console = Console(width=100, record=True, file=(tmp_path / "out").open("w"))
    console.print(table(rows, ["tinygen", "torch"], "title"))
    text = console.export_text()
    assert "1.00" in text
    assert "differs" in text
    assert markdown(rows, ["tinygen", "torch"]).splitlines() == [
        "| | tinygen, ms | over torch |",
        "|---|---|---|",
        "| conv | 2 | 1.00 (1.00 to 1.00) |",
        "| norm | 2 | differs |",
    ]
    save_picture(tmp_path / "picture.png", rows, ["tinygen", "torch"])
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_names_are_unique_and_inputs_the_same_each_time() -> None:
    names = [*STEPS, *(operation.name for operation in OPERATIONS)]
    assert len(set(names)) == len(names)
    for operation in OPERATIONS:
        for one, two in zip(operation.arrays().values(), operation.arrays().values()):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_takes_exactly_the_noise_that_is_given(name: str) -> None:
    step = STEPS[name]
    given = Given(step.noise())
    loss, _ = step.model().loss(step.batch(), given)
    assert np.isfinite(float(loss))
    with pytest.raises(StopIteration):
        next(given.arrays)


def test_the_command_writes_json_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "a + b", "--rounds", "1", "--seconds", "0", "--threads", "1", "--out", str(tmp_path)]
    assert main([*arguments, "--against"]) == 0
    assert CASE in capsys.readouterr().out
    written = json.loads((tmp_path / "bench.json").read_text())
    assert [row["case"] for row in written["rows"]] == [CASE]
    assert written["machine"]["threads"] == "1"
    assert (tmp_path / "bench.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("conw", "unknown case 'conw'"),
        ("conv --rounds 0", "--rounds is at least 1, not 0"),
        ("conv --against trch", "unknown library 'trch': did you mean torch?"),
    ],
)
def test_wrong_usage_of_bench_is_one_line(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", *arguments.split()]) == 2
    assert said in capsys.readouterr().err

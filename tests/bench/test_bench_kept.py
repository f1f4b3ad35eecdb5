"""An interrupted measurement goes on from the rows that were finished, and from no others."""

import json
from pathlib import Path

import pytest

from tinygen.bench import machine
from tinygen.bench.kept import CannotResume, Kept
from tinygen.bench.result import Row, Samples
from tinygen.cli import bench, main

ABOUT = {"processor": "One", "libraries": "tinygen, torch"}
CASE = "a + b, one number"


def rows(case: str, value: float = 0.1) -> list[Row]:
    return [Row(case, {"tinygen": Samples([value, 1 / 3], [value, 0.3, 2.0], 1)}, {"torch": "differs"})]


def never() -> list[Row]:
    pytest.fail("it was measured again")


def test_finished_rows_are_as_they_were_and_no_others_are_there(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    first = Kept(path, ABOUT)
    first.of(0)("conv", lambda: rows("conv"))
    first.of(1)("conv", lambda: rows("conv", 0.7))
    told: list[str] = []
    again = Kept(path, ABOUT, resume=True, told=told.append)
    assert again.of(0)("conv", never) == rows("conv")
    assert again.of(1)("conv", never) == rows("conv", 0.7)
    assert again.of(0)("norm", lambda: rows("norm")) == rows("norm")
    assert told == ["conv", "conv", "norm"]
    assert Kept(path, ABOUT, resume=True).found == again.found
    again.finish()
    assert not path.exists()


def test_a_line_that_was_being_written_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    kept = Kept(path, ABOUT)
    kept.of(0)("conv", lambda: rows("conv"))
    kept.of(0)("norm", lambda: rows("norm"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    again = Kept(path, ABOUT, resume=True)
    assert again.of(0)("conv", never) == rows("conv")
    assert again.of(0)("norm", lambda: rows("norm")) == rows("norm")
    assert path.read_bytes() == whole


def test_without_resume_it_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    Kept(path, ABOUT).of(0)("conv", lambda: rows("conv"))
    assert Kept(path, ABOUT).of(0)("conv", lambda: rows("conv", 0.7)) == rows("conv", 0.7)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (ABOUT | {"processor": "Two"}, "processor was One, is Two"),
        (ABOUT | {"rounds": "3"}, "rounds was None, is 3"),
    ],
)
def test_rows_of_another_measurement_are_not_mixed_in(about: dict[str, str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    Kept(path, ABOUT)
    before = path.read_bytes()
    with pytest.raises(CannotResume, match=said):
        Kept(path, about, resume=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", ["", "\n", "not JSON\n", "[1]\n", '{"processor": "One"}\n7\n'])
def test_a_file_of_something_else_is_one_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(CannotResume, match="is no file of such rows"):
        Kept(path, ABOUT, resume=True)


def test_rows_of_other_code_are_not_mixed_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version is the same; a file of a kernel is another."""
    before = machine.code()
    told = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: told(path) + b"#" * (path.name == "gemm.py"))
    assert machine.code() != before


def test_the_command_stops_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row that was finished has two samples; measured now it would have one."""

    def stopping(plan: bench.Plan, kept: Kept) -> None:
        kept.of(0)(CASE, lambda: [Row(CASE, {"tinygen": Samples([0.1, 0.2], [0.1, 0.2])}, {})])
        raise KeyboardInterrupt

    arguments = [
        "bench",
        CASE,
        "--threads",
        "1",
        "--rounds",
        "1",
        "--seconds",
        "0",
        "--against",
        "--out",
        str(tmp_path),
    ]
    assert main([*arguments, "--resume"]) == 2
    assert "bench.rows.jsonl to go on from: leave --resume out" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setitem(bench.MEASURES, "time", stopping)
        assert main(arguments) == 1
    assert "bench.rows.jsonl has what is measured so far, --resume goes on from it" in capsys.readouterr().err
    assert main([*arguments, "--resume"]) == 0
    written = json.loads((tmp_path / "bench.json").read_text())
    assert [row["libraries"]["tinygen"]["samples"] for row in written["runs"][0]] == [2]
    assert "--resume" not in written["command"]
    assert main([*arguments, "--resume"]) == 2

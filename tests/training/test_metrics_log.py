"""The log of a resumed run is the log of one never stopped."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.training.metrics_log import MetricsLog, Window, read

RECORDS = [{"step": step, "loss": step / 3} for step in range(10, 60, 10)]


def write(path: Path, after: int = 0) -> None:
    log = MetricsLog(path, after=after)
    for record in RECORDS:
        if record["step"] > after:
            log.append(record)
    log.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "metrics.jsonl"
    write(path)
    return path.read_bytes()


@given(cut=st.integers(0, 200), after=st.sampled_from([0, 10, 30]))
def test_killed_anywhere_in_a_line_and_resumed_the_file_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, cut: int, after: int
) -> None:
    # the lines up to the checkpoint were on disk before it was; what came later may be cut anywhere
    least = sum(len(line) + 1 for line in whole.splitlines()[: after // 10])
    path = tmp_path_factory.mktemp("killed") / "metrics.jsonl"
    path.write_bytes(whole[: max(least, cut)])
    write(path, after=after)
    assert path.read_bytes() == whole


def test_lines_that_are_no_record_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step":1}\n[2]\n\xff\xfe\n{"step":3}\n{"ste')
    assert read(path) == [{"step": 1}, {"step": 3}]
    assert read(tmp_path / "absent") == []


def test_a_line_is_the_mean_over_the_steps_that_reported_each_figure() -> None:
    window = Window()
    window.add({"loss": 1.0, "critic": 5.0})
    window.add({"loss": 2.0})
    window = Window(window.sums)  # as after a resume
    window.add({"loss": 6.0})
    assert window.means() == {"loss": 3.0, "critic": 5.0}
    assert window.means() == {}

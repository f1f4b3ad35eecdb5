"""The report is one file that needs no other, and says what the run says."""

import base64
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mean_runs import mean_config, start

from tinygen.training import curves
from tinygen.training.progress import Meter, duration
from tinygen.training.report import count, write_report
from tinygen.training.run_directory import RunDirectory

COMMAND = "tinygen train mean --data 'a <b> & c'"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    import fake_model

    fake_model.register()
    directory = RunDirectory(tmp_path_factory.mktemp("runs") / "run")
    config = mean_config(data="digits", sample_every=5)
    start(directory.path, dataclasses.replace(config, provenance={"command": COMMAND, "parameters": 64}))
    return directory


def test_it_needs_no_other_file(run: RunDirectory) -> None:
    page = run.report.read_text()
    sources = re.findall(r'(?:src|href|xlink:href|url)\s*[=(]\s*"?([^")\s>]+)', page)
    assert sources
    assert all(source.startswith(("data:image/png;base64,", "#")) for source in sources)
    assert "<script" not in page
    assert "<link" not in page


def test_the_newest_picture_and_six_of_the_earlier_stand_in_it(run: RunDirectory) -> None:
    page, files = run.report.read_text(), run.pictures()
    found = [base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", page)]
    assert found[0] == files[-1].read_bytes()
    assert found[1] == files[0].read_bytes()
    assert len(found) == 7
    assert set(found) <= {path.read_bytes() for path in files}


def test_command_and_figures_stand_in_it_escaped(run: RunDirectory) -> None:
    page = run.report.read_text()
    assert "tinygen train mean --data &#x27;a &lt;b&gt; &amp; c&#x27;" in page
    assert "<b>64</b><span>parameters</span>" in page
    assert "<b>40</b><span>steps</span>" in page
    assert "finished" in page
    assert "To go on" not in page


def test_an_unfinished_run_says_how_to_go_on(run: RunDirectory, tmp_path: Path) -> None:
    other = RunDirectory.create(tmp_path / "run", mean_config(steps=50))
    other.metrics_file.write_bytes(run.metrics_file.read_bytes())
    page = write_report(other).read_text()
    assert "40 of 50 steps" in page
    assert f"train --resume {other.path}" in page


def test_the_curve_takes_all_its_colours_from_the_page(run: RunDirectory) -> None:
    svg = curves.svg_curve([{"step": step, "loss": 1 / step} for step in range(1, 50)])
    assert svg.startswith("<svg")
    assert not re.search(r"#[0-9a-f]{6}", svg)
    assert "var(--accent)" in svg
    assert run.loss_picture.read_bytes().startswith(b"\x89PNG")


@given(st.integers(1, 40), st.integers(1, 15).map(lambda half: 2 * half + 1))
def test_smoothing_keeps_constants_and_straight_lines(n: int, window: int) -> None:
    assert curves.smoothed(np.full(n, 3.0), window) == pytest.approx(np.full(n, 3.0))
    line = np.arange(float(n))
    inside = slice(window // 2, n - window // 2)
    assert curves.smoothed(line, window)[inside] == pytest.approx(line[inside])


def test_figures_are_said_as_people_say_them() -> None:
    assert [duration(s) for s in (4.21, 42.4, 185, 7800)] == ["4.2 s", "42 s", "3 min 05 s", "2 h 10 min"]
    assert [count(n) for n in (950, 32_140, 1_048_000)] == ["950", "32.1 k", "1.05 M"]


def test_the_smoothed_loss_starts_as_the_mean_and_time_for_pictures_is_not_in_the_rate() -> None:
    meter = Meter(step=10, steps=110)
    for step, loss in enumerate([4.0, 2.0, 6.0], start=11):
        meter.update(step, loss)
    assert meter.loss == pytest.approx(4.0)
    rate = meter.rate
    meter.exclude(-1e3)  # as if a thousand seconds more had gone into steps
    meter.update(14, 4.0)
    assert meter.rate < rate
    assert meter.rate == pytest.approx(3 / 1000, rel=0.1)  # the first step is not counted
    assert meter.seconds_left == pytest.approx(96 / meter.rate)

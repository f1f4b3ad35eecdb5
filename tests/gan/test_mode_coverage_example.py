"""The example's table: it is of the lines beside it, and a run makes such a line."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "mode_coverage"


@pytest.fixture(scope="module")
def example() -> dict:
    return runpy.run_path(str(FOLDER / "mode_coverage.py"))


def test_the_readme_shows_the_tables_of_the_finished_runs(example):
    readme = (FOLDER / "README.md").read_text()
    for name in example["LAWS"]:
        lines = example["lines_of"](name)
        assert {(line["variant"], line["seed"]) for line in lines} >= {
            (variant, seed) for variant in example["VARIANTS"] for seed in range(3)
        }
        for steps in {line["settings"]["steps"] for line in lines}:
            assert example["table"](name, steps) in readme


def test_a_run_counts_modes_and_repeats_exactly(example):
    first, second = (example["train"]("wgan-gp", "ring8", 3, 2) for _ in range(2))
    assert 0 <= first["modes"] <= 8
    assert 0 <= first["quality"] <= 1
    assert (first["modes"], first["quality"]) == (second["modes"], second["quality"])

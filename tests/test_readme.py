"""What the README says is run: its programs, its examples, its links."""

import json
import re
import runpy
from pathlib import Path

import pytest

from tinygen.bench.goals import STEPS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
LESSONS = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda text: text.strip().splitlines()[-1][:30])
def test_its_programs_run(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_the_examples_run_and_check_themselves(lesson):
    runpy.run_path(str(lesson), run_name="__main__")


def test_its_links_lead_somewhere():
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", README)
    assert len(targets) > 10
    missing = [target for target in targets if not (ROOT / target).exists()]
    assert not missing


def test_its_first_two_blocks_train_and_test():
    train, test = re.findall(r"^```(?:bash|sh)\n(.*?)^```", README, re.M | re.S)[:2]
    assert train.strip().endswith("tinygen train ddpm")
    assert "pytest" in test


def test_its_figures_are_those_of_the_committed_tables():
    """Medians over PyTorch as installed, to two digits: of the steps, the fastest, the slowest but one, the slowest."""
    spread = {
        name: json.loads((ROOT / "docs" / "bench" / f"{name}.json").read_text(encoding="utf-8"))["spread"]
        for name in ("steps", "memory")
    }
    times, peaks = ({step: spread[name][step]["torch"]["middle"] for step in STEPS} for name in ("steps", "memory"))
    fastest, *_, slow, slowest = sorted(STEPS, key=times.__getitem__)
    assert slowest == "VAE"
    wanted = [times[fastest], times[slow], times[slowest], max(peaks.values())]
    sentence = README[README.index("a training step takes") : README.index("of its memory")]
    assert re.findall(r"\.\d\d", sentence) == [f"{value:.2f}"[1:] for value in wanted]

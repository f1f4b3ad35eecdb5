"""Nothing of another run is overwritten, and a run's configuration comes back as it was."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mean_runs import mean_config

from tinygen.training.contract import UsageError
from tinygen.training.run_directory import RunConfig, RunDirectory


def test_the_configuration_comes_back_as_it_was(tmp_path: Path) -> None:
    config = mean_config(widths=(1, (2, 3)), lr=0.1 + 0.2)
    assert RunDirectory.create(tmp_path / "a" / "run", config).read_config() == config


def test_a_directory_with_another_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "run", mean_config())
    before = directory.config_file.read_bytes()
    with pytest.raises(UsageError, match=r"holds another run; go on with it by tinygen train --resume .*--out"):
        RunDirectory.create(tmp_path / "run", mean_config(steps=7))
    assert directory.config_file.read_bytes() == before


def test_a_directory_with_anything_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="not empty and holds no run"):
        RunDirectory.create(tmp_path, mean_config())
    with pytest.raises(UsageError, match="is a file"):
        RunDirectory.create(tmp_path / "thesis.tex", mean_config())


def test_what_a_kill_left_before_the_run_began_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "config.json.tmp").write_text("{")
    RunDirectory.create(tmp_path, mean_config())


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 1}', '{"format": 1, "options": {}, "recipe": {"colour": 1}}', '{"format": 99}'],
)
def test_a_foreign_config_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UsageError, match=r"config\.json is not the configuration of a run"):
        RunDirectory.open(tmp_path).read_config()


def test_no_run_is_told_from_no_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        RunDirectory.open(tmp_path)
    with pytest.raises(UsageError, match="is no directory"):
        RunDirectory.open(tmp_path / "absent")


def test_two_processes_never_train_in_one_directory(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, mean_config())
    program = (
        "import sys; from pathlib import Path; from tinygen.training.run_directory import RunDirectory\n"
        "with RunDirectory(Path(sys.argv[1])).locked(): print('in')"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with directory.locked():
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "another process is training in" in other.stderr
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "in\n"


def test_config_json_is_for_people_too(tmp_path: Path) -> None:
    text = RunDirectory.create(tmp_path, mean_config(steps=77)).config_file.read_text()
    assert json.loads(text)["recipe"]["steps"] == 77
    assert RunConfig.from_json(text).owner == {
        "model": "mean",
        "options": {"momentum": 0.9, "pause": 0.0, "nan_at": 0, "widths": [1, 2]},
    }

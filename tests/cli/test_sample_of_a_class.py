"""`tinygen sample --class`: the classes asked for, by name or number, and one line for those there are not."""

from pathlib import Path

import numpy as np
import pytest

from tinygen.cli import main
from tinygen.cli.sample import asked
from tinygen.training.contract import UsageError

NAMES = ("shirt", "ankle boot", "7")


def test_classes_are_called_by_name_or_number() -> None:
    assert asked("shirt", "cgan", 3, NAMES).tolist() == [0]
    assert asked("ankle boot, 0,7", "cgan", 3, NAMES).tolist() == [1, 0, 2]  # a name goes before a number
    assert asked(None, "cgan", 3, NAMES).tolist() == [0, 1, 2]
    assert asked(None, "gan", 0, NAMES) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("3", "--class takes classes of the data, and 3 is none: there are 3: shirt, ankle boot, 7"),
        ("-1", "-1 is none"),
        ("0,", "and nothing is none"),
        ("shrt", "did you mean shirt?"),
    ],
)
def test_a_class_that_there_is_not_is_named(given: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        asked(given, "cgan", 3, NAMES)


def test_an_unconditional_model_takes_no_class() -> None:
    with pytest.raises(UsageError, match="gan is unconditional and takes no --class"):
        asked("1", "gan", 0, NAMES)


def test_samples_are_of_the_classes_asked_for_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, labels = tmp_path / "run", []
    assert main(["train", "cvae", "--hidden", "8", "--steps", "1", "--out", str(run)]) == 0
    from tinygen.vae.vae import VAE

    drawn = VAE.sample
    monkeypatch.setattr(VAE, "sample", lambda self, n, rng, cond: labels.append(cond) or drawn(self, n, rng, cond))
    capsys.readouterr()
    assert main(["sample", str(run), "-n", "5", "--class", "3,8"]) == 0
    assert np.concatenate(labels).tolist() == [3, 8, 3, 8, 3]
    assert Path(capsys.readouterr().out.strip()).name == "drawn-00000001-n5-seed0-class3-8.png"
    labels.clear()
    assert main(["sample", str(run), "-n", "130"]) == 0
    assert np.concatenate(labels).tolist() == [k % 10 for k in range(130)]

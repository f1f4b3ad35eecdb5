"""The command line: what it does, and one line with exit code 2 for everything that is wrong with what was typed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))

import fake_model

from tinygen.cli import main
from tinygen.training import checkpoint as checkpoints
from tinygen.training import registry


@pytest.fixture(autouse=True)
def mean_model() -> None:
    fake_model.register()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    fake_model.register()
    path = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", "mean", "--steps", "30", "--out", str(path)]) == 0
    return path


def complaint(capsys: pytest.CaptureFixture[str], *args: Any, code: int = 2) -> str:
    """The one line that is printed, after checking that it is one."""
    assert main([str(arg) for arg in args]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("tinygen: ")
    assert printed.err.count("\n") == 1
    return printed.err


WRONG = {
    "trian": "unknown command 'trian': did you mean train?",
    "train": "train takes a model",
    "train maen": "unknown model 'maen': did you mean mean?",
    "train --steps 3": "train takes the model first",
    "train mean --stps 3": "train mean takes no --stps: did you mean --steps?",
    "train mean --momentun=1": "did you mean --momentum?",
    "train mean surplus": "train mean takes no surplus",
    "train mean --steps few": "--steps takes an integer, not 'few'",
    "train mean --lr": "--lr takes a number, and nothing follows it",
    "train mean --widths 1 b": "--widths takes integers, not '1', 'b'",
    "train mean --steps 0": "--steps is at least 1, not 0",
    "train mean --batch-size -2": "--batch-size is at least 1, not -2",
    "train mean --batch-size 9999": "take at most 1438",
    "train mean --sample-every 0": "--sample-every is at least 1, not 0",
    "train mean --lr nan": "--lr is greater than 0, not nan",
    "train mean --ema-decay 1": "--ema-decay is at least 0 and less than 1, not 1.0",
    "train mean --warmup -1": "--warmup is at least 0, not -1",
    "train mean --grad-clip nan": "--grad-clip is at least 0, not nan",
    "train mean --seed -1": "--seed is an integer from 0 to 2**64 - 1, not -1",
    "train mean --data digit": "did you mean 'digits'?",
    "train mean --device tpu": "--device: unknown device 'tpu'",
    "train mean --device cpu --capture": "--capture: a graph is CUDA's, and the run is on the cpu",
    "train mean --capture --no-capture": "--capture: --no-capture says the opposite",
    "train mean --momentum 2": "momentum is at least 0 and less than 1, not 2.0",
    "train mean --out RUN": "holds another run",
    "train --resume absent": "absent is no directory",
    "train --resume .": "holds no run",
    "train mean --resume RUN": "--resume takes no model, the run knows its own; leave mean out",
    "train --resume RUN --steps 7": "at least 30, where the run is, not 7",
    "train --resume RUN --batch-size 7": "train takes no --batch-size",
    "sample": "sample takes the directory of the run, which is missing",
    "sample absent": "absent is no directory",
    "sample RUN -n many": "--n takes an integer, not 'many'",
    "sample RUN -n 0": "-n is at least 1, not 0",
    "sample RUN --out picture.gif": "--out is a picture that ends in .png, not picture.gif",
    "sample RUN --class 3": "mean is unconditional and takes no --class; models such as cvae and cgan do",
    "sample RUN --class": "Missing value for argument '--class'",
    "eval .": "holds no run",
    "eval RUN -n 3": "-n is at least 4, not 3; --no-samples measures none",
    "eval RUN --sample": "eval takes no --sample: did you mean --samples?",
    "list all": "list takes no all",
    "data --all": "data takes no --all",
}


@pytest.mark.parametrize("typed", WRONG)
def test_wrong_usage_is_one_line_that_says_what_would_be_right(
    typed: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert WRONG[typed] in complaint(capsys, *(run if word == "RUN" else word for word in typed.split()))
    assert list(tmp_path.iterdir()) == []


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    for args in ([], ["--help"], ["train", "--help"]):
        assert main(args) == 0
        assert "tinygen" in capsys.readouterr().out
    for args in (["train", "mean", "--help"], ["sample", "-h"], ["train", "--resume", "x", "--help"]):
        with pytest.raises(SystemExit) as leaving:
            main(args)
        assert leaving.value.code in (0, None)
        assert "usage: tinygen" in capsys.readouterr().out


def test_options_of_the_loop_and_of_the_model_stand_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "mean", "--help"])
    shown = capsys.readouterr().out
    for text in ("--data", "--steps", "--seed", "--momentum FLOAT", "Momentum of the descent."):
        assert text in shown


def test_a_trained_run_is_complete(run: Path) -> None:
    assert {path.name for path in run.iterdir()} == {
        "config.json", "metrics.jsonl", "checkpoints", "samples", "loss.png", "report.html",
    }  # fmt: skip
    assert {path.name for path in (run / "samples").glob("step-*")} == {"step-00000020.png", "step-00000030.png"}
    assert {path.name for path in (run / "checkpoints").iterdir()} == {
        f"step-000000{step}.safetensors" for step in ("00", "20", "30")
    }


def test_resume_carries_a_finished_run_further(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "run"
    assert main(["train", "mean", "--steps", "10", "--out", str(path)]) == 0
    assert main(["train", "--resume", str(path), "--steps", "15", "--lr", "0.5"]) == 0
    assert "done: 15 steps" in capsys.readouterr().out
    assert checkpoints.step_of(checkpoints.saved(path / "checkpoints")[0]) == 15


def test_the_report_repeats_every_command_that_shaped_the_run(tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert main(["train", "mean", "--steps", "10", "--out", str(path)]) == 0
    assert main(["train", "--resume", str(path)]) == 0
    assert main(["train", "--resume", str(path), "--steps", "15"]) == 0
    report = (path / "report.html").read_text(encoding="utf-8")
    started, further = f"tinygen train mean --steps 10 --out {path}", f"tinygen train --resume {path} --steps 15"
    assert f"{started}\n{further}</pre>" in report


def test_help_of_a_model_says_what_its_recipe_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "ddpm", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Recipe for digits: --steps 1200 --batch-size 64 --lr 0.001" in said


def test_sample_draws_n_from_the_averaged_weights(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(run), "-n", "100", "--seed", "7"]) == 0
    path = Path(capsys.readouterr().out.strip())
    first = path.read_bytes()
    picture = np.asarray(Image.open(path))[:, :, 0]
    gaps = (picture == 128).all(1)
    assert np.count_nonzero(gaps[1:] & ~gaps[:-1]) == 10  # ten rows of ten
    assert main(["sample", str(run), "-n", "100", "--seed", "7"]) == 0
    assert path.read_bytes() == first


def test_sample_passes_over_a_damaged_checkpoint_and_leaves_it(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    other = tmp_path / "run"
    shutil.copytree(run, other)
    newest = checkpoints.saved(other / "checkpoints")[0]
    newest.write_bytes(b"")
    assert main(["sample", str(other), "-n", "4", "--out", str(tmp_path / "a.png")]) == 0
    printed = capsys.readouterr()
    assert "damaged checkpoint, passed over" in printed.err
    assert printed.out.strip() == str(tmp_path / "a.png")
    assert newest.exists()


def test_a_failure_while_running_is_one_line_and_code_1(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["train", "mean", "--nan-at", "5", "--out", str(out)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("tinygen: step 5: loss is nan")
    for path in (out / "checkpoints").iterdir():
        path.write_bytes(b"")
    assert "none of the 1 checkpoints" in capsys_err(capsys, "sample", out)


def capsys_err(capsys: pytest.CaptureFixture[str], *args: Any) -> str:
    assert main([str(arg) for arg in args]) == 1
    return capsys.readouterr().err


def test_eval_gives_the_mean_loss_on_held_out_data(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", str(run), "--no-samples"]) == 0
    head, loss = capsys.readouterr().out.splitlines()
    assert head == "mean on digits, step 30, 359 held-out examples"
    from tinygen import data

    x = data.load("digits", "test").x
    weights = checkpoints.load(checkpoints.saved(run / "checkpoints")[0]).state["ema"]["weight"]
    exact = ((x - weights) ** 2).mean() / 2 + 0.1**2 / 2
    assert float(loss.split()[1]) == pytest.approx(exact, rel=0.01)


def test_eval_measures_samples_and_the_report_shows_what_was_measured(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", str(run), "-n", "20"]) == 0
    printed = capsys.readouterr().out.splitlines()
    kept = json.loads((run / "evaluation.json").read_text())
    assert kept["step"] == 30
    assert list(kept["figures"]) == [line[2:36].strip() for line in printed[1:]]
    value, unit = kept["figures"]["Frechet distance of samples"]
    assert f"{value:.5g}" in printed[2]
    assert unit == "on 64 features of our classifier; 20 samples, 20 held out"
    assert f"<td>{value:.5g} {unit}</td>" in (run / "report.html").read_text()


def test_list_and_data_have_a_line_each(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(registry, "MODELS", {"mean": "fake_model:MeanConfig"})
    monkeypatch.setattr("tinygen.cli.listing.MODELS", registry.MODELS)
    monkeypatch.delenv("TINYGEN_DATA", raising=False)
    assert main(["list"]) == 0
    assert capsys.readouterr().out == "fake_model\n  mean  The mean of the data, learned by stochastic descent.\n"
    assert main(["data"]) == 0
    assert capsys.readouterr().out.startswith("digits ")


def test_the_command_line_starts_without_what_it_does_not_need() -> None:
    heavy = "{'numba', 'matplotlib', 'rich', 'tyro', 'sklearn', 'PIL', 'safetensors', 'tinygen.diffusion'}"
    program = f"import sys; from tinygen.cli import main; main([]); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


def test_python_m_tinygen_is_the_command_line() -> None:
    command = [sys.executable, "-m", "tinygen", "trian"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "did you mean train?" in done.stderr


def test_a_folder_of_pictures_is_resized_to_the_size_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cats").mkdir()
    for index in range(40):
        Image.new("RGB", (20 + index, 30), (index, 0, 0)).save(tmp_path / "cats" / f"{index}.png")
    assert "images of different sizes" in complaint(capsys, "train", "mean", "--data", "cats")
    out = tmp_path / "run"
    args = ["train", "mean", "--data", "cats", "--image-size", "6", "--steps", "3", "--out", str(out)]
    assert main(args) == 0
    monkeypatch.chdir(out)  # the run knows its data from anywhere
    assert main(["sample", str(out), "-n", "4"]) == 0
    assert checkpoints.load(checkpoints.saved(out / "checkpoints")[0]).state["model"]["weight"].shape == (3, 6, 6)

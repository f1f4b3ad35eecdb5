"""A run on the simulated device, by the command line: captured steps, stopped, resumed, sampled, evaluated."""

import numpy as np
import pytest
from simulator import needs_compiler
from simulator.cupy import CUPY, as_cupy

import tinygen as tg
from tinygen.cli import main

SIZES = ["--latent", "2", "--hidden", "8", "--batch-size", "8", "--pictures", "2"]
OPTIONS = [*SIZES, "--warmup", "3", "--save-every", "2", "--device", "cuda", "--capture"]


def weights(path, step):
    return tg.load(path / "checkpoints" / f"step-{step:08}.safetensors")


@needs_compiler
def test_a_run_that_is_resumed_ends_with_the_same_bits_and_its_samples_are_drawn(tmp_path, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    with as_cupy() as session:
        assert main(["train", "vae", *OPTIONS, "--steps", "5", "--out", str(whole)]) == 0
        assert {"adam", "ema", "normal"} <= session.launched
        assert main(["train", "vae", *OPTIONS, "--steps", "2", "--out", str(parts)]) == 0
        assert main(["train", "--resume", str(parts), "--steps", "5"]) == 0
        assert main(["sample", str(parts), "-n", "3"]) == 0
        assert main(["eval", str(parts), "--no-samples"]) == 0
    assert "log p(x), lower bound (ELBO)" in capsys.readouterr().out
    assert list((parts / "samples").glob("drawn-*.png"))
    expected, found = weights(whole, 5), weights(parts, 5)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(value), err_msg=name)


@needs_compiler
def test_a_device_that_is_not_there_is_told_in_a_line(tmp_path, capsys):
    with as_cupy():
        assert main(["train", "vae", *OPTIONS, "--device", "cuda:1", "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert said == "tinygen: the run is on cuda:1: cudaErrorInvalidDevice: invalid device ordinal\n"
    assert not (tmp_path / "run").exists()


@needs_compiler
def test_a_card_that_is_too_old_is_none(monkeypatch):
    old = {"name": b"Tesla T4", "major": 7, "minor": 5}
    with as_cupy():
        monkeypatch.setattr(CUPY.cuda.runtime, "getDeviceProperties", lambda index: old)
        assert tg.device("auto") == "cpu"
        with pytest.raises(RuntimeError, match=r"Tesla T4 has compute capability 7\.5, kernels need 8\.0"):
            tg.device("cuda")


def test_where_there_is_no_device_the_reason_is_told_in_a_line(tmp_path, capsys):
    works, reason = tg.cuda_status()
    if works:
        pytest.skip(f"a device is here: {reason}")
    assert main(["train", "ddpm", "--device", "cuda", "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert said == f"tinygen: --device: device 'cuda' cannot be used: {reason}\n"
    assert not (tmp_path / "run").exists()

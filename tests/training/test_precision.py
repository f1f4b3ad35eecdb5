"""`--precision`: what a run computes with, that it goes on with the same, and how far it strays from float32."""

import numpy as np
import pytest

from tinygen import kernels
from tinygen.autodiff.tape import mode
from tinygen.cli.train import run
from tinygen.training.contract import UsageError
from tinygen.training.precision import computing_in
from tinygen.training.run_directory import RunDirectory

SMALL = (
    "--data",
    "digits",
    "--batch-size",
    "16",
    "--channels",
    "8",
    "--timesteps",
    "20",
    "--save-every",
    "4",
    "--device",
    "cpu",
)


def train(path, *options):
    assert run(["ddpm", *SMALL, "--out", str(path), *options]) == 0
    return weights(path)


def weights(path):
    from safetensors.numpy import load_file

    newest = sorted((path / "checkpoints").glob("*.safetensors"))[-1]
    return load_file(newest)


def test_the_switches_hold_within_a_step_and_no_longer():
    for name, products, mixed in (("float32", "float32", False), ("tf32", "tf32", False), ("bf16", "float32", True)):
        with computing_in(name):
            assert (kernels.current_precision(), mode.mixed) == (products, mixed)
    assert (kernels.current_precision(), mode.mixed) == ("float32", False)
    with pytest.raises(UsageError, match="--precision is float32 or tf32 or bf16, not 'half'"):
        run(["ddpm", "--precision", "half"])


def test_a_run_in_bf16_goes_on_with_the_same_bits_and_keeps_float32_weights(tmp_path):
    whole = train(tmp_path / "whole", "--precision", "bf16", "--steps", "8")
    train(tmp_path / "parts", "--precision", "bf16", "--steps", "4")
    assert RunDirectory.open(tmp_path / "parts").read_config().precision == "bf16"
    assert run(["--resume", str(tmp_path / "parts"), "--steps", "8"]) == 0
    parts = weights(tmp_path / "parts")
    assert parts.keys() == whole.keys()
    for name, value in whole.items():
        assert value.dtype != "bfloat16"
        if value.dtype.kind == "f" and "seconds" not in name:
            assert np.array_equal(parts[name], value), name
    plain = train(tmp_path / "plain", "--steps", "8")
    moved = [name for name, value in whole.items() if value.dtype == np.float32 and value.size > 100]
    assert not all(np.array_equal(plain[name], whole[name]) for name in moved)

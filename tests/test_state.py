"""Files of tensors: what is written is read, bit by bit; nothing half-written is left; bad files are refused."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg

DTYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "uint64", "bool"]


@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(0, 4), max_size=4),
    reverse=st.booleans(),
    name=st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=8),
)
def test_any_array_comes_back_bit_by_bit(tmp_path_factory, dtype, shape, reverse, name):
    values = np.random.default_rng(0).normal(size=shape) * 5
    array = values.astype(dtype)
    array = array.transpose() if reverse else array
    if name == "__metadata__":
        return
    path = tmp_path_factory.mktemp("state") / "a.safetensors"
    tg.save(path, {name: tg.Tensor(array), "other": np.float32(1.5)})
    found = tg.load(path)
    assert set(found) == {name, "other"}
    assert found[name].dtype == array.dtype
    assert found[name].shape == array.shape
    np.testing.assert_array_equal(found[name], array)
    assert isinstance(found[name], tg.Tensor)
    assert not found[name].requires_grad


def test_nan_and_signed_zero_are_kept(tmp_path):
    values = np.array([np.nan, -0.0, np.inf, 5e-324])
    tg.save(tmp_path / "a", {"x": values})
    assert tg.load(tmp_path / "a")["x"].numpy().tobytes() == values.tobytes()


def test_what_is_loaded_may_be_written_into(tmp_path):
    tg.save(tmp_path / "a", {"x": np.zeros(3)})
    x = tg.load(tmp_path / "a")["x"]
    x[1] = 5.0
    np.testing.assert_array_equal(x, [0, 5, 0])


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, step):
    path = tmp_path / "a.safetensors"
    tg.save(path, {"x": np.ones(3)})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space left"):
        tg.save(path, {"x": np.zeros(300)})
    monkeypatch.undo()
    np.testing.assert_array_equal(tg.load(path)["x"], 1.0)
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("damage", [lambda b: b[:-3], lambda b: b[:5], lambda b: b"not a tensor", lambda b: b""])
def test_a_damaged_file_is_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "a.safetensors"
    tg.save(path, {"x": np.ones(300)})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"a\.safetensors is cut short or is not a safetensors file") as error:
        tg.load(path)
    assert "\n" not in str(error.value)


def test_what_cannot_be_saved_is_said(tmp_path):
    with pytest.raises(TypeError, match="'model' is a mapping; give name -> tensor"):
        tg.save(tmp_path / "a", {"model": {"weight": np.ones(2)}})
    with pytest.raises(TypeError, match="names are strings, not 3"):
        tg.save(tmp_path / "a", {3: np.ones(2)})
    with pytest.raises(TypeError, match="cannot make a tensor of str"):
        tg.save(tmp_path / "a", {"name": "text"})
    with pytest.raises(FileNotFoundError):
        tg.load(tmp_path / "absent")
    assert not list(tmp_path.iterdir())


def test_files_of_pytorch_are_read_and_ours_by_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    files = pytest.importorskip("safetensors.torch")
    theirs = {
        "a.weight": torch.arange(6.0).reshape(2, 3),
        "b": torch.tensor(7),
        "half": torch.tensor([1.5, -2.0, 3e38], dtype=torch.bfloat16),
        "mask": torch.tensor([True, False]),
    }
    files.save_file(theirs, tmp_path / "theirs")
    found = tg.load(tmp_path / "theirs")
    for name, value in theirs.items():
        assert str(found[name].dtype) == str(value.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(found[name].astype("float64"), value.double().numpy())
    tg.save(tmp_path / "ours", found)
    for name, value in files.load_file(tmp_path / "ours").items():
        assert value.dtype == theirs[name].dtype
        assert torch.equal(value, theirs[name])


def test_a_module_in_place_of_its_state_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"state_dict\(\) gives, not Linear"):
        tg.save(tmp_path / "model.safetensors", tg.nn.Linear(2, 3))

"""A checkpoint gives back the bits it was given, or says that it cannot."""

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from tinygen.training import checkpoint as checkpoints
from tinygen.training.checkpoint import Checkpoint, DamagedCheckpoint
from tinygen.training.contract import NonFinite, RunError

OWNER = {"model": "mean", "options": {"widths": [1, 2]}}


def state(step: int) -> dict[str, Any]:
    weights = np.random.default_rng(step).normal(size=(3, 2)).astype(np.float32)
    return {"model": {"weight": weights}, "counts": {7: step}, "rng": {"key": [1, 2], "counter": 2**70}}


def save(folder: Path, step: int, **changes: Any) -> Path:
    return checkpoints.save(folder, Checkpoint(step, OWNER, {**state(step), **changes}))


def never(path: Path, why: str) -> None:
    raise AssertionError(why)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    found = checkpoints.load(save(tmp_path, 12))
    assert (found.step, found.owner) == (12, OWNER)
    assert found.state["model"]["weight"].tobytes() == state(12)["model"]["weight"].tobytes()
    assert found.state["counts"] == {7: 12}
    assert found.state["rng"] == state(12)["rng"]


def test_other_programs_find_the_weights_by_name(tmp_path: Path) -> None:
    assert np.array_equal(load_file(save(tmp_path, 1))["model.weight"], state(1)["model"]["weight"])


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return save(tmp_path_factory.mktemp("whole"), 5).read_bytes()


@given(st.data())
def test_a_change_of_any_byte_is_found(tmp_path_factory: Any, content: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    path = tmp_path_factory.mktemp("changed") / "step-00000005.safetensors"
    path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
    with pytest.raises(DamagedCheckpoint, match="step-00000005"):
        checkpoints.load(path)


@given(st.data())
def test_a_file_cut_short_anywhere_is_found(tmp_path_factory: Any, content: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(content) - 1))
    path = tmp_path_factory.mktemp("cut") / "step-00000005.safetensors"
    path.write_bytes(content[:length])
    with pytest.raises(DamagedCheckpoint, match="cut short"):
        checkpoints.load(path)


def test_a_swap_of_two_arrays_is_found(tmp_path: Path) -> None:
    # safetensors alone would take it: sizes fit, only the content differs
    path = checkpoints.save(tmp_path, Checkpoint(1, OWNER, {"a": np.zeros(4), "b": np.ones(4)}))
    content = path.read_bytes()
    path.write_bytes(content[:-64] + content[-32:] + content[-64:-32])
    with pytest.raises(DamagedCheckpoint, match="SHA-256"):
        checkpoints.load(path)


def test_safetensors_of_another_program_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "step-00000001.safetensors"
    save_file({"weight": np.zeros(2)}, path)
    with pytest.raises(DamagedCheckpoint, match="no checkpoint of a run"):
        checkpoints.load(path)


def test_the_newest_three_are_kept(tmp_path: Path) -> None:
    for step in (0, 10, 20, 30, 100):
        save(tmp_path, step)
    assert [checkpoints.step_of(path) for path in checkpoints.saved(tmp_path)] == [100, 30, 20]


def test_the_newest_good_one_is_used_and_each_bad_one_told(tmp_path: Path) -> None:
    save(tmp_path, 10)
    newer = [save(tmp_path, step) for step in (20, 30)]
    for path in newer:
        path.write_bytes(path.read_bytes()[:-1])
    told: list[tuple[Path, str]] = []
    found = checkpoints.load_newest(tmp_path, lambda path, why: told.append((path, why)))
    assert found is not None
    assert found.step == 10
    assert [path for path, _ in told] == newer[::-1]
    assert all("cut short" in why for _, why in told)


def test_none_good_is_an_error_and_none_at_all_is_not(tmp_path: Path) -> None:
    assert checkpoints.load_newest(tmp_path / "absent", never) is None
    save(tmp_path, 10).write_bytes(b"")
    with pytest.raises(RunError, match="none of the 1 checkpoints"):
        checkpoints.load_newest(tmp_path, lambda path, why: None)


def test_a_state_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    save(tmp_path, 10)
    with pytest.raises(NonFinite, match=r"moments is -inf"):
        save(tmp_path, 20, moments=np.array([1.0, -np.inf]))
    assert [checkpoints.step_of(path) for path in checkpoints.saved(tmp_path)] == [10]


def test_a_full_disk_leaves_the_checkpoints_there_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (10, 20, 30):
        save(tmp_path, step)

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, 40)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"step-000000{n}.safetensors" for n in (10, 20, 30)]
    assert checkpoints.load(checkpoints.path_of(tmp_path, 30)).step == 30

"""The data sets by name: shapes, ranges, splits, where files are found, what a wrong name or file gets."""

import os
import subprocess
import sys

import numpy as np
import pytest
from idx_files import idx_bytes, write_mnist

from tinygen.data import DENSITIES, NAMES, DataError, Dataset, describe, load, mnist
from tinygen.data.dataset import held_out_split
from tinygen.data.locations import cache_folder
from tinygen.data.mnist import FASHION_MNIST, MNIST


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path):
    """No data and an empty cache; downloading fails the test."""
    monkeypatch.delenv("TINYGEN_DATA", raising=False)
    monkeypatch.setenv("TINYGEN_CACHE", str(tmp_path / "cache"))

    def no_network(remote, folder):
        raise DataError(f"asked for {remote.name} in {folder}")

    monkeypatch.setattr(mnist, "fetch", no_network)


def error(*args, **kwargs) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        load(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- digits ---


def test_digits_are_1797_images_in_two_disjoint_fixed_splits():
    train, test = load("digits"), load("digits", "test")
    assert (len(train), len(test)) == (1438, 359)
    for part in (train, test):
        assert part.kind == "image"
        assert part.shape == (1, 8, 8)
        assert part.x.dtype == np.float32
        assert part.y is not None
        assert part.y.dtype == np.int64
        assert (part.x.min(), part.x.max()) == part.value_range == (-1, 1)
        assert set(np.unique(part.y)) == set(range(10))
    from sklearn.datasets import load_digits

    source = load_digits()
    images = np.concatenate([train.x, test.x]).reshape(-1, 64) * 8 + 8
    labels = np.concatenate([train.y, test.y])
    order = np.lexsort(np.column_stack([images, labels]).T)
    source_order = np.lexsort(np.column_stack([source.data, source.target]).T)
    np.testing.assert_array_equal(images[order], source.data[source_order])
    np.testing.assert_array_equal(labels[order], source.target[source_order])


def test_digits_are_read_without_scikit_learn_and_with_it_where_it_keeps_them_elsewhere(monkeypatch):
    program = "import sys; from tinygen.data import load; load('digits'); print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    here = load("digits")
    monkeypatch.setattr("tinygen.data.digits.KEPT", "elsewhere")
    there = load("digits")
    np.testing.assert_array_equal(here.stored, there.stored)
    np.testing.assert_array_equal(here.y, there.y)


def test_the_held_out_digits_are_these_for_ever():
    """Published figures depend on it: the permutation must not change with the library."""
    assert held_out_split(1797, "test")[:8].tolist() == [1175, 1049, 670, 199, 12, 120, 110, 1424]


@pytest.mark.parametrize("n", [1, 4, 5, 99])
def test_train_and_test_share_nothing_and_leave_nothing_out(n):
    train, test = held_out_split(n, "train"), held_out_split(n, "test")
    assert len(test) == n // 5
    assert sorted([*train, *test]) == list(range(n))


# --- what a data set is ---


def test_images_become_floats_from_minus_1_to_1():
    stored = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    dataset = Dataset("five", "train", "image", stored, None, levels=5)
    np.testing.assert_array_equal(dataset.x.ravel(), [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_array_equal(dataset.batch(np.array([4, 0]))["x"].ravel(), [1, -1])


def test_a_data_set_cannot_be_written_into():
    digits = load("digits")
    with pytest.raises(ValueError, match="read-only"):
        digits.stored[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        digits.y[0] = 0


def test_an_empty_split_is_refused():
    with pytest.raises(DataError, match="the test split is empty"):
        Dataset("none", "test", "points", np.zeros((0, 2), np.float32), None)


# --- toy densities ---


@pytest.mark.parametrize("name", DENSITIES)
def test_a_toy_density_is_a_fixed_sample_of_points(name):
    train, test = load(name), load(name, "test")
    assert (len(train), len(test)) == (50_000, 10_000)
    assert train.kind == "points"
    assert train.shape == (2,)
    assert train.x.dtype == np.float32
    np.testing.assert_array_equal(train.x, load(name).x)
    assert not {point.tobytes() for point in train.x} & {point.tobytes() for point in test.x}
    low, high = train.value_range
    assert low == train.x.min()
    assert high == train.x.max()
    if train.y is not None:
        assert train.y.max() == len(train.classes) - 1
        assert (train.y == load(name).y).all()
        assert (train.y[:10_000] != test.y).any()


# --- MNIST and Fashion-MNIST ---


@pytest.mark.parametrize("suffix", [".gz", ""], ids=["compressed", "unpacked"])
@pytest.mark.parametrize("published", [MNIST, FASHION_MNIST], ids=lambda published: published.name)
@pytest.mark.parametrize("place", ["subfolder of TINYGEN_DATA", "TINYGEN_DATA itself", "cache"])
def test_files_are_found(monkeypatch, tmp_path, published, place, suffix):
    folder = cache_folder() / published.name
    if place != "cache":
        monkeypatch.setenv("TINYGEN_DATA", str(tmp_path / "mine"))
        folder = tmp_path / "mine"
        folder = folder / published.name if place.startswith("subfolder") else folder
    write_mnist(folder, published.first_labels, suffix=suffix)
    for split in ("train", "test"):
        dataset = load(published.name, split)
        assert dataset.shape == (1, 28, 28)
        assert tuple(dataset.y) == published.first_labels[split]
        np.testing.assert_allclose(dataset.x[:, 0, 0, 0], np.arange(8) / 127.5 - 1, atol=1e-6)
        assert len(dataset.classes) == 10


def test_the_users_folder_goes_before_the_cache(monkeypatch, tmp_path):
    write_mnist(cache_folder() / "mnist", MNIST.first_labels)
    write_mnist(tmp_path / "mnist", MNIST.first_labels, fill=100)
    assert load("mnist").stored[0, 0, 0, 0] == 0
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path))
    assert load("mnist").stored[0, 0, 0, 0] == 100


def test_files_lying_directly_in_the_users_folder_are_not_taken_for_the_other_set(monkeypatch, tmp_path):
    """Both sets name their files alike; the labels tell them apart."""
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path))
    write_mnist(tmp_path, MNIST.first_labels)
    assert tuple(load("mnist").y) == MNIST.first_labels["train"]
    assert "asked for train-images" in error("fashion_mnist")


def test_what_is_nowhere_is_downloaded_into_the_cache(monkeypatch, tmp_path):
    def download(remote, folder):
        write_mnist(folder, FASHION_MNIST.first_labels)
        return folder / remote.name

    monkeypatch.setattr(mnist, "fetch", download)
    assert tuple(load("fashion_mnist", "test").y) == FASHION_MNIST.first_labels["test"]
    assert (tmp_path / "cache" / "fashion_mnist" / "t10k-labels-idx1-ubyte.gz").exists()


def test_a_users_folder_that_is_none_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path / "absent"))
    assert "absent: no such folder" in error("mnist")


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("train-labels-idx1-ubyte.gz", np.zeros(7, np.uint8), "the images beside it need uint8(8,)"),
        ("train-labels-idx1-ubyte.gz", np.full(8, 10, np.uint8), "label 10 found, labels are 0 to 9"),
        ("train-images-idx3-ubyte.gz", np.zeros((8, 784), np.uint8), "images are uint8 (N, height, width)"),
        ("train-images-idx3-ubyte.gz", np.zeros((8, 28, 28), np.float32), "holds float32"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(name, array, reason):
    folder = cache_folder() / "mnist"
    write_mnist(folder, MNIST.first_labels)
    (folder / name).write_bytes(idx_bytes(array))
    message = error("mnist")
    assert reason in message
    assert name in message


@pytest.mark.parametrize("published", [MNIST, FASHION_MNIST], ids=lambda published: published.name)
def test_published_files_have_distinct_digests_and_several_mirrors(published):
    files = [file for pair in published.files.values() for file in pair]
    assert len({file.sha256 for file in files}) == 4
    for file in files:
        assert len(bytes.fromhex(file.sha256)) == 32
        assert len({url.split("/")[2] for url in file.urls}) == len(file.urls) >= 2
        assert all(url.endswith("/" + file.name) for url in file.urls)


def test_the_files_asked_for_are_those_of_the_split(monkeypatch):
    asked = []

    def record(remote, folder):
        asked.append(remote.name)
        raise DataError("enough")

    monkeypatch.setattr(mnist, "fetch", record)
    for split in ("train", "test"):
        assert error("mnist", split) == "enough"
    assert asked == ["train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"]


# --- names ---


def test_an_unknown_name_gets_the_near_match():
    message = error("fashon_mnist")
    assert "unknown data set 'fashon_mnist'" in message
    assert "did you mean 'fashion_mnist'?" in message
    assert all(name in message for name in NAMES)
    assert "did you mean" not in error("zzzzzz")


def test_an_unknown_split_is_refused():
    assert error("digits", "valid") == "unknown split 'valid': there are 'train' and 'test'"


def test_size_and_channels_are_for_folders():
    assert "for folders of images" in error("digits", size=16)


def test_describe_says_what_is_where(tmp_path):
    rows = {row.name: row for row in describe()}
    assert set(rows) == {*NAMES, "FOLDER"}
    assert rows["mnist"].where == "not here"
    assert str(tmp_path / "cache" / "mnist") in rows["mnist"].how
    write_mnist(tmp_path / "cache" / "mnist", MNIST.first_labels)
    rows = {row.name: row for row in describe()}
    assert rows["mnist"].where == str(tmp_path / "cache" / "mnist")
    assert rows["mnist"].how == "nothing to do"
    os.remove(tmp_path / "cache" / "mnist" / "t10k-labels-idx1-ubyte.gz")
    assert "(incomplete)" in {row.name: row for row in describe()}["mnist"].where


def test_the_cache_follows_the_platform(monkeypatch, tmp_path):
    monkeypatch.delenv("TINYGEN_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "tinygen"
    for ignored in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert cache_folder() == tmp_path / ".cache" / "tinygen"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "tinygen"

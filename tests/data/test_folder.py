"""A folder of images: whose pixels are known, whose layout gives labels and splits, whose damage is named."""

import numpy as np
import pytest
from PIL import Image

from tinygen.data import DataError, load
from tinygen.data.folder import load_folder, read_images


def save(path, array, mode=None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8), mode).save(path)


def grey(value: int, height: int = 4, width: int = 4):
    return np.full((height, width), value)


def error(*args, **kwargs) -> str:
    with pytest.raises(DataError) as caught:
        load(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_pixels_come_back_in_channel_order_from_minus_1_to_1(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (5, 7, 3))
    save(tmp_path / "a.png", pixels)
    dataset = load(tmp_path)
    assert dataset.shape == (3, 5, 7)
    assert dataset.value_range == (-1, 1)
    np.testing.assert_allclose(dataset.x[0], pixels.transpose(2, 0, 1) / 127.5 - 1, atol=1e-6)
    assert dataset.y is None
    assert dataset.name == tmp_path.name


def test_greyscale_only_when_every_image_is(tmp_path):
    save(tmp_path / "a.png", grey(10))
    save(tmp_path / "b.png", grey(200))
    assert load(tmp_path).shape == (1, 4, 4)
    assert load(tmp_path, channels=3).shape == (3, 4, 4)
    save(tmp_path / "c.png", np.zeros((4, 4, 3)))
    assert load(tmp_path).shape == (3, 4, 4)


def test_colour_becomes_grey_by_its_luminance(tmp_path):
    """ITU-R BT.601: Y = 0.299 R + 0.587 G + 0.114 B."""
    save(tmp_path / "a.png", np.tile([200, 100, 50], (2, 2, 1)))
    stored = load(tmp_path, channels=1).stored
    assert np.abs(stored - (0.299 * 200 + 0.587 * 100 + 0.114 * 50)).max() <= 1


def test_jpeg_is_read_in_any_spelling_of_its_suffix(tmp_path):
    for name in ("a.jpg", "b.jpeg", "c.JPG"):
        save(tmp_path / name, grey(128, 16, 16))
    images = read_images(sorted(tmp_path.iterdir()), 1)
    assert images.shape == (3, 1, 16, 16)
    assert np.abs(images.astype(int) - 128).max() <= 1


def test_16_bit_greyscale_keeps_its_upper_byte(tmp_path):
    """Pillow's own conversion to 8 bits would clip it to white."""
    values = np.array([[0x0000, 0x12FF], [0x8000, 0xFFFF]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert load(tmp_path).stored.ravel().tolist() == [0, 0x12, 0x80, 0xFF]


def test_transparency_is_laid_over_white(tmp_path):
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = (0, 255, 51)
    save(tmp_path / "a.png", rgba)
    assert load(tmp_path).stored[0, :, 0].tolist() == [[255, 0, 204]] * 3


def test_a_cameras_orientation_is_obeyed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter clockwise
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "a.png", exif=exif)
    assert load(tmp_path).stored[0, 0].tolist() == [[0], [255]]


def test_resizing_crops_the_centre_and_keeps_proportions(tmp_path):
    """The outer thirds of a wide image are white, its middle square is black: only that is left."""
    wide = np.full((6, 18), 255)
    wide[:, 6:12] = 0
    save(tmp_path / "wide.png", wide)
    save(tmp_path / "high.png", wide.T)
    dataset = load(tmp_path, size=3)
    assert dataset.shape == (1, 3, 3)
    assert (dataset.stored == 0).all()


def test_images_of_two_sizes_need_a_size(tmp_path):
    save(tmp_path / "a.png", grey(0))
    save(tmp_path / "b.png", grey(0, 5, 6))
    message = error(tmp_path)
    assert "a.png is 4 x 4" in message
    assert "b.png is 6 x 5" in message
    assert "give a size" in message
    assert load(tmp_path, size=4).shape == (1, 4, 4)


def test_subfolders_are_classes_at_any_depth(tmp_path):
    for i in range(5):
        save(tmp_path / "cat" / f"{i}.png", grey(i))
        save(tmp_path / "dog" / "brown" / f"{i}.png", grey(100 + i))
    dataset = load(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert (dataset.y == (dataset.stored[:, 0, 0, 0] >= 100)).all()
    assert len(dataset) == 8
    assert len(load(tmp_path, "test")) == 2


def test_an_image_beside_the_subfolders_leaves_no_classes(tmp_path):
    save(tmp_path / "cat" / "a.png", grey(0))
    save(tmp_path / "b.png", grey(0))
    assert load(tmp_path).y is None


def test_train_and_test_folders_are_the_splits_and_share_their_classes(tmp_path):
    """A class missing in one split must not shift the labels of the others."""
    for name, value in (("train/b", 1), ("train/c", 2), ("test/a", 0), ("test/c", 2)):
        save(tmp_path / name / "x.png", grey(value))
    for split, values in (("train", [1, 2]), ("test", [0, 2])):
        dataset = load(tmp_path, split)
        assert dataset.stored[:, 0, 0, 0].tolist() == values
        assert dataset.y.tolist() == values
        assert dataset.classes == ("a", "b", "c")


def test_both_splits_have_the_channels_that_either_needs(tmp_path):
    save(tmp_path / "train" / "a.png", grey(1))
    save(tmp_path / "test" / "a.png", np.zeros((4, 4, 3)))
    assert load(tmp_path).shape == load(tmp_path, "test").shape == (3, 4, 4)


def test_without_split_folders_a_fifth_is_held_out(tmp_path):
    for i in range(10):
        save(tmp_path / f"{i}.png", grey(i))
    parts = [set(load(tmp_path, split).stored[:, 0, 0, 0].tolist()) for split in ("train", "test")]
    assert [len(part) for part in parts] == [8, 2]
    assert parts[0] | parts[1] == set(range(10))


def test_hidden_files_and_other_files_are_left_out(tmp_path):
    save(tmp_path / "a.png", grey(7))
    (tmp_path / "._a.png").write_bytes(b"a Mac's shadow of it")
    (tmp_path / "notes.txt").write_text("not an image")
    save(tmp_path / ".thumbnails" / "a.png", grey(9))
    assert load(tmp_path).stored.shape == (1, 1, 4, 4)


def test_all_damaged_images_are_named_in_one_line(tmp_path):
    save(tmp_path / "good.png", np.random.RandomState(0).randint(0, 256, (64, 64, 3)))
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "foreign.jpg").write_bytes(b"<html>")
    (tmp_path / "empty.png").write_bytes(b"")
    message = error(tmp_path)
    assert "3 of 4 images cannot be read" in message
    assert all(name in message for name in ("cut.png", "foreign.jpg", "empty.png"))
    assert "foreign.jpg (not an image)" in message
    assert "good.png" not in message


def test_of_many_damaged_images_the_first_five_and_their_number_are_named(tmp_path):
    for i in range(9):
        (tmp_path / f"{i}.png").write_bytes(b"")
    assert "9 of 9" in error(tmp_path)
    assert "and 4 more" in error(tmp_path)


def test_a_folder_without_images_says_what_should_be_there(tmp_path):
    assert "no images found; it should hold .png, .jpg, .jpeg files" in error(tmp_path)


def test_options_out_of_range_are_refused(tmp_path):
    with pytest.raises(ValueError, match="channels=2"):
        load_folder(tmp_path, channels=2)
    with pytest.raises(ValueError, match="size=0"):
        load_folder(tmp_path, size=0)

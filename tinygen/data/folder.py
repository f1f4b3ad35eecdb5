"""A folder of PNG and JPEG images as a data set.

Images are searched in all subfolders, in the order of their paths. If every image lies in a subfolder, the
subfolders of the first level are the classes. Subfolders `train/` and `test/` are the splits; without them
the last fifth of a fixed permutation is held out. Greyscale when every image is, RGB otherwise;
transparency is laid over white; a camera's orientation mark is obeyed. `tests/data/test_folder.py` holds it
to images whose pixels are known.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinygen.data.dataset import SPLITS, Dataset, held_out_split, one_line
from tinygen.data.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg")


def load_folder(
    folder: str | os.PathLike[str], split: str = "train", size: int | None = None, channels: int | None = None
) -> Dataset:
    """The images under `folder`, (N, C, H, W) with 256 levels, labelled by subfolder if there are subfolders.

    `size`: the larger side is cropped at the centre to a square, which is resized to `size` x `size`;
    without it all images must have one size. `channels`: 1 (greyscale) or 3 (RGB); by default what the
    images are. Raises `DataError` for a folder without images, for unreadable images (all named in one
    line), for unequal sizes.
    """
    if channels not in (None, 1, 3):
        raise ValueError(f"channels={channels}: images have 1 (greyscale) or 3 (RGB)")
    if size is not None and size < 1:
        raise ValueError(f"size={size}: the side of an image is at least 1 pixel")
    folder = Path(folder)
    has_splits = all((folder / name).is_dir() for name in SPLITS)
    root = folder / split if has_splits else folder
    paths = image_paths(root)
    # Over both splits, so that a label, and the number of channels, mean the same in each.
    roots = [folder / name for name in SPLITS] if has_splits else [folder]
    everything = [(place, path) for place in roots for path in image_paths(place)]
    if channels is None:
        channels = 1 if all(_is_grey(place / path) for place, path in everything) else 3
    classes = _classes([path for _, path in everything])
    stored = read_images([root / path for path in paths], channels, size)
    y = np.array([classes.index(path.parts[0]) for path in paths], np.int64) if classes else None
    if not has_splits:
        chosen = held_out_split(len(stored), split)
        stored, y = stored[chosen], None if y is None else y[chosen]
    return Dataset(name=folder.name, split=split, kind="image", stored=stored, y=y, classes=classes, levels=256)


def image_paths(folder: Path) -> list[Path]:
    """Paths of the images under `folder`, relative to it, sorted, without hidden files and folders."""
    paths = []
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        paths += [
            Path(parent, name).relative_to(folder)
            for name in names
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    if not paths:
        raise DataError(f"{folder}: no images found; it should hold {', '.join(SUFFIXES)} files, subfolders included")
    return sorted(paths, key=lambda path: path.parts)


def _classes(paths: list[Path]) -> tuple[str, ...]:
    """The subfolders of the first level, if every image lies in one."""
    if any(len(path.parts) == 1 for path in paths):
        return ()
    return tuple(sorted({path.parts[0] for path in paths}))


def read_images(paths: list[Path], channels: int, size: int | None = None) -> npt.NDArray[np.uint8]:
    """The images at `paths` as one array (N, C, H, W); see `load_folder` for `size` and what is raised."""
    from PIL import Image, UnidentifiedImageError

    mode = {1: "L", 3: "RGB"}[channels]
    arrays: list[npt.NDArray[np.uint8]] = []
    unreadable = []
    for path in paths:
        try:
            with Image.open(path) as image:
                arrays.append(_pixels(image, mode, size))
        except UnidentifiedImageError:
            unreadable.append(f"{path} (not an image)")
        # Pillow's decoders raise many types; the user needs one thing, which files are damaged.
        except Exception as error:
            unreadable.append(f"{path} ({error or type(error).__name__})")
    if unreadable:
        raise DataError(
            f"{len(unreadable)} of {len(paths)} images cannot be read, remove or repair them: {one_line(unreadable)}"
        )
    odd = next((i for i, array in enumerate(arrays) if array.shape != arrays[0].shape), None)
    if odd is not None:
        (h0, w0), (h1, w1) = arrays[0].shape[:2], arrays[odd].shape[:2]
        raise DataError(
            f"images of different sizes: {paths[0]} is {w0} x {h0}, {paths[odd]} is {w1} x {h1}; "
            f"give a size (--image-size), and all are cropped and resized to it"
        )
    stored = np.stack(arrays)
    return stored[:, None] if mode == "L" else np.ascontiguousarray(stored.transpose(0, 3, 1, 2))


def _is_grey(path: Path) -> bool:
    """By the file's header alone. An unreadable file has no say here: decoding will report it."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.mode in ("1", "L", "LA") or image.mode.startswith("I")
    except Exception:
        return True


def _pixels(image: "Image", mode: str, size: int | None) -> npt.NDArray[np.uint8]:
    """The decoded image, (H, W) uint8 for mode "L" and (H, W, 3) for "RGB"."""
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        # 16-bit greyscale: Pillow's own conversion to 8 bits clips instead of scaling.
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert(mode)
    if size is not None:
        # Cropped before it is resized, so that nothing outside the square bleeds into its edge.
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image)

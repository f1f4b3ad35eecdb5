"""A model's drawings in its run directory: `drawings/1-....png` and so on, made on the held-out split.

They are made when a run has finished and by `tinygen eval`, from the averaged weights; the report takes them from
there. A drawing that fails is told of and costs nothing else. Held by tests/training/test_gallery.py.
"""

import re
from collections.abc import Callable
from typing import Any

from tinygen.drawing.render import render
from tinygen.files import write_atomically
from tinygen.training.contract import Draws
from tinygen.training.run_directory import RunConfig, RunDirectory


def make_drawings(
    directory: RunDirectory, config: RunConfig, model: Any, rng: Any, tell: Callable[[str], None]
) -> None:
    """Draw what `model` has to show in place of what was drawn before; says in one line, to `tell`, why it cannot."""
    if not isinstance(model, Draws):
        return
    try:
        pictures = _pictures(config, model, rng)
        directory.drawings.mkdir(exist_ok=True)
        for name, content in pictures.items():
            write_atomically(directory.drawings / name, content)
        for path in directory.drawing_files():
            if path.name not in pictures:
                path.unlink()
    except Exception as error:  # whatever it is, a run that has finished stays one
        tell(f"the drawings could not be made: {' '.join(str(error).split()) or type(error).__name__}")


def _pictures(config: RunConfig, model: Draws, rng: Any) -> dict[str, bytes]:
    """File name -> PNG."""
    from tinygen import data

    held_out = data.load(config.data, "test", size=config.image_size)
    drawings = model.drawings(held_out, rng)
    return {f"{number}-{_slug(drawing.caption)}.png": render(drawing) for number, drawing in enumerate(drawings, 1)}


def _slug(caption: str) -> str:
    """The first words of a caption as a file name."""
    words = re.findall(r"[a-z0-9]+", caption.partition(":")[0].lower())
    return "-".join(words[:6]) or "drawing"

"""A picture on the terminal: two pixels to a character, the upper as its colour and the lower as its background."""

from pathlib import Path
from typing import Any

import numpy as np


def terminal_picture(path: Path, columns: int, rows: int) -> Any:
    """The PNG at `path` as a rich Text of at most `columns` by `rows` characters, its proportions kept."""
    from PIL import Image
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    with Image.open(path) as image:
        scale = min(1.0, columns / image.width, 2 * rows / image.height)
        size = (max(1, int(image.width * scale)), max(2, int(image.height * scale) // 2 * 2))
        pixels = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX))
    text = Text(no_wrap=True, end="")
    for upper, lower in zip(pixels[::2], pixels[1::2]):
        for above, below in zip(upper.tolist(), lower.tolist()):
            text.append("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        text.append("\n")
    return text

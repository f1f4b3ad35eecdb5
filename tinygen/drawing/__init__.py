"""Pictures: what there is to see, as plain data (`kinds`)."""

from tinygen.drawing.kinds import Bars, Curves, Drawing, ImageRows, Maps, Paths, Scatter

__all__ = ["Bars", "Curves", "Drawing", "ImageRows", "Maps", "Paths", "Scatter"]

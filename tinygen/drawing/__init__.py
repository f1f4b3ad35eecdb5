"""Pictures: what there is to see, as plain data (`kinds`); each kind as a PNG (`render`); image grids (`images`)."""

from tinygen.drawing.kinds import Bars, Curves, Drawing, ImageRows, Maps, Paths, Scatter, Stretch, Timeline

__all__ = ["Bars", "Curves", "Drawing", "ImageRows", "Maps", "Paths", "Scatter", "Stretch", "Timeline"]

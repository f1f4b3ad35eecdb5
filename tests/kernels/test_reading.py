"""kernels/cpu/__init__.py, the page that opens the CPU kernels, names every file; the way it shows is the one taken."""

import re
from pathlib import Path

import pytest

from tinygen.kernels import cpu
from tinygen.kernels.cpu import convolution, convolution_winograd
from tinygen.kernels.cpu.simd import LANES

FOLDER = Path(cpu.__file__).parent
WAY = re.search(r"The way of a 3x3 convolution.*?\n\n(.*?)\n\n", cpu.__doc__, re.DOTALL).group(1)
STEPS = re.findall(r"^    (\S+\.py): (\w+(?:, \w+)*)", WAY, re.MULTILINE)


def test_every_file_is_named():
    named = set(re.findall(r"\w+\.py", cpu.__doc__))
    assert {path.name for path in FOLDER.glob("*.py")} - {"__init__.py"} <= named


@pytest.mark.parametrize(("path", "names"), STEPS)
def test_what_the_way_names_is_there(path, names):
    root = FOLDER.parent.parent
    file = next(at for at in (FOLDER / path, root / path, root / path.removeprefix("tinygen/")) if at.exists())
    for name in names.split(", "):
        assert re.search(rf"^ *def {name}\(", file.read_text(), re.MULTILINE), f"{path} has no {name}"


def test_the_way_is_what_a_3x3_convolution_goes():
    assert len(STEPS) == 7
    shapes = (2, LANES * 4, 28, 28), (LANES * 4, LANES * 4, 3, 3)
    plan = convolution._forward(*shapes, None, (1, 1), (1, 1), (1, 1), 1, 1.0)
    first, second = plan.work, plan.work.following
    assert first.function.__code__ is convolution_winograd._transform_weights.function.__code__
    assert second.function.__code__ is convolution_winograd._forward.function.__code__
    shown = re.findall(r"^      (\w+) ", WAY, re.MULTILINE)
    assert [name for name in second.function.__code__.co_names if name in shown] == shown
    assert len(shown) == 3

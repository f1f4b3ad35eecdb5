"""Pictures on the terminal: every pixel in its place and colour."""

import numpy as np
from PIL import Image

from tinygen.training.terminal_picture import terminal_picture


def test_two_pixels_to_a_character(tmp_path):
    pixels = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [9, 8, 7]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    text = terminal_picture(tmp_path / "p.png", columns=80, rows=40)
    assert text.plain == "▀▀\n"
    left, right = (span.style for span in text.spans)
    assert (left.color.triplet, left.bgcolor.triplet) == ((255, 0, 0), (0, 0, 255))
    assert (right.color.triplet, right.bgcolor.triplet) == ((0, 255, 0), (9, 8, 7))


def test_a_large_picture_shrinks_to_the_terminal_and_keeps_its_proportions(tmp_path):
    Image.fromarray(np.full((300, 600), 128, np.uint8)).save(tmp_path / "p.png")
    lines = terminal_picture(tmp_path / "p.png", columns=60, rows=40).plain.splitlines()
    assert (len(lines), len(lines[0])) == (15, 60)
    lines = terminal_picture(tmp_path / "p.png", columns=200, rows=10).plain.splitlines()
    assert (len(lines), len(lines[0])) == (10, 40)

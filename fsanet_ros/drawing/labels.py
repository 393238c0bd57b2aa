"""Text in pictures: labels that cover nothing that is to be seen, and one another least of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from fsanet_ros.drawing.lines import HeadLines
from fsanet_ros.types import Box, Image

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SCALE, _PICTURE_PX = 0.42, 480  # the size of letters in a picture whose shorter side is so long
_LEAST_SCALE = 0.25
_CELL_PX = 4
_FACE, _TAKEN = 1, 2  # where a label had better not be, and where it must not be
_GAP_PX = 4


@dataclass(frozen=True)
class Rectangle:
    """A part of a picture in whole pixels: from left and top to before right and bottom."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Label:
    """A text at its place."""

    text: str
    place: Rectangle


class LabelPlaces:
    """
    Finds places for labels in one picture: inside it, apart, and away from what must be seen.

    What is taken is kept in a picture of cells of 4 x 4 pixels, so that a place costs the same
    however many lines there are.
    """

    def __init__(self, width: int, height: int) -> None:
        """Begin with a free picture of so many pixels."""
        self._width, self._height = width, height
        self._cells = np.zeros((-(-height // _CELL_PX), -(-width // _CELL_PX)), np.uint8)
        self.scale = text_scale(width, height)

    def keep_free(self, lines: HeadLines, thickness: int) -> None:
        """Keep labels away from the lines of a head."""
        lines.mark(self._cells, 1.0 / _CELL_PX, thickness, _TAKEN)

    def avoid(self, box: Box) -> None:
        """Keep labels away from a face where there is other room."""
        left, top, width, height = box.whole_pixels(self._width, self._height)
        cells = self._cells_of(Rectangle(left, top, left + width, top + height))
        np.maximum(cells, _FACE, out=cells)

    def take(self, place: Rectangle) -> None:
        """Keep a part of the picture for something else."""
        self._cells_of(place)[:] = _TAKEN

    def place(self, texts: Sequence[str], box: Box) -> Label | None:
        """
        Return the first of some texts for which there is room at a box, at its best place.

        None if there is no room for any of them. The place is taken then.
        """
        for allowed in (_FACE - 1, _TAKEN - 1):
            for text in filter(None, texts):
                width, height = text_size(text, self.scale)
                for place in self._candidates(box, width, height):
                    if self._cells_of(place).max(initial=0) <= allowed:
                        self.take(place)
                        return Label(text, place)
        return None

    def _candidates(self, box: Box, width: int, height: int) -> Iterator[Rectangle]:
        """Yield the places around a box, the best first, those outside the picture moved in."""
        if width > self._width or height > self._height:
            return
        across = (box.x, box.x + (box.width - width) / 2, box.x + box.width - width)
        above, below = box.y - height - _GAP_PX, box.y + box.height + _GAP_PX
        beside = (box.x + box.width + _GAP_PX, box.x - width - _GAP_PX)
        down = (box.y, box.y + (box.height - height) / 2, box.y + box.height - height)
        corners = [(x, above) for x in across] + [(x, below) for x in across]
        corners += [(x, y) for x in beside for y in down]
        # Where it is crowded: further away, above and below.
        corners += [
            (x, y)
            for step in (1, 2, 3)
            for y in (above - step * (height + 2), below + step * (height + 2))
            for x in across
        ]
        for x, y in corners:
            left = int(min(max(x, 0), self._width - width))
            top = int(min(max(y, 0), self._height - height))
            yield Rectangle(left, top, left + width, top + height)

    def _cells_of(self, place: Rectangle) -> Image:
        """Return the cells that a place touches, as a view."""
        return self._cells[
            place.top // _CELL_PX : -(-place.bottom // _CELL_PX),
            place.left // _CELL_PX : -(-place.right // _CELL_PX),
        ]


def note_label(text: str, width: int, height: int) -> tuple[Label, float] | None:
    """
    Return a line of text for the lower left corner, and the scale of its letters.

    Smaller letters than others have where it is long; None if it would not be readable.
    """
    scale = text_scale(width, height)
    room = width - 2 * _GAP_PX
    scale *= min(1.0, room / max(text_size(text, scale)[0], 1))
    across, down = text_size(text, scale)
    if not text or scale < _LEAST_SCALE or across > width or down + _GAP_PX > height:
        return None
    bottom = height - _GAP_PX
    return Label(text, Rectangle(_GAP_PX, bottom - down, _GAP_PX + across, bottom)), scale


def draw_label(canvas: Image, label: Label, scale: float, color: tuple[int, int, int]) -> None:
    """Draw a text on a darkened ground; ``color``: BGR."""
    place = label.place
    ground = canvas[place.top : place.bottom, place.left : place.right]
    np.right_shift(ground, 2, out=ground)
    padding, baseline = _padding(scale), _line(scale)[1]
    start = place.left + padding, place.bottom - padding - baseline
    cv2.putText(canvas, label.text, start, _FONT, scale, color, _weight(scale), cv2.LINE_AA)


def text_scale(width: int, height: int) -> float:
    """Return the size of letters, OpenCV's fontScale, for a picture of so many pixels."""
    return _SCALE * max(1.0, min(width, height) / _PICTURE_PX)


def text_size(text: str, scale: float) -> tuple[int, int]:
    """Return width and height of a text with the ground around it, in pixels."""
    (width, _), _ = cv2.getTextSize(text, _FONT, scale, _weight(scale))
    height, baseline = _line(scale)
    return width + 2 * _padding(scale), height + baseline + 2 * _padding(scale)


@lru_cache(maxsize=64)
def _line(scale: float) -> tuple[int, int]:
    """Return what the highest letters take above and the lowest below the line, in pixels."""
    (_, height), baseline = cv2.getTextSize('Ápg|', _FONT, scale, _weight(scale))
    return height, baseline


def _padding(scale: float) -> int:
    return max(2, round(7 * scale))


def _weight(scale: float) -> int:
    # RViz leaves out rows and columns of what it shows smaller, with them the strokes of one pixel.
    return max(1, round(scale * 2.4))

"""
Parts of an image as a detector sees them: cut out, scaled, turned, and several side by side.

A window is a rectangle of the image. Its picture may be smaller or larger than it is there, and
turned, so that a face that lies on its side stands upright in it. Faces found in the picture are
mapped back to the image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from fsanet_ros.detection.detector import FaceDetector, detect_unsure
from fsanet_ros.detection.shrinking import shrink
from fsanet_ros.geometry.regions import cut_square
from fsanet_ros.types import Box, Face, Image, Square

EIGHTH_TURN_DEG = 45


@dataclass(frozen=True)
class Window:
    """
    A rectangle of the image and how it is shown to a detector.

    ``left``, ``top``, ``width``, ``height``: whole pixels of the image; a square may reach beyond
    the border, which shows black. ``shown_width``, ``shown_height``: its size in pixels when it has
    been scaled. ``turn_deg``: a multiple of 45; faces turned clockwise by so much stand upright in
    the picture. ``whole``: whether a picture that is turned by an odd multiple of 45 degrees is
    large enough for the window's corners; else it has the size of the window.
    """

    left: int
    top: int
    width: int
    height: int
    shown_width: int
    shown_height: int
    turn_deg: int = 0
    whole: bool = True

    @property
    def scale(self) -> float:
        """Pixels of the picture to a pixel of the image."""
        return self.shown_width / self.width

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        if self.turn_deg % 180 == 0:
            return self.shown_width, self.shown_height
        if self.turn_deg % 90 == 0:
            return self.shown_height, self.shown_width
        if not self.whole:
            return self.shown_width, self.shown_height
        side = math.ceil((self.shown_width + self.shown_height) / math.sqrt(2.0))
        return side, side

    def moved(self, step_px: int, width: int, height: int) -> Window:
        """
        Return a window beside this one, right of it and below; what touches a border stays there.

        :param step_px: in pixels of the image
        :param width: of the image, in pixels
        """
        right, bottom = self.left + self.width, self.top + self.height
        x = min(step_px, width - right) if self.left > 0 else 0
        y = min(step_px, height - bottom) if self.top > 0 else 0
        return replace(self, left=self.left + max(x, 0), top=self.top + max(y, 0))

    def cut(self, image: Image) -> Image:
        """Return the picture, uint8 [h, w, 3], of an image, uint8 [h, w, 3] BGR."""
        picture = _resized(self._inside(image), self.shown_width, self.shown_height)
        if self.turn_deg % 90 == 0:
            return np.rot90(picture, self.turn_deg // 90)
        width, height = self.shown_size
        turn = cv2.getRotationMatrix2D(
            ((self.shown_width - 1) / 2, (self.shown_height - 1) / 2), self.turn_deg, 1.0
        )
        turn[:, 2] += (width - self.shown_width) / 2, (height - self.shown_height) / 2
        return np.asarray(cv2.warpAffine(picture, turn, (width, height)), np.uint8)

    def face_in_image(self, face: Face, left: float = 0.0, top: float = 0.0) -> Face:
        """
        Return a face of the picture as one of the image.

        :param left: where the picture begins in that of several, in pixels; ``top``: likewise
        """
        width, height = self.shown_size
        middle_x, middle_y = left + width / 2, top + height / 2
        origin_x, origin_y = self.left + self.width / 2, self.top + self.height / 2
        cosine, sine = _cos_sin(self.turn_deg)
        across, along = cosine / self.scale, sine / self.scale

        def point(x: float, y: float) -> tuple[float, float]:
            right, down = x - middle_x, y - middle_y
            return (
                origin_x + across * right - along * down,
                origin_y + along * right + across * down,
            )

        x, y = point(*face.box.center)
        wide, high = self._sides_in_image(face.box)
        landmarks = face.landmarks
        if landmarks is not None:
            turn = np.array([[across, along], [-along, across]])
            landmarks = (landmarks - (middle_x, middle_y)) @ turn + (origin_x, origin_y)
        square = Square(*point(face.square.center_x, face.square.center_y), face.square.side)
        return replace(
            face,
            box=Box(x - wide / 2, y - high / 2, wide, high),
            square=square.scaled(self.width / self.shown_width),
            landmarks=landmarks,
            turn_deg=(face.turn_deg + self.turn_deg) % 360.0,
        )

    def _sides_in_image(self, box: Box) -> tuple[float, float]:
        """Return width and height, in the image, of a box of the picture."""
        if self.turn_deg % 180 == 0:
            return box.width / self.scale, box.height / self.scale
        if self.turn_deg % 90 == 0:
            return box.height / self.scale, box.width / self.scale
        side = max(box.width, box.height) / self.scale
        return side, side

    def _inside(self, image: Image) -> Image:
        if self.width == self.height:
            return cut_square(image, self.left, self.top, self.width)
        return image[self.top : self.top + self.height, self.left : self.left + self.width]


def detect_in(
    detector: FaceDetector, image: Image, window: Window, score_share: float = 1.0
) -> list[Face]:
    """
    Return the faces of a window, in pixels of the image.

    :param image: uint8 [h, w, 3] BGR
    :param score_share: of the detector's threshold that is enough
    """
    found = detect_unsure(detector, window.cut(image), score_share)
    return [window.face_in_image(face) for face in found]


def detect_side_by_side(
    detector: FaceDetector, image: Image, windows: Sequence[Window], score_share: float = 1.0
) -> list[list[Face]]:
    """
    Return the faces of each of several square windows, in pixels of the image.

    One picture shows them all, so that the detector runs once.

    :param image: uint8 [h, w, 3] BGR
    :param windows: all shown at the same size, and none larger when it is turned
    """
    if not windows:
        return []
    size = windows[0].shown_width
    columns, rows = grid(len(windows))
    picture = np.zeros((rows * size, columns * size, 3), np.uint8)
    for index, window in enumerate(windows):
        row, column = (size * k for k in divmod(index, columns))
        picture[row : row + size, column : column + size] = window.cut(image)
    found: list[list[Face]] = [[] for _ in windows]
    for face in detect_unsure(detector, picture, score_share):
        x, y = face.box.center
        column, row = int(x // size), int(y // size)
        index = row * columns + column
        if 0 <= column < columns and 0 <= index < len(windows):
            found[index].append(windows[index].face_in_image(face, column * size, row * size))
    return found


def grid(count: int) -> tuple[int, int]:
    """Return columns and rows for so many pictures side by side."""
    columns = math.ceil(math.sqrt(count))
    return columns, math.ceil(count / columns)


def _resized(picture: Image, width: int, height: int) -> Image:
    if width <= picture.shape[1] and height <= picture.shape[0]:
        return shrink(picture, width, height)
    larger = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(larger, np.uint8)


def _cos_sin(turn_deg: int) -> tuple[float, float]:
    # Exact where a face is only mapped, not turned.
    if turn_deg % 90 == 0:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[turn_deg // 90 % 4]
    return math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))

"""
Regions of an image: the box around a face and the face square.

Image coordinates are pixels, x to the right and y down, with (0, 0) the outer corner of the
first pixel: a box that covers the whole image is ``Box(0, 0, width, height)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from fsanet_ros.arrays import FloatArray, Image


@dataclass(frozen=True)
class Box:
    """An upright rectangle in the image, in pixels; it may reach beyond the border."""

    x: float
    y: float
    width: float
    height: float

    @property
    def center(self) -> tuple[float, float]:
        """The middle (x, y), in pixels."""
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def area(self) -> float:
        """Width times height, in square pixels."""
        return self.width * self.height

    def scaled(self, factor_x: float, factor_y: float) -> Box:
        """Return the same box in an image resized by these factors."""
        return Box(
            self.x * factor_x, self.y * factor_y, self.width * factor_x, self.height * factor_y
        )

    def whole_pixels(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, top, width and height of its part in an image of that size."""
        left, right = (min(max(round(x), 0), width) for x in (self.x, self.x + self.width))
        top, bottom = (min(max(round(y), 0), height) for y in (self.y, self.y + self.height))
        return left, top, right - left, bottom - top

    def shared_area(self, other: Box) -> float:
        """Return the area of the intersection with another box, in square pixels."""
        # Most pairs are asked in vain: comparing costs less than min and max.
        if self.x >= other.x + other.width or other.x >= self.x + self.width:
            return 0.0
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return width * height if width > 0.0 and height > 0.0 else 0.0

    def iou(self, other: Box) -> float:
        """Return the intersection over union with another box, 0 to 1; 0 for boxes without area."""
        shared = self.shared_area(other)
        return shared / (self.area + other.area - shared) if shared else 0.0


@dataclass(frozen=True)
class Square:
    """
    The face square: the region of the image that all weights of this package refer to.

    Its side is sqrt(2) times the larger side of the box around the face's landmarks, its centre
    that box's centre. Detectors map their boxes to it, weights say which part of it they see.
    """

    center_x: float
    center_y: float
    side: float

    @property
    def box(self) -> Box:
        """The same region as a box."""
        half = self.side / 2
        return Box(self.center_x - half, self.center_y - half, self.side, self.side)

    def scaled(self, factor: float) -> Square:
        """Return the square with the same centre and ``factor`` times the side."""
        return Square(self.center_x, self.center_y, self.side * factor)


def shared_areas(corners: FloatArray, others: FloatArray) -> FloatArray:
    """
    Return the areas of the intersections of many boxes, in square pixels.

    :param corners: float64 [..., 4], left, top, right, bottom
    :param others: the same, broadcast against ``corners``
    :returns: float64 [...]
    """
    low = np.maximum(corners[..., :2], others[..., :2])
    high = np.minimum(corners[..., 2:], others[..., 2:])
    sides = np.maximum(high - low, 0.0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def cut_square(image: Image, x: int, y: int, side: int) -> Image:
    """
    Return a square of an image as it is; black beyond the border.

    :param image: uint8 [h, w, 3]
    :param x: of the left edge, in pixels; ``y``: of the upper
    :returns: uint8 [side, side, 3], a view of the image where the square lies in it
    """
    inside = image[max(y, 0) : max(y + side, 0), max(x, 0) : max(x + side, 0)]
    if inside.shape[:2] == (side, side):
        return inside
    if not inside.size:
        return np.zeros((side, side, 3), np.uint8)
    left, top = max(-x, 0), max(-y, 0)
    right, bottom = side - left - inside.shape[1], side - top - inside.shape[0]
    padded = cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_CONSTANT)
    return np.asarray(padded, np.uint8)

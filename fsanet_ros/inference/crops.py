"""
Cut faces out of an image for the network: the kind of crop belongs to the weights.

One definition for training and use. In the crops of our weights what lies beyond the image is
black, and the picture is shrunk by area averaging, so that a large face does not alias.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import Image, check_image
from fsanet_ros.geometry.regions import Box, Square, cut_square

NETWORK_SIZE = 64  # pixels, both sides
OFFICIAL_MARGIN = 0.6


def cut_crop(image: Image, square: Square, size: int = NETWORK_SIZE) -> Image:
    """
    Return the square region of an image, resized; black beyond the border.

    :param image: uint8 [h, w, 3]; not copied, may be a strided view
    :param square: the region in pixels; may lie anywhere, its side must be positive
    :param size: pixels of the result's sides
    :returns: uint8 [size, size, 3]
    :raises ValueError: if the image has another shape or dtype, or the side is not positive
    """
    check_image(image)
    # Whole pixels: at these sizes half a pixel is far below what the network can tell.
    side = round(square.side)
    if side < 1:
        raise ValueError(f'expected a square of at least one pixel, got a side of {square.side}')
    x = round(square.center_x - square.side / 2)
    y = round(square.center_y - square.side / 2)
    return _resized(cut_square(image, x, y, side), size)


def cut_crops(
    image: Image, squares: Sequence[Square], size: int = NETWORK_SIZE
) -> NDArray[np.uint8]:
    """
    Return the crops of several faces as one batch.

    :param image: uint8 [h, w, 3]
    :param squares: n regions in pixels
    :returns: uint8 [n, size, size, 3]
    """
    crops = np.empty((len(squares), size, size, 3), np.uint8)
    for crop, square in zip(crops, squares, strict=True):
        crop[...] = cut_crop(image, square, size)
    return crops


def official_region(
    shape: tuple[int, ...], box: Box, margin: float = OFFICIAL_MARGIN, border: int = 0
) -> tuple[slice, slice]:
    """
    Return the rows and columns that the official FSA-Net cuts for a box, empty if outside.

    :param shape: of the image: height, width, ...
    :param box: of the 2D landmarks, points with a negative coordinate dropped, or of a detector
    :param margin: added on each side, in shares of the box's width and height
    :param border: pixels added to the right and below: 1 in the official code for BIWI
    """
    # Whole pixels, cut off before and after the margin is added; the last row and column of the
    # image are never reached: as in the official code (data/type1/TYY_create_db_type1.py).
    left, top = int(box.x), int(box.y)
    right, bottom = int(box.x + box.width), int(box.y + box.height)
    x_margin, y_margin = margin * (right - left), margin * (bottom - top)
    last_row = min(int(bottom + y_margin), shape[0] - 1) + border
    last_column = min(int(right + x_margin), shape[1] - 1) + border
    rows = slice(max(int(top - y_margin), 0), max(last_row, 0))
    columns = slice(max(int(left - x_margin), 0), max(last_column, 0))
    return rows, columns


def cut_official_crop(
    image: Image,
    box: Box,
    margin: float = OFFICIAL_MARGIN,
    size: int = NETWORK_SIZE,
    border: int = 0,
) -> Image:
    """
    Return the crop that the official weights want: a box and a margin, stretched to a square.

    See official_region.

    :param image: uint8 [h, w, 3]
    :returns: uint8 [size, size, 3]
    :raises ValueError: if nothing of it lies in the image
    """
    rows, columns = official_region(image.shape, box, margin, border)
    region = image[rows, columns]
    if not region.size:
        height, width = image.shape[:2]
        raise ValueError(f'{box} is outside the image of {width} x {height}')
    # Not antialiased, like the official code.
    return _stretched(region, size, cv2.INTER_LINEAR)


def _resized(region: Image, size: int) -> Image:
    shrinks = region.shape[0] > size
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return _stretched(region, size, interpolation)


def _stretched(region: Image, size: int, interpolation: int) -> Image:
    if region.shape[:2] == (1, 1):  # OpenCV 4.5.4 refuses a single pixel
        return np.broadcast_to(region, (size, size, 3)).copy()
    return np.asarray(cv2.resize(region, (size, size), interpolation=interpolation), np.uint8)

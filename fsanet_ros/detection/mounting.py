"""
Cameras that are mounted on their side or upside down.

Faces are looked for in pictures turned upright and then mapped back; all that follows happens in
the pictures as they are: a face that was found knows how it is turned, and its crop is cut so.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2

from fsanet_ros.arrays import check_image
from fsanet_ros.detection.windows import Window
from fsanet_ros.types import Face, Image

_CODES = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
MOUNTINGS_DEG = (0, *_CODES)
"""How far a camera may be turned clockwise, seen from behind it."""


def check_mounting(mounting_deg: int) -> None:
    """Raise ValueError for an angle that is none of MOUNTINGS_DEG."""
    if mounting_deg not in MOUNTINGS_DEG:
        raise ValueError(
            f'mounting_deg is {mounting_deg!r}, expected one of: '
            f'{", ".join(map(str, MOUNTINGS_DEG))}'
        )


def find_upright(
    find: Callable[[Image], list[Face]], image: Image, mounting_deg: int
) -> list[Face]:
    """
    Return what is found in an image once it is turned upright, in pixels of the image.

    :param find: returns the faces of an image in which people stand upright
    :param image: uint8 [h, w, 3] BGR
    :param mounting_deg: one of MOUNTINGS_DEG; turned clockwise by so much, people stand upright
    :raises ValueError: if the image has another shape or dtype
    """
    if not mounting_deg:
        return find(image)
    check_image(image)
    height, width = image.shape[:2]
    as_it_is = Window(0, 0, width, height, width, height, -mounting_deg % 360)
    upright = cv2.rotate(image, _CODES[mounting_deg])
    return [as_it_is.face_in_image(face) for face in find(upright)]

"""
Look for faces where they are expected: a small square of the image for each.

Each is shown at a scale at which a face is neither large nor small to a detector, all side by side
in one picture. A face of 18 pixels is enlarged: the detectors miss every second one as it is, and
one in ten at three times its size.
"""

from __future__ import annotations

from collections.abc import Sequence

from fsanet_ros.detection.detector import FaceDetector
from fsanet_ros.detection.matching import nearest
from fsanet_ros.detection.windows import Window, detect_side_by_side, grid
from fsanet_ros.types import Face, Image

# Sides in pixels of a place as it is shown: the first that is small enough for all places together.
# They are so many times larger in the image as the smallest of _FACTORS with which all that may be
# of the face lies in it.
TILES_PX = (128, 96, 64)
_FACTORS = (0.375, 0.5, 0.75, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
# Side of a place over that of the face square: what a face may move by until the next image, and
# what it does where its movement is known.
REACH, NEAR_REACH = 1.75, 1.4
# Faces below are shown as large in a tile of 96 pixels as others in one of 128.
_SMALL_PX = 34.0
# Places together have at most the first part of the pixels of a whole image as it is shown; the
# smallest ones may have the second.
_WANTED, _MOST = 0.25, 0.55


def at_places(
    expected: Sequence[Face],
    size: int,
    detector: FaceDetector,
    image: Image,
    *,
    reaches: Sequence[float] = (),
    score_share: float = 1.0,
) -> dict[int, Face]:
    """
    Return which faces are where they are expected, by their index.

    :param size: pixels to show each place with, a side
    :param image: uint8 [h, w, 3] BGR
    :param reaches: side of each place over that of its face square; none: REACH
    :param score_share: of the detector's threshold that is enough
    """
    if not expected:
        return {}
    wide = list(reaches) or [REACH] * len(expected)
    places = [_place(face, size, reach) for face, reach in zip(expected, wide, strict=True)]
    found: dict[int, Face] = {}
    for index, here in enumerate(detect_side_by_side(detector, image, places, score_share)):
        face = nearest(here, expected[index])
        if face is not None:
            found[index] = face
    return found


def tile_size(sides: Sequence[float], shown: tuple[int, int]) -> int:
    """
    Return the pixels to show each place with, 0 if a whole image takes no longer.

    :param sides: of the face squares, in pixels of the image
    :param shown: width and height in pixels of a whole image as it is shown
    """
    if not sides:
        return 0
    columns, rows = grid(len(sides))
    small = max(sides) <= _SMALL_PX
    for tile in TILES_PX[1:] if small else TILES_PX:
        share = columns * rows * tile**2 / (shown[0] * shown[1])
        # A detector shrinks what is larger than its size.
        if columns * tile <= max(shown) and share <= (_WANTED if tile > TILES_PX[-1] else _MOST):
            return tile
    return 0


def _place(face: Face, size: int, reach: float) -> Window:
    wanted = reach * face.square.side / size
    factor = next((factor for factor in _FACTORS if factor >= wanted), _FACTORS[-1])
    side = round(size * factor)
    left = round(face.square.center_x - side / 2.0)
    top = round(face.square.center_y - side / 2.0)
    return Window(left, top, side, side, size, size, int(face.turn_deg), whole=False)

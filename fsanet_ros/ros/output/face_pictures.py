"""
Pictures of single faces, all of one size: as they are in the image, or turned upright.

REP-155 (ROS4HRI), "Faces": ``cropped`` is scaled, centred and padded with zeros, ``aligned`` is
turned as well, so that the eyes are level.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from fsanet_ros.geometry.face_model import FIVE_POINTS_M
from fsanet_ros.types import Box, FloatArray, Head, Image

PICTURE_SIZE = 128  # pixels, both sides: REP-155's default

# Seen from further to the side than about 70 degrees, the eyes lie too close together to tell
# their line: below this part of the distance from eyes to mouth.
_MIN_EYE_DISTANCE = 0.3
_MIN_DEPTH_M = 0.05


def face_picture(image: Image, box: Box, tilt_rad: float = 0.0, size: int = PICTURE_SIZE) -> Image:
    """
    Return the region of a face, scaled to fit a square, centred; black around it.

    Black as well is what lies beyond the image's border, so that the face keeps its place.

    :param image: uint8 [h, w, 3]; not copied, may be a strided view
    :param box: in pixels; may reach beyond the image
    :param tilt_rad: of the region against the image, about the box's centre, clockwise; the
        result shows it upright
    :param size: pixels of the result's sides
    :returns: uint8 [size, size, 3]
    :raises ValueError: if the box has no area
    """
    if not (box.width > 0 and box.height > 0):
        raise ValueError(f'expected a box with an area, got {box.width:g} x {box.height:g} pixels')
    picture = np.zeros((size, size, 3), np.uint8)
    scale = size / max(box.width, box.height)
    width, height = (max(1, round(side * scale)) for side in (box.width, box.height))
    cos, sin = math.cos(tilt_rad), math.sin(tilt_rad)

    center_x, center_y = box.center
    half_x = (abs(cos) * box.width + abs(sin) * box.height) / 2
    half_y = (abs(sin) * box.width + abs(cos) * box.height) / 2
    # A large face is averaged over blocks first, so that it does not alias.
    block = max(1, int(1 / scale))
    left, right = _span(center_x, half_x, block, image.shape[1])
    top, bottom = _span(center_y, half_y, block, image.shape[0])
    if left == right or top == bottom:
        return picture
    region = image[top:bottom, left:right]
    if block > 1:
        blocks = -(-(right - left) // block), -(-(bottom - top) // block)
        region = np.asarray(cv2.resize(region, blocks, interpolation=cv2.INTER_AREA), np.uint8)

    # From the result's pixels to those of the region. OpenCV counts from pixels' centres.
    scale_x = region.shape[1] / (right - left)
    scale_y = region.shape[0] / (bottom - top)
    turn = np.array([[cos * scale_x, -sin * scale_x], [sin * scale_y, cos * scale_y]]) / scale
    center = np.array([(center_x - left) * scale_x, (center_y - top) * scale_y])
    offset = center - 0.5 - turn @ [(width - 1) / 2, (height - 1) / 2]
    x, y = (size - width) // 2, (size - height) // 2
    if region.shape[:2] == (1, 1):  # OpenCV 4.5.4 refuses a single pixel; beside it all is black
        region = np.pad(region, ((0, 1), (0, 1), (0, 0)))
    picture[y : y + height, x : x + width] = cv2.warpAffine(
        region,
        np.column_stack([turn, offset]),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return picture


def eye_line_tilt_rad(head: Head) -> float:
    """
    Return the angle of the line through the eyes against the image's rows, clockwise.

    From the detector's landmarks where there are any, else from the pose: where the eyes of the
    mean head are seen, which is not the roll alone once a head is turned and nods. For a face seen
    from the side it is the line square to that from the eyes to the mouth, a few degrees off.
    """
    points = head.face.landmarks
    if points is None:
        if not head.rotation_known:
            return 0.0
        points = _five_points(head)
    eyes = points[1] - points[0]
    down = points[3:5].sum(axis=0) - points[:2].sum(axis=0)
    across = np.array([down[1], -down[0]]) / 2
    distance_squared = float(across @ across)
    along = float(eyes @ across)
    if abs(along) > _MIN_EYE_DISTANCE * distance_squared:
        # From behind, the eyes are the other way round.
        across = eyes * math.copysign(1.0, along)
    return math.atan2(across[1], across[0])


def _five_points(head: Head) -> FloatArray:
    """Return where the five points of the mean head are seen, float64 [5, 2], some unit."""
    points = FIVE_POINTS_M @ head.rotation_optical.T
    if head.position_m is not None:
        placed = points + head.position_m
        if placed[:, 2].min() > _MIN_DEPTH_M:
            return np.asarray(placed[:, :2] / placed[:, 2:])
    return points[:, :2]


def _span(center: float, half: float, block: int, limit: int) -> tuple[int, int]:
    """
    Return the first pixel of a span and the one after the last, both within the image.

    They are whole blocks where the image does not end, which OpenCV averages several times
    faster; one on each side is for interpolation.
    """
    first = math.floor(center - half) - block
    length = math.ceil((center + half + block - first) / block) * block
    return min(max(first, 0), limit), min(max(first + length, 0), limit)

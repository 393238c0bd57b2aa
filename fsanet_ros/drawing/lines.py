"""Where the lines that show a head's pose run in a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import HEAD_FROM_FACE
from fsanet_ros.types import FloatArray, Head, Image

# As in RViz: x red, y green, z blue; BGR.
AXIS_COLORS = ((60, 60, 255), (60, 220, 60), (255, 120, 60))
_OUTLINE = (30, 30, 30)
_AXIS_PER_BOX = 0.6  # length of an axis without a metric position, in box sizes
_NOSE_PER_AXIS = 2.0
_NOSE_PER_DISTANCE = 0.5  # at most: what points at the camera must not reach it
_FAR_OUTSIDE_PX = 30000
_BARB_PX = 8.0  # for each pixel of the lines' thickness
_BARB_PER_ARROW = 0.3  # at most

# The share of the errors that the ring is to hold, and its points.
_RING_SHARE = 2 / 3
RING_SIGMA = math.sqrt(-2.0 * math.log(1.0 - _RING_SHARE))
_TURNS = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
_CIRCLE = RING_SIGMA * np.column_stack([np.cos(_TURNS), np.sin(_TURNS)])


@dataclass(frozen=True, eq=False)
class HeadLines:
    """
    The lines of one head, in pixels.

    ``axes``, float64 [4, 2]: the origin and the tips of x, y and z of the face frame. ``order``:
    the axes from the farthest to the nearest tip. ``nose``, float64 [2, 2]: an arrow from the
    origin to where the nose points. ``ring``, float64 [24, 2] or None: around the arrow's tip,
    where two thirds of the true directions are expected.
    """

    axes: FloatArray
    order: tuple[int, ...]
    nose: FloatArray
    ring: FloatArray | None

    def draw(self, canvas: Image, color: tuple[int, int, int], thickness: int) -> None:
        """Draw ring, arrow and axes, the nearest last; ``color``: BGR, of ring and arrow."""
        if self.ring is not None:
            ring = [_rounded(self.ring)]
            cv2.polylines(canvas, ring, True, _OUTLINE, thickness + 2)
            cv2.polylines(canvas, ring, True, color, thickness, cv2.LINE_AA)
        start, end = _rounded(self.nose).tolist()
        tip = _barb_px(start, end, thickness) / max(math.dist(start, end), 1.0)
        for line_color, width in ((_OUTLINE, thickness + 3), (color, thickness + 1)):
            cv2.arrowedLine(canvas, start, end, line_color, width, cv2.LINE_AA, tipLength=tip)
        draw_axis_lines(canvas, self.axes, self.order, thickness + 1)

    def mark(self, mask: Image, scale: float, thickness: int, value: int) -> None:
        """
        Mark in a smaller picture all that ``draw`` would cover.

        :param mask: uint8 [h, w]; one of its pixels stands for 1 / scale of them each way
        :param thickness: as for ``draw``
        """
        width = 3 + math.ceil(thickness * scale)
        start, *tips = _rounded(np.vstack([self.axes, self.nose[1]]) * scale).tolist()
        for end in tips:
            cv2.line(mask, start, end, value, width)
        if self.ring is not None:
            ring = _rounded(self.ring * scale)
            cv2.fillPoly(mask, [ring], value)
            cv2.polylines(mask, [ring], True, value, width)
        barb = _barb_px(self.nose[0].tolist(), self.nose[1].tolist(), thickness)
        cv2.circle(mask, tips[-1], 1 + math.ceil(barb * scale), value, -1)


def line_width(width: int, height: int) -> int:
    """Return the width of thin lines in a picture of that size, all in pixels."""
    return max(1, round(min(height, width) / 400))


def lines_of(head: Head, camera: CameraModel | None, axis_length_m: float) -> HeadLines:
    """
    Return the lines of a head whose rotation is known.

    In perspective where its position and the camera are known, else as large as its box.
    """
    face = (head.rotation_optical @ HEAD_FROM_FACE).T  # x, y, z of the face frame
    order = tuple(np.argsort(-face[:, 2]).tolist())
    if camera is not None and head.position_m is not None:
        distance_m = math.hypot(*head.position_m.tolist())
        nose_m = min(_NOSE_PER_AXIS * axis_length_m, _NOSE_PER_DISTANCE * distance_m)
        points = camera.project(head.position_m + _offsets(head, face, axis_length_m, nose_m))
        # NaN where the lens sees nothing, huge close to the image plane.
        if np.abs(points).max() < _FAR_OUTSIDE_PX:
            return _lines(points, order)
    box = head.face.box
    length = _AXIS_PER_BOX * max(box.width, box.height)
    offsets = _offsets(head, face, length, _NOSE_PER_AXIS * length)
    return _lines(np.asarray(box.center) + offsets[:, :2], order)


def draw_axis_lines(
    canvas: Image, points_px: FloatArray, order: tuple[int, ...], thickness: int
) -> None:
    """Draw lines from the first to the other three points, float64 [4, 2], in that order."""
    start, *tips = _rounded(_limited(points_px)).tolist()
    for axis in order:
        cv2.line(canvas, start, tips[axis], AXIS_COLORS[axis], thickness, cv2.LINE_AA)


def _offsets(head: Head, face: FloatArray, axis_length: float, nose_length: float) -> FloatArray:
    """Return origin, tips of the axes, tip of the nose's arrow, ring: float64 [5 or 29, 3]."""
    basis = np.vstack([np.zeros(3), axis_length * face, nose_length * face[0]])
    covariance = head.rotation_covariance_rad2
    if covariance is None:
        return basis
    # A rotation e about the face's axes moves x by e_z along y and by -e_y along z.
    _, (_, yy, yz), (_, _, zz) = (face @ covariance @ face.T).tolist()
    along_y = math.sqrt(max(zz, 1e-12))
    mixed = -yz / along_y
    along_z = math.sqrt(max(yy - mixed * mixed, 1e-12))
    spread = _CIRCLE @ np.array([[along_y, mixed], [0.0, along_z]])
    return np.vstack([basis, nose_length * (face[0] + spread @ face[1:])])


def _lines(points: FloatArray, order: tuple[int, ...]) -> HeadLines:
    points = _limited(points)
    return HeadLines(points[:4], order, points[[0, 4]], points[5:] if len(points) > 5 else None)


def _barb_px(start: Sequence[float], end: Sequence[float], thickness: int) -> float:
    return min(_BARB_PX * thickness, _BARB_PER_ARROW * math.dist(start, end))


def _rounded(points: FloatArray) -> NDArray[np.int32]:
    return np.rint(points).astype(np.int32)


def _limited(points: FloatArray) -> FloatArray:
    # Far outside, OpenCV's fixed-point coordinates would overflow.
    return np.clip(np.nan_to_num(points), -10000.0, 30000.0)

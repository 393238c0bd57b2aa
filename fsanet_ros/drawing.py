"""Draw heads into pictures: box, name and the axes of the REP-155 face frame."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import HEAD_FROM_FACE
from fsanet_ros.types import FloatArray, Head, Image

# As in RViz: x red, y green, z blue; BGR.
AXIS_COLORS = ((60, 60, 255), (60, 220, 60), (255, 120, 60))
_BOX_COLOR = (255, 255, 255)
_AXIS_PER_BOX = 0.6  # length of an axis without a metric position, in box sizes
_FAR_OUTSIDE_PX = 30000


def draw_heads(
    image: Image,
    named_heads: Iterable[tuple[str, Head]],
    camera: CameraModel | None = None,
    axis_length_m: float = 0.12,
) -> Image:
    """
    Return a copy of an image with boxes, names, angles and axes drawn in.

    x (red) points out of the face, y (green) to the person's left, z (blue) to the top of the head.

    :param image: uint8 [h, w, 3] BGR
    :param named_heads: (id, head) pairs
    :param camera: with it, axes of heads whose position is known are drawn in perspective
    :param axis_length_m: their length in metres
    """
    canvas = image.copy()
    thickness = max(1, round(min(canvas.shape[:2]) / 300))
    for name, head in named_heads:
        _draw_box(canvas, name, head, thickness)
        if not head.rotation_known:
            continue
        tips = _axis_points_px(head, camera, axis_length_m)
        _draw_axes(canvas, tips, head.rotation_optical, thickness + 1)
    return canvas


def draw_axes(
    canvas: Image,
    origin_px: tuple[float, float],
    rotation_optical: FloatArray,
    length_px: float,
    thickness: int = 2,
) -> None:
    """
    Draw the axes of the face frame into an image, without perspective; colours as draw_heads.

    :param rotation_optical: float64 [3, 3]
    """
    axes = (rotation_optical @ HEAD_FROM_FACE).T[:, :2]
    points = np.asarray(origin_px) + length_px * np.vstack([np.zeros(2), axes])
    _draw_axes(canvas, points, rotation_optical, thickness)


def _draw_axes(
    canvas: Image, points_px: FloatArray, rotation_optical: FloatArray, thickness: int
) -> None:
    """Draw lines from the first to the other three points, float64 [4, 2]."""
    # The axis that points away is drawn first, so that nearer ones lie over it.
    depth = (rotation_optical @ HEAD_FROM_FACE)[2]
    for axis in np.argsort(-depth):
        start, end = _pixel(points_px[0]), _pixel(points_px[1 + axis])
        cv2.line(canvas, start, end, AXIS_COLORS[axis], thickness, cv2.LINE_AA)


def _axis_points_px(head: Head, camera: CameraModel | None, length_m: float) -> FloatArray:
    """Return origin and tips of the face frame's axes, float64 [4, 2], pixels."""
    axes = (head.rotation_optical @ HEAD_FROM_FACE).T
    if camera is not None and head.position_m is not None:
        points = head.position_m + length_m * np.vstack([np.zeros(3), axes])
        tips = camera.project(points)
        # NaN where the lens sees nothing, huge close to the image plane.
        if np.abs(tips).max() < _FAR_OUTSIDE_PX:
            return tips
    box = head.face.box
    length = _AXIS_PER_BOX * max(box.width, box.height)
    return np.asarray(box.center) + length * np.vstack([np.zeros(2), axes[:, :2]])


def _draw_box(canvas: Image, name: str, head: Head, thickness: int) -> None:
    box = head.face.box
    corner = _pixel(np.array([box.x, box.y]))
    opposite = _pixel(np.array([box.x + box.width, box.y + box.height]))
    cv2.rectangle(canvas, corner, opposite, _BOX_COLOR, thickness, cv2.LINE_AA)
    yaw, pitch, roll = head.yaw_pitch_roll_deg
    text = f'{name} y{yaw:+.0f} p{pitch:+.0f} r{roll:+.0f}' if head.rotation_known else f'{name} ?'
    scale = 0.4 * max(1.0, min(canvas.shape[:2]) / 480)
    place = (corner[0], max(corner[1] - 4 * thickness, round(12 * scale / 0.4)))
    for color, width in (((0, 0, 0), thickness + 2), ((255, 255, 255), thickness)):
        cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, color, width, cv2.LINE_AA)


def _pixel(point: FloatArray) -> tuple[int, int]:
    # Far outside, OpenCV's fixed-point coordinates would overflow.
    x, y = np.clip(np.round(np.nan_to_num(point)), -10000, 30000).astype(int)
    return int(x), int(y)

"""
Heads, gazes and cameras as shapes in space, which markers for RViz and Foxglove are made of.

A head's shapes carry its colour in pictures (colors.color_of), and names that are its own for
life: viewers replace shapes of one name by each other.
"""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np

from fsanet_ros.drawing.colors import color_of
from fsanet_ros.drawing.lines import RING_SIGMA
from fsanet_ros.geometry import quaternions
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.quaternions import Vector
from fsanet_ros.geometry.rotations import HEAD_FROM_FACE
from fsanet_ros.types import FloatArray, Head

Rgba = tuple[float, float, float, float]
Points = tuple[Vector, ...]
Colors = tuple[Rgba, ...]

#: What a viewer finds it by where this package is installed; written by tools.write_head_mesh.
HEAD_MESH = 'package://fsanet_ros/meshes/head.dae'
#: The prefix of ids that adds nothing to a shape's namespace.
PLAIN_PREFIX = 'h'
# Length of the gaze line, in axis lengths, and at most: a gaze into the camera must not reach it.
GAZE_PER_AXIS, GAZE_PER_DISTANCE = 4.0, 0.6
TEXT_HEIGHT_M = 0.06
# RViz makes a space as wide as a letter is high by far, unless it is told.
SPACE_PER_HEIGHT = 0.3

# Above the sellion, toward the top of the head.
_NAME_ABOVE_M, _TEXT_ABOVE_M = 0.16, 0.24
_GAZE_WIDTH_M, _ATTENTION_WIDTH_M, _AXIS_WIDTH_M, _CAMERA_WIDTH_M = 0.012, 0.006, 0.006, 0.004
_CLEAR = 0.3  # how much of a head's up lies in the picture, of 1
_DISC_THICKNESS_M = 0.002
_CAMERA_LENGTH_M = 0.2
_HEAD_ALPHA, _DISC_ALPHA = 0.7, 0.35
# Of white in a head's mesh: on a dark ground its shaded side would be brown.
_HEAD_WHITE = 0.35
_WHITE: Rgba = (1.0, 1.0, 1.0, 1.0)
_TARGET_COLOR: Rgba = (1.0, 0.25, 0.25, 1.0)  # of no head
_CAMERA_COLOR: Rgba = (0.8, 0.8, 0.8, 1.0)
# As in RViz: x red, y green, z blue.
_RED, _GREEN, _BLUE = (1.0, 0.2, 0.2, 1.0), (0.2, 0.9, 0.2, 1.0), (0.3, 0.5, 1.0, 1.0)
_AXIS_COLORS: Colors = (_RED, _RED, _GREEN, _GREEN, _BLUE, _BLUE)
_NOWHERE: Vector = (0.0, 0.0, 0.0)
_UPRIGHT = (0.0, 0.0, 0.0, 1.0)


class Kind(IntEnum):
    """What a shape is, with the numbers of visualization_msgs/Marker."""

    DISC = 3  # CYLINDER
    LINES = 5  # LINE_LIST
    TEXT = 9  # TEXT_VIEW_FACING
    MESH = 10  # MESH_RESOURCE


@dataclass(frozen=True, eq=False)
class Shape:
    """
    A shape in the frame of its image, in metres.

    ``namespace`` and ``number`` name it. ``points`` are relative to ``position`` and
    ``orientation`` (quaternion x, y, z, w); two make a line. ``colors``: one for each point, or
    none, then ``color`` holds for all. ``scale`` is as in visualization_msgs/Marker.
    """

    namespace: str
    number: int
    kind: Kind
    scale: Vector
    color: Rgba
    position: Vector = _NOWHERE
    orientation: tuple[float, float, float, float] = _UPRIGHT
    points: Points = ()
    colors: Colors = ()
    text: str = ''
    mesh: str = ''


@lru_cache(maxsize=1024)
def shape_name(kind: str, head_id: str) -> tuple[str, int]:
    """
    Return namespace and number of what shows a head: its own for life.

    The number is the id's. The namespace has the id's prefix, if that is another than 'h': cameras
    and nodes that share a topic differ in it.
    """
    prefix, number = re.fullmatch(r'(.*?)(\d*)', head_id, re.DOTALL).groups()  # type: ignore[union-attr]
    return kind if prefix == PLAIN_PREFIX else f'{kind}_{prefix}', int(number[-9:] or 0)


@lru_cache(maxsize=1024)
def rgba_of(head_id: str, alpha: float = 1.0) -> Rgba:
    """Return the colour of a head, each part 0 to 1."""
    red, green, blue = color_of(head_id)
    return red / 255, green / 255, blue / 255, alpha


@lru_cache(maxsize=1024)
def _skin_of(head_id: str) -> Rgba:
    red, green, blue, _ = (part + _HEAD_WHITE * (1.0 - part) for part in rgba_of(head_id))
    return red, green, blue, _HEAD_ALPHA


def text_scale(height_m: float = TEXT_HEIGHT_M) -> Vector:
    """Return the scale of a text whose letters have a height."""
    return SPACE_PER_HEIGHT * height_m, 0.0, height_m


def head_shapes(head_id: str, head: Head, axis_length_m: float) -> list[Shape]:
    """
    Return what shows a head whose position and rotation are known: else nothing.

    A head mesh, a line where the face points, a disc at its end that holds two thirds of the
    directions that are to be expected, the axes of the face frame, the id.
    """
    if head.position_m is None or not head.rotation_known:
        return []
    x, y, z = head.position_m.tolist()
    qx, qy, qz, qw = head.face_quaternion_xyzw.tolist()
    position, orientation = (x, y, z), (qx, qy, qz, qw)

    def lines(kind: str, width_m: float, color: Rgba, points: Points, colors: Colors = ()) -> Shape:
        name, scale = shape_name(kind, head_id), (width_m, 0.0, 0.0)
        return Shape(*name, Kind.LINES, scale, color, position, orientation, points, colors)

    gaze_m = min(GAZE_PER_AXIS * axis_length_m, GAZE_PER_DISTANCE * math.hypot(x, y, z))
    mesh = Shape(
        *shape_name('head', head_id),
        Kind.MESH,
        (1.0, 1.0, 1.0),
        _skin_of(head_id),
        position,
        orientation,
        mesh=HEAD_MESH,
    )
    name = Shape(
        *shape_name('name', head_id), Kind.TEXT, text_scale(), _WHITE, above(head), text=head_id
    )
    shapes = [
        mesh,
        lines('gaze', _GAZE_WIDTH_M, rgba_of(head_id), (_NOWHERE, (gaze_m, 0.0, 0.0))),
        lines('axes', _AXIS_WIDTH_M, _WHITE, _axes(axis_length_m), _AXIS_COLORS),
        name,
    ]
    if head.rotation_covariance_rad2 is not None:
        shapes.append(_disc(head_id, head, gaze_m))
    return shapes


def attention_shapes(
    head_id: str, head: Head, target_m: FloatArray, text: str, other_id: str = ''
) -> list[Shape]:
    """
    Return a line from a head, whose position must be known, to its target, and a text above it.

    :param target_m: where the target is, float64 [3]
    :param other_id: of the head that the target is; the line has that one's colour, else none of
        a head
    """
    assert head.position_m is not None
    x, y, z = head.position_m.tolist()
    dx, dy, dz = (target_m - head.position_m).tolist()
    color = rgba_of(other_id) if other_id else _TARGET_COLOR
    line = Shape(
        *shape_name('attention', head_id),
        Kind.LINES,
        (_ATTENTION_WIDTH_M, 0.0, 0.0),
        color,
        (x, y, z),
        points=(_NOWHERE, (dx, dy, dz)),
    )
    words = Shape(
        *shape_name('attention_text', head_id),
        Kind.TEXT,
        text_scale(),
        color,
        above(head, _TEXT_ABOVE_M),
        text=text,
    )
    return [line, words]


def above(head: Head, height_m: float = _NAME_ABOVE_M) -> Vector:
    """
    Return a place over a head, for a text; its position must be known.

    Straight up in the picture, whichever of its sides is up: texts over a head that nods or leans
    would cover one another, or the head.
    """
    assert head.position_m is not None
    x, y, z = head.position_m.tolist()
    right, down = (-head.rotation_optical[:2, 1]).tolist()
    # A face that looks straight up or down says little: then the picture is upright.
    if abs(right) > max(abs(down), _CLEAR):
        return x + math.copysign(height_m, right), y, z
    return x, y + (height_m if down > _CLEAR else -height_m), z


@lru_cache(maxsize=8)
def camera_shape(camera: CameraModel, frame: str) -> Shape | None:
    """
    Return the pyramid that a calibrated camera sees, None where its corners see nothing.

    :param frame: the camera's; its number comes from there
    """
    width, height = camera.width, camera.height
    corners = camera.rays([[0, 0], [width, 0], [width, height], [0, height]]) * _CAMERA_LENGTH_M
    if not np.isfinite(corners).all():
        return None
    places: list[Vector] = [(x, y, z) for x, y, z in corners.tolist()]
    points = [p for corner in places for p in (_NOWHERE, corner)]
    points += [p for i in range(4) for p in (places[i - 1], places[i])]
    return Shape(
        'camera',
        zlib.crc32(frame.encode()) >> 1,  # a positive int32
        Kind.LINES,
        (_CAMERA_WIDTH_M, 0.0, 0.0),
        _CAMERA_COLOR,
        points=tuple(points),
    )


def _disc(head_id: str, head: Head, gaze_m: float) -> Shape:
    """Return the disc around the gaze line's end; position and error must be known."""
    assert head.position_m is not None and head.rotation_covariance_rad2 is not None
    face: FloatArray = head.rotation_optical @ HEAD_FROM_FACE  # columns are the frame's axes
    # A rotation e about the face's axes moves x by e_z along y and by -e_y along z.
    _, (_, yy, yz), (_, _, zz) = (face.T @ head.rotation_covariance_rad2 @ face).tolist()
    half_sum, half_difference = (yy + zz) / 2, (zz - yy) / 2
    spread = math.hypot(half_difference, yz)
    turn_rad = math.atan2(-yz, half_difference) / 2
    width_m, height_m = (
        2 * gaze_m * min(RING_SIGMA * math.sqrt(max(variance, 1e-8)), 1.0)
        for variance in (half_sum + spread, half_sum - spread)
    )
    x, y, z = (head.position_m + gaze_m * face[:, 0]).tolist()
    cos, sin = math.cos(turn_rad), math.sin(turn_rad)
    # The axis of a disc is its z.
    turned = face[:, [1, 2, 0]] @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    qw, qx, qy, qz = quaternions.from_matrix(turned)
    return Shape(
        *shape_name('error', head_id),
        Kind.DISC,
        (width_m, height_m, _DISC_THICKNESS_M),
        rgba_of(head_id, _DISC_ALPHA),
        position=(x, y, z),
        orientation=(qx, qy, qz, qw),
    )


@lru_cache(maxsize=8)
def _axes(length_m: float) -> Points:
    tips = (length_m, 0.0, 0.0), (0.0, length_m, 0.0), (0.0, 0.0, length_m)
    return tuple(point for tip in tips for point in (_NOWHERE, tip))

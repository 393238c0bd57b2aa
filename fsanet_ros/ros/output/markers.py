"""Markers for RViz: the axes of each face frame, an arrow out of the face, the id."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from fsanet_ros.geometry.rotations import HEAD_FROM_FACE, nose_direction
from fsanet_ros.tracking.tracker import TrackedHead
from fsanet_ros.types import FloatArray

# RViz drops what is not renewed, so nobody stays when the node stops.
LIFETIME = Duration(nanosec=500_000_000)
HEADS_PER_CAMERA = 1000
GAZE_PER_AXIS = 4.0  # length of the gaze arrow, in axis lengths

_RED, _GREEN, _BLUE, _YELLOW, _WHITE = (
    ColorRGBA(r=r, g=g, b=b, a=1.0)
    for r, g, b in ((1.0, 0.2, 0.2), (0.2, 0.9, 0.2), (0.3, 0.5, 1.0), (1.0, 0.8, 0.1), (1.0,) * 3)
)


def marker_array(
    tracked: Sequence[TrackedHead], header: Header, axis_length_m: float, camera_index: int = 0
) -> MarkerArray:
    """
    Return the markers of the heads whose pose is known.

    Namespaces axes, gaze and name can be switched off one by one in RViz.

    :param camera_index: markers of different cameras of one node do not replace each other
    """
    markers = []
    for number, t in enumerate(tracked, start=camera_index * HEADS_PER_CAMERA):
        if t.head.position_m is None or not t.head.rotation_known:
            continue
        origin = t.head.position_m
        axes = (t.head.rotation_optical @ HEAD_FROM_FACE).T * axis_length_m
        gaze = nose_direction(t.head.rotation_optical) * axis_length_m * GAZE_PER_AXIS
        common = {'header': header, 'id': number, 'lifetime': LIFETIME, 'action': Marker.ADD}
        markers += [
            Marker(
                ns='axes',
                type=Marker.LINE_LIST,
                points=[_point(p) for axis in axes for p in (origin, origin + axis)],
                colors=[_RED, _RED, _GREEN, _GREEN, _BLUE, _BLUE],
                scale=Vector3(x=0.01),
                pose=_unit_pose(),
                **common,
            ),
            Marker(
                ns='gaze',
                type=Marker.ARROW,
                points=[_point(origin), _point(origin + gaze)],
                scale=Vector3(x=0.01, y=0.025, z=0.05),
                color=_YELLOW,
                pose=_unit_pose(),
                **common,
            ),
            Marker(
                ns='name',
                type=Marker.TEXT_VIEW_FACING,
                text=t.id,
                pose=_unit_pose(origin + axes[2] * 1.5),
                scale=Vector3(z=0.08),
                color=_WHITE,
                **common,
            ),
        ]
    return MarkerArray(markers=markers)


def _unit_pose(position: FloatArray | None = None) -> Pose:
    pose = Pose(position=_point(np.zeros(3) if position is None else position))
    pose.orientation.w = 1.0
    return pose


def _point(xyz: FloatArray) -> Point:
    x, y, z = xyz.tolist()
    return Point(x=x, y=y, z=z)

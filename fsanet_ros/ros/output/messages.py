"""Tracked heads as messages."""

from __future__ import annotations

import math
from collections.abc import Sequence

from geometry_msgs.msg import (
    Pose,
    PoseArray,
    Quaternion,
    Transform,
    TransformStamped,
    Vector3,
)
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from fsanet_ros.msg import HeadPose, HeadPoseArray
from fsanet_ros.ros.stamps import duration
from fsanet_ros.tracking.tracker import TrackedHead
from fsanet_ros.types import Box, FloatArray, Head


def head_pose_array(
    tracked: Sequence[TrackedHead], header: Header, image_size: tuple[int, int]
) -> HeadPoseArray:
    """
    Return the message of one image.

    :param image_size: width and height in pixels, which boxes are clipped to
    """
    return HeadPoseArray(header=header, heads=[_head_pose(t, image_size) for t in tracked])


def pose_array(tracked: Sequence[TrackedHead], header: Header) -> PoseArray:
    """
    Return the poses of the heads' face frames; the position is NaN where it is unknown.

    Heads of unknown orientation are left out: RViz shows nothing of a message with one.
    """
    poses = [_pose(t.head) for t in tracked if t.head.rotation_known]
    return PoseArray(header=header, poses=poses)


def transforms(tracked: Sequence[TrackedHead], header: Header) -> list[TransformStamped]:
    """Return face_<id> and gaze_<id> of the heads whose pose is known; none without a parent."""
    frames: list[TransformStamped] = []
    if not header.frame_id:
        return frames
    for t in tracked:
        if t.head.position_m is None or not t.head.rotation_known:
            continue
        origin = _vector(t.head.position_m)
        for name, quaternion in (
            (f'face_{t.id}', t.head.face_quaternion_xyzw),
            (f'gaze_{t.id}', t.head.gaze_quaternion_xyzw),
        ):
            if name == header.frame_id:  # a camera of that name: tf2 takes no such ring
                continue
            transform = Transform(translation=origin, rotation=_quaternion(quaternion))
            frames.append(TransformStamped(header=header, child_frame_id=name, transform=transform))
    return frames


def region_of_interest(box: Box, image_size: tuple[int, int]) -> RegionOfInterest:
    """Return the part of a box that lies in the image, in whole pixels."""
    message = RegionOfInterest()
    _fill_in_box(message, box, image_size)
    return message


def _head_pose(tracked: TrackedHead, image_size: tuple[int, int]) -> HeadPose:
    head = tracked.head
    # Filled in, not put together: a constructor also makes all that its arguments replace.
    message = HeadPose(id=tracked.id, score=head.face.score)
    _fill_in_box(message.roi, head.face.box, image_size)
    _fill_in(message.pose.pose, head)
    message.pose.covariance = head.pose_covariance.ravel()
    message.distance_source = _distance_source(head)
    yaw_deg, pitch_deg, roll_deg = head.yaw_pitch_roll_deg.tolist()
    message.yaw = math.radians(yaw_deg)
    message.pitch = math.radians(pitch_deg)
    message.roll = math.radians(roll_deg)
    message.age = duration(tracked.age_s)
    return message


def _distance_source(head: Head) -> int:
    if head.position_m is None:
        return int(HeadPose.DISTANCE_UNKNOWN)
    if head.distance_from_depth:
        return int(HeadPose.DISTANCE_FROM_DEPTH)
    return int(HeadPose.DISTANCE_FROM_SIZE)


def _pose(head: Head) -> Pose:
    message = Pose()
    _fill_in(message, head)
    return message


def _fill_in(message: Pose, head: Head) -> None:
    position, orientation = message.position, message.orientation
    unknown = (math.nan, math.nan, math.nan)
    place = unknown if head.position_m is None else head.position_m.tolist()
    position.x, position.y, position.z = place
    quaternion = head.face_quaternion_xyzw.tolist()
    orientation.x, orientation.y, orientation.z, orientation.w = quaternion


def _fill_in_box(message: RegionOfInterest, box: Box, image_size: tuple[int, int]) -> None:
    left, top, message.width, message.height = box.whole_pixels(*image_size)
    message.x_offset, message.y_offset = left, top


def _quaternion(xyzw: FloatArray) -> Quaternion:
    x, y, z, w = xyzw.tolist()
    return Quaternion(x=x, y=y, z=z, w=w)


def _vector(xyz: FloatArray) -> Vector3:
    x, y, z = xyz.tolist()
    return Vector3(x=x, y=y, z=z)

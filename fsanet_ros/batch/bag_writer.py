"""
What was found in a bag as a new bag: head_poses, /tf and markers, with the stamps of the images.

RViz and Foxglove replay it. It is written by the package rosbags; needs no ROS.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.batch.sightings import SightedFrame, Sighting
from fsanet_ros.files.bags import empty_message, message_types, open_bag
from fsanet_ros.geometry.rotations import HEAD_FROM_FACE, nose_direction
from fsanet_ros.types import Head

_AXIS_LENGTH_M = 0.12
_LINE_LIST, _ARROW, _TEXT = 5, 0, 9  # visualization_msgs/Marker's types
_FROM_SIZE = 1  # fsanet_ros/HeadPose's DISTANCE_FROM_SIZE
_COLORS = ((1.0, 0.2, 0.2), (0.2, 0.9, 0.2), (0.3, 0.5, 1.0))
_GAZE_COLOR, _TEXT_COLOR = (1.0, 0.8, 0.1), (1.0, 1.0, 1.0)
_LIFETIME_NS = 500_000_000
HEAD_POSE_ARRAY, TF = 'fsanet_ros/msg/HeadPoseArray', 'tf2_msgs/msg/TFMessage'
MARKERS = 'visualization_msgs/msg/MarkerArray'


class BagWriter:
    """Makes the messages of one input bag and writes them, with topics of it on request."""

    def __init__(self, source: Path, copied: Collection[str] | None) -> None:
        """
        Take a bag.

        :param copied: its topics that the new bag has too; None: all of them
        :raises ImportError: if rosbags is not installed
        """
        self._source = source
        self._copied = copied
        self._store = message_types()

    def write(self, frames: Iterable[SightedFrame], topics: Sequence[str], target: Path) -> None:
        """
        Write the new bag, in the storage of the old one; it has its name when it is whole.

        :param topics: of the images, all that there are

        :raises BagError: if the old bag cannot be read
        :raises OSError: if the new one cannot be written
        """
        from rosbags.rosbag2 import StoragePlugin, Writer

        is_mcap = self._source.suffix == '.mcap' or any(self._source.glob('*.mcap'))
        plugin = StoragePlugin.MCAP if is_mcap else StoragePlugin.SQLITE3
        part = target.with_name(f'.{target.name}.part')
        shutil.rmtree(part, ignore_errors=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with Writer(part, version=8, storage_plugin=plugin) as writer:
                self._copy(writer)
                self._write(writer, frames, topics)
            if target.exists():
                shutil.rmtree(target)
            os.replace(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _copy(self, writer: Any) -> None:
        with open_bag(self._source) as reader:
            wanted = [
                c for c in reader.connections if self._copied is None or c.topic in self._copied
            ]
            to = {
                c.id: writer.add_connection(
                    c.topic,
                    c.msgtype,
                    msgdef=c.msgdef.data,
                    rihs01=c.digest,
                    serialization_format=c.ext.serialization_format,
                    offered_qos_profiles=c.ext.offered_qos_profiles,
                )
                for c in wanted
            }
            for connection, recorded_ns, raw in (
                reader.messages(connections=wanted) if wanted else ()
            ):
                writer.write(to[connection.id], recorded_ns, raw)

    def _write(self, writer: Any, frames: Iterable[SightedFrame], topics: Sequence[str]) -> None:
        connections: dict[tuple[str, str], Any] = {}

        def write(topic: str, kind: str, at_ns: int, message: Any) -> None:
            if (topic, kind) not in connections:
                connections[topic, kind] = writer.add_connection(topic, kind, typestore=self._store)
            writer.write(connections[topic, kind], at_ns, self._store.serialize_cdr(message, kind))

        for frame in frames:
            folder = frame.topic.rpartition('/')[0] if len(topics) > 1 else ''
            header, at_ns = self._header(frame.stamp_ns, frame.frame_id), frame.recorded_ns
            placed = [
                s
                for s in frame.sightings
                if s.head.position_m is not None and s.head.rotation_known
            ]
            # The frames first: who hears of a head looks them up.
            if placed:
                write('/tf', TF, at_ns, self._transforms(placed, header))
            poses = self._poses(frame.sightings, header, frame.size)
            write(f'{folder}/head_poses', HEAD_POSE_ARRAY, at_ns, poses)
            if placed:
                markers = self._markers(placed, header, topics.index(frame.topic))
                write(f'{folder}/markers', MARKERS, at_ns, markers)

    def _new(self, kind: str) -> Any:
        return empty_message(self._store, kind)

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        header = self._new('std_msgs/msg/Header')
        header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        header.frame_id = frame_id
        return header

    def _poses(self, found: Sequence[Sighting], header: Any, size: tuple[int, int]) -> Any:
        message = self._new(HEAD_POSE_ARRAY)
        message.header = header
        message.heads = [self._pose(sighting, size) for sighting in found]
        return message

    def _pose(self, sighting: Sighting, size: tuple[int, int]) -> Any:
        head = sighting.head
        message = self._new('fsanet_ros/msg/HeadPose')
        message.id, message.score = sighting.id, head.face.score
        roi = message.roi
        roi.x_offset, roi.y_offset, roi.width, roi.height = head.face.box.whole_pixels(*size)
        _fill(message.pose.pose.position, 'xyz', _place(head))
        _fill(message.pose.pose.orientation, 'xyzw', head.face_quaternion_xyzw)
        message.pose.covariance = head.pose_covariance.ravel()
        message.distance_source = 0 if head.position_m is None else _FROM_SIZE
        angles = np.radians(head.yaw_pitch_roll_deg).tolist()
        message.yaw, message.pitch, message.roll = angles
        seconds = divmod(round(sighting.age_s * 1e9), 1_000_000_000)
        message.age.sec, message.age.nanosec = seconds
        return message

    def _transforms(self, placed: Sequence[Sighting], header: Any) -> Any:
        message = self._new(TF)
        for sighting in placed:
            head = sighting.head
            for name, quaternion in (
                ('face', head.face_quaternion_xyzw),
                ('gaze', head.gaze_quaternion_xyzw),
            ):
                stamped = self._new('geometry_msgs/msg/TransformStamped')
                stamped.header, stamped.child_frame_id = header, f'{name}_{sighting.id}'
                _fill(stamped.transform.translation, 'xyz', _place(head))
                _fill(stamped.transform.rotation, 'xyzw', quaternion)
                message.transforms.append(stamped)
        return message

    def _markers(self, placed: Sequence[Sighting], header: Any, camera: int) -> Any:
        message = self._new(MARKERS)
        for sighting in placed:
            head, origin = sighting.head, _place(sighting.head)
            axes = (head.rotation_optical @ HEAD_FROM_FACE).T * _AXIS_LENGTH_M
            gaze = origin + nose_direction(head.rotation_optical) * _AXIS_LENGTH_M * 4.0
            lines = self._marker('axes', _LINE_LIST, sighting, header, camera, (0.01, 0.0, 0.0))
            lines.points = [self._point(p) for axis in axes for p in (origin, origin + axis)]
            lines.colors = [self._color(color) for color in _COLORS for _ in range(2)]
            arrow = self._marker('gaze', _ARROW, sighting, header, camera, (0.01, 0.025, 0.05))
            arrow.points = [self._point(origin), self._point(gaze)]
            arrow.color = self._color(_GAZE_COLOR)
            text = self._marker('name', _TEXT, sighting, header, camera, (1.0, 0.0, 0.08))
            text.text, text.color = sighting.id, self._color(_TEXT_COLOR)
            _fill(text.pose.position, 'xyz', origin + 1.5 * axes[2])
            message.markers += [lines, arrow, text]
        return message

    def _marker(
        self,
        namespace: str,
        kind: int,
        sighting: Sighting,
        header: Any,
        camera: int,
        scale: tuple[float, float, float],
    ) -> Any:
        marker = self._new('visualization_msgs/msg/Marker')
        marker.header, marker.ns, marker.type = header, namespace, kind
        # A head keeps its marker for life.
        marker.id = camera * 100_000 + int(sighting.id.lstrip('abcdefghijklmnopqrstuvwxyz'))
        marker.lifetime.nanosec = _LIFETIME_NS
        marker.pose.orientation.w = 1.0
        _fill(marker.scale, 'xyz', scale)
        return marker

    def _point(self, xyz: FloatArray) -> Any:
        point = self._new('geometry_msgs/msg/Point')
        _fill(point, 'xyz', xyz)
        return point

    def _color(self, rgb: tuple[float, float, float]) -> Any:
        color = self._new('std_msgs/msg/ColorRGBA')
        _fill(color, 'rgba', (*rgb, 1.0))
        return color


def _place(head: Head) -> FloatArray:
    return np.full(3, math.nan) if head.position_m is None else head.position_m


def _fill(message: Any, names: str, values: Any) -> None:
    for name, value in zip(names, values, strict=True):
        setattr(message, name, float(value))

"""
What was found in a bag as a new bag: head_poses, /tf and markers, with the stamps of the images.

RViz and Foxglove replay it. It is written by the package rosbags; needs no ROS.
"""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.batch.sightings import SightedFrame, Sighting
from fsanet_ros.batch.writing import naming
from fsanet_ros.drawing.lifetimes import Lifetimes
from fsanet_ros.drawing.shapes import Rgba, Shape, head_shapes
from fsanet_ros.files.bags import BagError, empty_message, message_types, open_bag
from fsanet_ros.files.texts import frame_name, printable
from fsanet_ros.geometry.quaternions import Vector
from fsanet_ros.types import Head

_AXIS_LENGTH_M = 0.12
_FROM_SIZE = 1  # fsanet_ros/HeadPose's DISTANCE_FROM_SIZE
_DELETE = 2  # visualization_msgs/Marker's action
HEAD_POSE_ARRAY, TF = 'fsanet_ros/msg/HeadPoseArray', 'tf2_msgs/msg/TFMessage'
MARKERS = 'visualization_msgs/msg/MarkerArray'


class _NotWrittenError(BagError):
    """The new bag cannot be written; open_bag takes other errors for those of the old one."""


@contextmanager
def _naming_errors(target: Path) -> Iterator[None]:
    try:
        with naming(target):
            yield
    except (_NotWrittenError, sqlite3.Error) as error:
        raise OSError(f'{printable(str(target))} cannot be written: {error}') from error


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
        self._shown: dict[str, _Shown] = {}  # by topic of the images

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
            with (
                _naming_errors(target),
                Writer(part, version=8, storage_plugin=plugin) as writer,
            ):
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
                try:
                    writer.write(to[connection.id], recorded_ns, raw)
                except (OSError, sqlite3.Error) as error:
                    raise _NotWrittenError(str(error)) from error

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
            if placed and header.frame_id:
                write('/tf', TF, at_ns, self._transforms(placed, header))
            poses = self._poses(frame.sightings, header, frame.size)
            write(f'{folder}/head_poses', HEAD_POSE_ARRAY, at_ns, poses)
            markers = self._markers(frame, header)
            if markers.markers:
                write(f'{folder}/markers', MARKERS, at_ns, markers)

    def _new(self, kind: str) -> Any:
        return empty_message(self._store, kind)

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        header = self._new('std_msgs/msg/Header')
        header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 1_000_000_000)
        header.frame_id = frame_name(frame_id)
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

    def _markers(self, frame: SightedFrame, header: Any) -> Any:
        """Return what is to be seen of a frame, and the end of what was seen before."""
        shown = self._shown.setdefault(frame.topic, _Shown())
        lifetime = divmod(round(shown.lifetimes.after(frame.stamp_ns / 1e9) * 1e9), 1_000_000_000)
        shapes = [
            shape
            for sighting in frame.sightings
            for shape in head_shapes(sighting.id, sighting.head, _AXIS_LENGTH_M)
        ]
        before, shown.names = shown.names, {(s.namespace, s.number) for s in shapes}
        message = self._new(MARKERS)
        for namespace, number in sorted(before - shown.names):
            marker = self._new('visualization_msgs/msg/Marker')
            marker.header, marker.action = header, _DELETE
            marker.ns, marker.id = namespace, number
            message.markers.append(marker)
        for shape in shapes:
            marker = self._marker(shape)
            marker.header = header
            marker.lifetime.sec, marker.lifetime.nanosec = lifetime
            message.markers.append(marker)
        return message

    def _marker(self, shape: Shape) -> Any:
        marker = self._new('visualization_msgs/msg/Marker')
        marker.ns, marker.id, marker.type = shape.namespace, shape.number, int(shape.kind)
        _fill(marker.pose.position, 'xyz', shape.position)
        _fill(marker.pose.orientation, 'xyzw', shape.orientation)
        _fill(marker.scale, 'xyz', shape.scale)
        _fill(marker.color, 'rgba', shape.color)
        marker.points = [self._point(point) for point in shape.points]
        marker.colors = [self._color(color) for color in shape.colors]
        marker.text, marker.mesh_resource = shape.text, shape.mesh
        return marker

    def _point(self, xyz: Vector) -> Any:
        point = self._new('geometry_msgs/msg/Point')
        _fill(point, 'xyz', xyz)
        return point

    def _color(self, rgba: Rgba) -> Any:
        color = self._new('std_msgs/msg/ColorRGBA')
        _fill(color, 'rgba', rgba)
        return color


@dataclass
class _Shown:
    """What is seen of one camera."""

    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    names: set[tuple[str, int]] = field(default_factory=set)


def _place(head: Head) -> FloatArray:
    return np.full(3, math.nan) if head.position_m is None else head.position_m


def _fill(message: Any, names: str, values: Any) -> None:
    for name, value in zip(names, values, strict=True):
        setattr(message, name, float(value))

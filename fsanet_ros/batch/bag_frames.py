"""Images of a recording (bag) with the calibration of their cameras; needs no ROS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fsanet_ros.arrays import Image
from fsanet_ros.files.bags import BagError, open_bag
from fsanet_ros.files.image_layout import ImageError
from fsanet_ros.files.image_messages import SignificantBits, bgr_from_compressed, bgr_from_image
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.camera_info import (
    NOT_CALIBRATED,
    Calibration,
    camera_from_info,
    info_topic,
    is_rectified_topic,
    rectified_camera_from_info,
)

IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
_NS = 1_000_000_000


class BagImage(NamedTuple):
    """
    An image, uint8 [h, w, 3] BGR, or None and why there is none.

    ``camera``: None if it is not calibrated, or if there is a ``calibration_problem``.
    """

    image: Image | None
    topic: str
    frame_id: str
    stamp_ns: int
    recorded_ns: int
    camera: CameraModel | None = None
    calibration_problem: str = ''
    problem: str = ''


def extent(path: str) -> tuple[float, float, float, bool]:
    """
    Return begin and duration in seconds, the rate of images in Hz, and that parts can be read.

    :raises ValueError: if it cannot be read as a bag, or holds no images
    """
    try:
        with open_bag(Path(path)) as reader:
            images = _image_connections(reader, path, ())
            duration_s = max(reader.duration / _NS, 1e-3)
            count = sum(connection.msgcount for connection in images)
            return reader.start_time / _NS, duration_s, count / duration_s, True
    except BagError as error:
        raise ValueError(str(error)) from error


def frames(path: str, begin_s: float, end_s: float, topics: Sequence[str]) -> Iterator[BagImage]:
    """
    Yield the images that were recorded from begin_s up to but without end_s.

    The calibration is that of the last camera_info before an image, or of the first one of all.

    :param topics: of the images; none: all
    :raises ValueError: if it cannot be read as a bag, or holds no such images
    """
    try:
        with open_bag(Path(path)) as reader:
            yield from _frames(reader, path, begin_s, end_s, topics)
    except BagError as error:
        raise ValueError(str(error)) from error


def _frames(
    reader: Any, path: str, begin_s: float, end_s: float, topics: Sequence[str]
) -> Iterator[BagImage]:
    images = _image_connections(reader, path, topics)
    begin_ns = None if begin_s == -float('inf') else round(begin_s * _NS)
    end_ns = None if end_s == float('inf') else round(end_s * _NS)
    calibrations = {connection.topic: _calibration(connection.topic) for connection in images}
    bits = {connection.topic: SignificantBits() for connection in images}
    infos = [
        connection
        for connection in reader.connections
        if connection.msgtype == CAMERA_INFO
        and any(connection.topic == _info_topic(topic) for topic in calibrations)
    ]
    for info in _before(reader, infos, begin_ns):
        _take_info(reader, info, calibrations)
    for connection, recorded_ns, raw in reader.messages(
        connections=[*images, *infos], start=begin_ns, stop=end_ns
    ):
        if connection.msgtype == CAMERA_INFO:
            _take_info(reader, (connection, raw), calibrations)
            continue
        message = reader.deserialize(raw, connection.msgtype)
        stamp, topic = message.header.stamp, connection.topic
        # Drivers that know no time leave it 0.
        stamp_ns = stamp.sec * _NS + stamp.nanosec or recorded_ns
        about = topic, message.header.frame_id, stamp_ns, recorded_ns
        read = bgr_from_image if connection.msgtype == IMAGE else bgr_from_compressed
        try:
            image = read(message, bits=bits[topic])
        except ImageError as error:
            yield BagImage(None, *about, problem=f'{topic}: {error}')
            continue
        calibration = calibrations[topic]
        camera = calibration.camera_for(image.shape[1], image.shape[0])
        problem = '' if calibration.state in NOT_CALIBRATED else f'{topic}: {calibration.state}'
        yield BagImage(image, *about, camera, '' if camera else problem)


def _image_connections(reader: Any, path: str, topics: Sequence[str]) -> list[Any]:
    found = [c for c in reader.connections if c.msgtype in (IMAGE, COMPRESSED)]
    # Depth images are images too, and show no faces.
    found = [c for c in found if 'depth' not in c.topic.lower() or c.topic in topics]
    if topics:
        found = [c for c in found if c.topic in topics]
    if not found:
        held = ', '.join(sorted({f'{c.topic} ({c.msgtype})' for c in reader.connections}))
        wanted = ', '.join(topics) or 'images'
        raise BagError(f'{path} holds no {wanted}; it holds {held or "nothing"}')
    # Of an image that was recorded raw and compressed, one.
    raw = {c.topic for c in found if c.msgtype == IMAGE}
    return [
        c for c in found if c.msgtype == IMAGE or c.topic.removesuffix('/compressed') not in raw
    ]


def _calibration(topic: str) -> Calibration:
    rectified = is_rectified_topic(topic)
    return Calibration(rectified_camera_from_info if rectified else camera_from_info)


def _info_topic(topic: str) -> str:
    return info_topic(topic.removesuffix('/compressed'))


def _before(reader: Any, infos: Sequence[Any], begin_ns: int | None) -> Iterator[tuple[Any, bytes]]:
    """Yield for each camera the last info before a time, or else the first of all."""
    for connection in infos:
        last: bytes | None = None
        for _, recorded_ns, raw in reader.messages(connections=[connection]):
            if last is not None and (begin_ns is None or recorded_ns >= begin_ns):
                break
            last = raw
        if last is not None:
            yield connection, last


def _take_info(reader: Any, info: tuple[Any, bytes], calibrations: dict[str, Calibration]) -> None:
    connection, raw = info
    message = reader.deserialize(raw, CAMERA_INFO)
    for topic, calibration in calibrations.items():
        if _info_topic(topic) == connection.topic:
            calibration.update(message)

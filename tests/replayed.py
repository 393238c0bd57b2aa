"""Recordings of images that are written, played to a node of its own, and what it answers."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from head_pose_rig import Rig, stamp_of, start
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import Reader, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import Header

TYPES = {
    '/image/compressed': ('sensor_msgs/msg/CompressedImage', CompressedImage),
    '/camera_info': ('sensor_msgs/msg/CameraInfo', CameraInfo),
}


def record(path: Path, images: Iterable[tuple[int, np.ndarray, CameraInfo]]) -> Path:
    """Write a bag of (stamp in ns, picture, camera_info), as JPEGs with their camera_info."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    with Writer(path, version=8) as writer:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=store)
            for topic, (kind, _) in TYPES.items()
        }
        for number, (stamp_ns, picture, info) in enumerate(images):
            header = Header(stamp=stamp_of(stamp_ns), frame_id='eye_optical')
            info.header = header
            jpeg = cv2.imencode('.jpg', picture)[1].tobytes()
            image = CompressedImage(header=header, format='jpeg', data=jpeg)
            # Recorders write what comes first: as often as not, that is the image.
            messages = [('/image/compressed', image), ('/camera_info', info)]
            for topic, message in messages if number % 2 else reversed(messages):
                writer.write(connections[topic], stamp_ns, serialize_message(message))
    return path


def play(
    bag: Path, *outputs: str, period_s: float = 0.0, **parameters: object
) -> dict[str, list[Any]]:
    """
    Play a recording to a new node that takes every image in order; return what it publishes.

    :param outputs: that are listened to, besides head_poses; see head_pose_rig.OUTPUTS
    :param period_s: from one message to the next, at least
    :param parameters: of the node; see head_pose_rig.start
    """
    given = {'input__image_transport': 'compressed', 'input__deterministic': True}
    with start(**given, **parameters) as node, Rig('head_poses', *outputs) as rig:
        node.wait_for_output('active')
        publishers = {
            topic: rig.node.create_publisher(kind, topic, 100) for topic, (_, kind) in TYPES.items()
        }
        # The rig's own camera publishes nothing here.
        for topic, publisher in publishers.items():
            assert rig.until(lambda p=publisher: p.get_subscription_count() > 0), topic
        for output in ('head_poses', *outputs):
            topic = f'/{output.lstrip("/")}'
            assert rig.until(lambda t=topic: rig.node.count_publishers(t) > 0), topic
        rig.spin(0.7)  # the subscriptions follow the publishers' quality
        images = 0
        with Reader(bag) as reader:
            for connection, _, raw in reader.messages():
                publishers[connection.topic].publish(raw)
                images += connection.topic != '/camera_info'
                rig.step()
                time.sleep(period_s)
        found = rig.received['head_poses']
        assert rig.until(lambda: len(found) >= images, 240.0), (len(found), node.output)
        rig.spin(0.3)  # what is published after the poses
        return rig.received

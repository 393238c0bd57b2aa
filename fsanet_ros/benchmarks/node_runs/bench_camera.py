"""
A camera for measuring: publishes prepared pictures at exact times, as told on standard input.

    python -m fsanet_ros.benchmarks.node_runs.bench_camera FRAMES.npy --transport raw

Each line of standard input is an order, each line of standard output its result, both JSON:

    {"topic": "image", "rate_hz": 30.0, "seconds": 5.0}  ->  {"stamps_ns": [...], "seconds": 5.0}

The pictures are serialised before: only the stamp is put in, ahead of time. So the camera is not
what is measured, and can offer more than a node can take.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import struct
import sys
import time
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from fsanet_ros.benchmarks.cases import TRANSPORTS
from fsanet_ros.benchmarks.node_runs.topics import FRAME_ID, SOURCES
from fsanet_ros.geometry.camera_info import info_topic
from fsanet_ros.ros.input.images import image_from_bgr

JPEG_QUALITY = 90
DEPTH = 10
# Serialised messages begin with four bytes that say how, then comes the first field, which is the
# stamp: its seconds and nanoseconds, in little-endian order as the four bytes say.
_STAMP = slice(4, 12)
_LITTLE_ENDIAN = b'\x00\x01'


class PreparedImages:
    """Serialised image messages in a loop; each is given its stamp when it is taken."""

    def __init__(self, messages: Iterable[Any]) -> None:
        """
        Serialise messages.

        :raises RuntimeError: if the middleware serialises otherwise than in little-endian CDR
        """
        contents = [serialize_message(message) for message in messages]
        if any(content[:2] != _LITTLE_ENDIAN for content in contents):
            raise RuntimeError('the middleware does not serialise in little-endian CDR')
        self._parts = cycle([(c[: _STAMP.start], memoryview(c)[_STAMP.stop :]) for c in contents])

    def next(self, stamp_ns: int) -> bytes:
        """Return the next message with a stamp."""
        head, rest = next(self._parts)
        return b''.join((head, struct.pack('<iI', *divmod(stamp_ns, 10**9)), rest))


def image_messages(images: Iterable[np.ndarray], transport: str) -> list[Any]:
    """
    Return pictures as messages, sensor_msgs/Image or (jpeg) CompressedImage.

    :param images: uint8 [h, w, 3] BGR
    """
    header = Header(frame_id=FRAME_ID)
    if transport == 'raw':
        return [image_from_bgr(image, header) for image in images]
    messages = []
    for image in images:
        data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
        message = CompressedImage(header=header, format='bgr8; jpeg compressed bgr8')
        message.data.frombytes(data)
        messages.append(message)
    return messages


def pinhole_info(width: int, height: int) -> CameraInfo:
    """Return the calibration of the scenes' camera; see benchmarks.scenes.Scene.camera."""
    focal, x, y = 0.94 * width, width / 2.0, height / 2.0
    return CameraInfo(
        header=Header(frame_id=FRAME_ID),
        width=width,
        height=height,
        distortion_model='plumb_bob',
        d=[0.0] * 5,
        k=[focal, 0.0, x, 0.0, focal, y, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[focal, 0.0, x, 0.0, 0.0, focal, y, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


class Camera(Node):
    """Publishes on the topics of ``SOURCES``, one at a time."""

    def __init__(self, images: np.ndarray, transport: str) -> None:
        super().__init__('bench_camera')
        kind = Image if transport == 'raw' else CompressedImage
        self._images = PreparedImages(image_messages(images, transport))
        self._info = pinhole_info(images.shape[2], images.shape[1])
        qos = QoSProfile(depth=DEPTH)  # reliable
        suffix = '' if transport == 'raw' else '/compressed'
        self._outlets = {
            topic: (
                self.create_publisher(kind, topic + suffix, qos),
                self.create_publisher(CameraInfo, info_topic(topic), qos),
            )
            for topic in SOURCES
        }

    def wait(self, timeout_s: float) -> list[str]:
        """Return the topics that nobody has subscribed to in time."""
        end = time.monotonic() + timeout_s
        while True:
            missing = [
                topic
                for topic, (images, _) in self._outlets.items()
                if not images.get_subscription_count()
            ]
            if not missing or time.monotonic() > end:
                return missing
            time.sleep(0.05)

    def shoot(self, topic: str, rate_hz: float, seconds: float) -> list[int]:
        """
        Publish at a rate; return the stamps of the images, nanoseconds.

        A stamp is the time at which the image is due, for which it is made ready. Who comes late
        goes on from there: fewer images are sent, none in a burst.
        """
        images, infos = self._outlets[topic]
        period_ns = round(1e9 / rate_hz)
        stamps_ns: list[int] = []
        due_ns = time.time_ns() + period_ns
        for _ in range(max(1, round(seconds * rate_hz))):
            due_ns = max(due_ns, time.time_ns())
            message = self._images.next(due_ns)
            seconds_of, nanoseconds = divmod(due_ns, 10**9)
            self._info.header.stamp = Time(sec=seconds_of, nanosec=nanoseconds)
            _sleep_until(due_ns)
            infos.publish(self._info)
            images.publish(message)
            stamps_ns.append(due_ns)
            due_ns += period_ns
            if due_ns - stamps_ns[0] > 1.02e9 * seconds:
                break  # it can not send more
        return stamps_ns


def _sleep_until(due_ns: int) -> None:
    left_ns = due_ns - time.time_ns()
    if left_ns > 0:
        time.sleep(left_ns / 1e9)


def _obey(camera: Camera) -> None:
    for line in sys.stdin:
        order = json.loads(line)
        if 'wait_s' in order:
            answer: dict[str, Any] = {'missing': camera.wait(order['wait_s'])}
        else:
            stamps_ns = camera.shoot(order['topic'], order['rate_hz'], order['seconds'])
            last_period_s = 1.0 / order['rate_hz']
            answer = {
                'stamps_ns': stamps_ns,
                'seconds': (stamps_ns[-1] - stamps_ns[0]) / 1e9 + last_period_s,
            }
        print(json.dumps(answer), flush=True)


def main(argv: list[str] | None = None) -> int:
    """Publish as told until standard input ends; return the exit code."""
    parser = argparse.ArgumentParser(prog='camera', description=__doc__)
    parser.add_argument('frames', type=Path, help='uint8 [n, h, w, 3] BGR, as numpy.save writes it')
    parser.add_argument('--transport', choices=TRANSPORTS, default=TRANSPORTS[0])
    arguments = parser.parse_args(argv)
    images = np.load(arguments.frames, mmap_mode='r')
    rclpy.init(args=[])
    camera = Camera(images, arguments.transport)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            _obey(camera)
    finally:
        camera.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())

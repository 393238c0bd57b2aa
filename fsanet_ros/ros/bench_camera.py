"""A camera that plays a scene and hears what is made of its images, for benchmarks."""

from __future__ import annotations

import time
from array import array
from typing import Any

import cv2
import rclpy
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import Header

from fsanet_ros.benchmarks.scenes import Scene
from fsanet_ros.msg import HeadPoseArray
from fsanet_ros.ros.images import image_from_bgr

FRAME_ID = 'camera_optical_frame'
# So many images are under way at once when as many as possible are wanted: one that is worked on,
# and one that waits.
IN_FLIGHT = 2
LOST_S = 1.0


class BenchCamera:
    """Publishes image and camera_info; keeps when each answer on head_poses came."""

    def __init__(self, scene: Scene, transport: str) -> None:
        """
        Prepare the messages: all but the stamp is made once.

        :param transport: raw or jpeg
        """
        self.node = rclpy.create_node('bench')
        self._messages = [_message(frame, transport) for frame in scene.frames]
        self._info = _camera_info(scene)
        topic = 'image' if transport == 'raw' else 'image/compressed'
        quality = QoSProfile(depth=IN_FLIGHT)
        self._images = self.node.create_publisher(type(self._messages[0]), topic, quality)
        self._infos = self.node.create_publisher(CameraInfo, 'camera_info', quality)
        self.node.create_subscription(HeadPoseArray, 'head_poses', self._on_answer, 50)
        self._executor = rclpy.executors.SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._sent_s: dict[int, float] = {}  # by stamp
        self.sent = 0
        self.latencies_s: list[float] = []
        self.faces: list[int] = []

    def wait_for_answer(self, timeout_s: float) -> None:
        """
        Publish until the first answer comes.

        :raises TimeoutError: if none does
        """
        end = time.monotonic() + timeout_s
        while not self.latencies_s:
            if time.monotonic() > end:
                raise TimeoutError(f'no head_poses after {timeout_s:g} s of images')
            self._publish()
            self._spin_until(time.monotonic() + 0.2)

    def play_at(self, rate_hz: float, seconds: float) -> None:
        """Publish at a rate; the figures of before are forgotten."""
        self._forget()
        start = time.monotonic()
        for number in range(round(rate_hz * seconds)):
            self._spin_until(start + number / rate_hz)
            self._publish()
        self._settle()

    def play_on_answer(self, seconds: float) -> None:
        """Publish whenever fewer than two images are under way, as often as there are answers."""
        self._forget()
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            if self._sent_s and now - min(self._sent_s.values()) > LOST_S:
                self._sent_s.clear()  # lost: it counts as dropped
            if len(self._sent_s) < IN_FLIGHT:
                self._publish()
            else:
                self._executor.spin_once(timeout_sec=0.05)
        self._settle()

    def destroy(self) -> None:
        """Take everything away."""
        self._executor.shutdown()
        self.node.destroy_node()

    def _publish(self) -> None:
        message = self._messages[self.sent % len(self._messages)]
        stamp = self.node.get_clock().now().to_msg()
        message.header.stamp = self._info.header.stamp = stamp
        self._sent_s[stamp.sec * 10**9 + stamp.nanosec] = time.monotonic()
        self._infos.publish(self._info)
        self._images.publish(message)
        self.sent += 1

    def _on_answer(self, message: HeadPoseArray) -> None:
        now = time.monotonic()
        stamp = message.header.stamp
        sent_s = self._sent_s.pop(stamp.sec * 10**9 + stamp.nanosec, None)
        if sent_s is not None:
            self.latencies_s.append(now - sent_s)
            self.faces.append(len(message.heads))

    def _spin_until(self, end: float) -> None:
        while (left_s := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def _settle(self) -> None:
        end = time.monotonic() + LOST_S
        while self._sent_s and time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.05)

    def _forget(self) -> None:
        self._sent_s.clear()
        self.latencies_s.clear()
        self.faces.clear()
        self.sent = 0


def _message(frame: Any, transport: str) -> Any:
    header = Header(frame_id=FRAME_ID)
    if transport == 'raw':
        return image_from_bgr(frame, header)
    _, data = cv2.imencode('.jpg', frame, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return CompressedImage(header=header, format='jpeg', data=array('B', data.tobytes()))


def _camera_info(scene: Scene) -> CameraInfo:
    focal = 0.9 * scene.width
    center = scene.width / 2, scene.height / 2
    matrix = [focal, 0.0, center[0], 0.0, focal, center[1], 0.0, 0.0, 1.0]
    return CameraInfo(
        header=Header(frame_id=FRAME_ID),
        width=scene.width,
        height=scene.height,
        distortion_model='plumb_bob',
        d=[0.0] * 5,
        k=matrix,
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[*matrix[:3], 0.0, *matrix[3:6], 0.0, *matrix[6:], 0.0],
    )

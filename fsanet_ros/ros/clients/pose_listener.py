"""Hear a topic of head poses for a while and keep what each head does."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from rclpy.exceptions import NameValidationException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from fsanet_ros.files.texts import first_line
from fsanet_ros.msg import HeadPoseArray
from fsanet_ros.ros.running import run_node
from fsanet_ros.ros.stamps import seconds

# Poses of several images may come at once; best-effort matches every publisher.
_QOS = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
_ASK_S = 5.0
_KIND = 'fsanet_ros/msg/HeadPoseArray'

TakePose = Callable[[str, float, list[float]], object]


class PoseListener(Node):
    """Hands on what comes on a topic of fsanet_ros/HeadPoseArray, head by head."""

    def __init__(self, topic: str, take: TakePose) -> None:
        """Subscribe; a ValueError if this is no name of a topic."""
        super().__init__('timeline')
        self.messages = 0
        self._take = take
        try:
            self._subscription = self.create_subscription(
                HeadPoseArray, topic, self._on_head_poses, _QOS
            )
        except NameValidationException as error:
            raise ValueError(f'{topic} is no name of a topic: {first_line(error)}') from error

    @property
    def topic(self) -> str:
        """The resolved topic."""
        return str(self._subscription.topic_name)

    def silence(self) -> str:
        """Say why nothing comes, for people."""
        kinds = set(dict(self.get_topic_names_and_types()).get(self.topic, ())) - {_KIND}
        if kinds:
            return f'{self.topic} is {", ".join(sorted(kinds))}, expected {_KIND}'
        return f'nothing comes on {self.topic}: is the node running?'

    def _on_head_poses(self, message: HeadPoseArray) -> None:
        self.messages += 1
        stamp_s = seconds(message.header.stamp)
        for head in message.heads:
            angles_deg = np.degrees([head.yaw, head.pitch, head.roll]).tolist()
            self._take(head.id, stamp_s, angles_deg)


def listen(topic: str, seconds: float, take: TakePose) -> int:
    """
    Hand on poses until Ctrl-C, or for so many seconds; for the main thread.

    :param take: is called with each head's id, stamp in seconds and yaw, pitch, roll in degrees
    :returns: the exit code: 0, also after Ctrl-C; 1 if nothing came, which is logged
    """

    def spin(node: PoseListener) -> int:
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        begin = time.monotonic()
        end = begin + seconds
        ask = begin + _ASK_S
        while (now := time.monotonic()) < end:
            executor.spin_once(timeout_sec=min(0.2, end - now))
            if not node.messages and now > ask:
                ask = math.inf
                node.get_logger().warning(node.silence())
        if not node.messages:
            raise ValueError(node.silence())
        return 0

    errors = (ValueError, ExternalShutdownException)
    return run_node('timeline', [], lambda: PoseListener(topic, take), spin, errors)

"""Hears /tf and /tf_static into a tree of frames."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from fsanet_ros.ros.input.subscriptions import taken
from fsanet_ros.ros.output.frame_tree import FrameTree

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # not among the wheels of PyPI; ./run builds it
    TFMessage = None

# REP-155 frames of faces, our own among them: many, each for a while, and nothing hangs below.
FACE_PREFIXES = ('face_', 'gaze_')
DEPTH = 100  # as in tf2_ros


class FrameListener:
    """
    Two subscriptions that fill ``tree``; they exist from here to ``destroy``.

    Frames of faces, which this node publishes itself at the images' rate, are kept only where they
    are among ``names``.
    """

    def __init__(self, node: Node, names: Collection[str]) -> None:
        """
        Subscribe.

        :raises ImportError: if tf2_msgs is not installed
        """
        if TFMessage is None:
            raise ImportError('tf2_msgs is not installed: install ros-<distro>-tf2-msgs')
        self.tree = FrameTree()
        self.names = names
        self._node = node
        latched = QoSProfile(depth=DEPTH, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._moving: Any = node.create_subscription(
            TFMessage, '/tf', self._on_moving, QoSProfile(depth=DEPTH)
        )
        self._static: Any = node.create_subscription(
            TFMessage, '/tf_static', self._on_static, latched
        )

    def refresh(self) -> None:
        """
        Take all that has come; call it from the executor's thread before asking for positions.

        An executor hands over one message of each topic in a round, and a round may be as long as
        the work on an image: on a busy robot the transforms would come later and later.
        """
        for subscription, take in (
            (self._static, self._on_static),
            (self._moving, self._on_moving),
        ):
            for message in taken(subscription, TFMessage, DEPTH):
                take(message)

    def destroy(self) -> None:
        """Hear no more."""
        for subscription in (self._moving, self._static):
            self._node.destroy_subscription(subscription)

    def _on_moving(self, message: Any) -> None:
        self._take(message, static=False)

    def _on_static(self, message: Any) -> None:
        self._take(message, static=True)

    def _take(self, message: Any, static: bool) -> None:
        for stamped in message.transforms:
            child = stamped.child_frame_id.lstrip('/')
            if child.startswith(FACE_PREFIXES) and child not in self.names:
                continue
            stamp = stamped.header.stamp
            t, q = stamped.transform.translation, stamped.transform.rotation
            try:
                self.tree.add(
                    stamped.header.frame_id,
                    child,
                    stamp.sec + stamp.nanosec * 1e-9,
                    (t.x, t.y, t.z),
                    (q.x, q.y, q.z, q.w),
                    static,
                )
            except ValueError as error:
                self._node.get_logger().warning(f'/tf: {error}', throttle_duration_sec=30.0)

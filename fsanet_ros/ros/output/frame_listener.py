"""Hears /tf and /tf_static into a tree of frames."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.subscription import Subscription

from fsanet_ros.ros.output.frame_tree import FrameTree
from fsanet_ros.ros.output.publishers import TF_DEPTH, TFMessage
from fsanet_ros.ros.rclpy_internals import taken
from fsanet_ros.ros.stamps import seconds

# REP-155 frames of faces, our own among them: many, each for a while, and nothing hangs below.
FACE_PREFIXES = ('face_', 'gaze_')


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
        latched = QoSProfile(depth=TF_DEPTH, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._moving: Subscription = node.create_subscription(
            TFMessage, '/tf', self._on_moving, QoSProfile(depth=TF_DEPTH)
        )
        self._static: Subscription = node.create_subscription(
            TFMessage, '/tf_static', self._on_static, latched
        )

    def refresh(self) -> None:
        """
        Take all that has come; call it from the executor's thread before asking for positions.

        An executor delivers one message of each topic a round, and a round may take as long as
        the work on an image: on a busy robot the transforms would come later and later.
        """
        for subscription, take in (
            (self._static, self._on_static),
            (self._moving, self._on_moving),
        ):
            for message in taken(subscription, TFMessage, TF_DEPTH):
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
            t, q = stamped.transform.translation, stamped.transform.rotation
            try:
                self.tree.add(
                    stamped.header.frame_id,
                    child,
                    seconds(stamped.header.stamp),
                    (t.x, t.y, t.z),
                    (q.x, q.y, q.z, q.w),
                    static,
                )
            except ValueError as error:
                self._node.get_logger().warning(f'/tf: {error}', throttle_duration_sec=30.0)

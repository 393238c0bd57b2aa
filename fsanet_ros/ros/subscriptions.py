"""A subscription that keeps fitting its publishers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from fsanet_ros.ros.qos import incompatible_qos_events, matching_qos


def compressed_topic(node: Node, image: str) -> str:
    """
    Return the topic of the compressed images that belong to an image topic.

    It follows a remapping of the image topic, as its users expect, and one of its own.
    """
    name = f'{image}/compressed'
    resolved = node.resolve_topic_name(name)
    if resolved != node.resolve_topic_name(name, only_expand=True):
        return str(resolved)
    return f'{node.resolve_topic_name(image)}/compressed'


class MatchingSubscription:
    """
    Hears a topic whatever quality of service its publishers offer, now and later.

    ``refresh`` looks who publishes; call it now and then. A change of quality never loses a
    message: the old subscription ends when the new one has delivered.
    """

    def __init__(
        self, node: Node, kind: type, topic: str, callback: Callable[[Any], None], depth: int = 1
    ) -> None:
        """Subscribe; ``topic`` is resolved and remapped as any other."""
        self.topic = node.resolve_topic_name(topic)
        self._node = node
        self._kind = kind
        self._callback = callback
        self._depth = depth
        self._qos = matching_qos(node.get_publishers_info_by_topic(self.topic), depth)
        self._subscriptions = [self._subscribe(self._qos)]
        self._overlapped = False
        self._last_stamp = (0, 0)

    def silence(self) -> str:
        """Say why nothing comes, for people."""
        count = self._node.count_publishers(self.topic)
        if not count:
            return f'nobody publishes {self.topic}; check the name or remap it'
        return f'nothing comes on {self.topic}, which has {count} publisher(s)'

    def refresh(self) -> None:
        """Subscribe anew if what the publishers offer has changed."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if not publishers:
            return  # whoever comes back will most likely offer the same
        wanted = matching_qos(publishers, self._depth)
        if wanted.reliability != self._qos.reliability:
            self._qos = wanted
            self._subscriptions.append(self._subscribe(wanted))

    def destroy(self) -> None:
        """End it; messages that wait are dropped."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _subscribe(self, qos: QoSProfile) -> Any:
        def deliver(message: Any) -> None:
            self._deliver(message, qos)

        return self._node.create_subscription(
            self._kind,
            self.topic,
            deliver,
            qos,
            event_callbacks=incompatible_qos_events(self.topic, self._warn_once),
        )

    def _deliver(self, message: Any, qos: QoSProfile) -> None:
        self._overlapped = self._overlapped or len(self._subscriptions) > 1
        if qos is self._qos and len(self._subscriptions) > 1:
            for old in self._subscriptions[:-1]:
                self._node.destroy_subscription(old)
            del self._subscriptions[:-1]
        # While two overlap, and at the change, both deliver the same message.
        stamp = message.header.stamp.sec, message.header.stamp.nanosec
        repeated = self._overlapped and stamp == self._last_stamp
        self._overlapped = len(self._subscriptions) > 1
        self._last_stamp = stamp
        if not repeated:
            self._callback(message)

    def _warn_once(self, text: str) -> None:
        self._node.get_logger().warning(text, throttle_duration_sec=30.0)

"""A subscription that keeps fitting its publishers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from fsanet_ros.files.texts import first_line, shortened
from fsanet_ros.ros.input.qos import incompatible_qos_events, matching_qos
from fsanet_ros.ros.input.silence import reason_for_silence
from fsanet_ros.ros.rclpy_internals import taken
from fsanet_ros.ros.settings import InputSettings
from fsanet_ros.ros.shared_memory import shared_memory_problem


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


def wrong_topic(node: Node, settings: InputSettings, drawn: Iterable[str] = ()) -> str:
    """
    Return which name of a topic is none, or another's after remapping; empty if all are well.

    :param drawn: topics on which the node publishes pictures of its own
    """
    given = {'image_topics': settings.image_topics, 'depth_topics': settings.depth_topics}
    for parameter, topics in given.items():
        for topic in filter(None, topics):
            try:
                node.resolve_topic_name(compressed_topic(node, topic))
            except Exception as error:  # of several classes, by what is wrong
                reason = shortened(first_line(error), 200)
                return f'input.{parameter}: {shortened(topic, 80)!r} names no topic ({reason})'
    resolved = [str(node.resolve_topic_name(topic)) for topic in settings.image_topics]
    twice = sorted({topic for topic in resolved if resolved.count(topic) > 1})
    if twice:  # people would be followed twice, under two ids
        return f'input.image_topics: several are {twice[0]} after remapping'
    for topic in drawn:
        if (name := str(node.resolve_topic_name(topic))) in resolved:
            return (
                f'{topic} is {name} after remapping, where the images come from: the node would '
                'look at its own pictures; remap one of them to another name'
            )
    return ''


class MatchingSubscription:
    """
    Hears a topic whatever quality of service its publishers offer, now and later.

    ``refresh`` looks who publishes; call it now and then. A change of quality never loses a
    message: the old subscription ends when the new one has delivered.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        depth: int = 1,
        *,
        choose_qos: Callable[[Iterable[Any], int], QoSProfile] = matching_qos,
        callback_group: CallbackGroup | None = None,
    ) -> None:
        """
        Subscribe; ``topic`` is resolved and remapped as any other.

        :param choose_qos: returns the profile for the publishers that are there, see qos.py
        """
        self.topic = node.resolve_topic_name(topic)
        self._node = node
        self._kind = kind
        self._callback = callback
        self._depth = depth
        self._choose_qos = choose_qos
        self._callback_group = callback_group
        self._qos = choose_qos(node.get_publishers_info_by_topic(self.topic), depth)
        self._subscriptions = [self._subscribe(self._qos)]
        self._overlapped = False
        self._last_stamp = (0, 0)
        self._unheard = ''  # what is known of a publisher of another quality of service

    def count_publishers(self) -> int:
        """Return how many publishers the topic has, heard or not."""
        return int(self._node.count_publishers(self.topic))

    def silence(self, others_come: bool = False) -> str:
        """
        Say why nothing comes, for people.

        :param others_come: messages of another topic of this camera do: not the way is to blame
        """
        way = (lambda: '') if others_come else shared_memory_problem
        return self._unheard or reason_for_silence(self._node, self.topic, self._kind, way)

    def refresh(self) -> None:
        """Subscribe anew if what the publishers offer has changed."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if not publishers:
            return  # one that comes back will most likely offer the same
        wanted = self._choose_qos(publishers, self._depth)
        if (wanted.reliability, wanted.durability) != (self._qos.reliability, self._qos.durability):
            self._qos = wanted
            self._subscriptions.append(self._subscribe(wanted))

    def take(self) -> None:
        """
        Deliver all that has come, without an executor; for its thread.

        An executor delivers one message a round, and a round costs as much as many messages.
        """
        for subscription in tuple(self._subscriptions):
            for message in taken(subscription, self._kind, self._depth):
                subscription.callback(message)

    def destroy(self) -> None:
        """End it; messages that wait are dropped."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []

    def _subscribe(self, qos: QoSProfile) -> Subscription:
        def deliver(message: Any) -> None:
            self._deliver(message, qos)

        return self._node.create_subscription(
            self._kind,
            self.topic,
            deliver,
            qos,
            callback_group=self._callback_group,
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
            self._unheard = ''
            self._callback(message)

    def _warn_once(self, text: str) -> None:
        self._unheard = text
        self._node.get_logger().warning(text, throttle_duration_sec=30.0)

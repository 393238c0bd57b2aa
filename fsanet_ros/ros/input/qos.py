"""
Quality of service that fits the publishers.

A reliable subscription gets nothing, and no error, from a best-effort publisher: the most common
reason why a perception node stays silent. A best-effort subscription matches every publisher, but
gives away what a reliable one offers: an image is cut into dozens of UDP packets, and one lost
packet loses the image. So: reliable when every publisher is, else best-effort.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)

from fsanet_ros.ros.rclpy_internals import SubscriptionEventCallbacks


def matching_qos(publisher_infos: Iterable[Any], depth: int = 1) -> QoSProfile:
    """
    Return the profile of a subscription that hears all of these publishers.

    ``publisher_infos`` is what ``node.get_publishers_info_by_topic(resolved_topic)`` returns.
    Best-effort while nobody publishes: it matches every publisher. Ask again when publishers come
    and go, and subscribe anew when it has changed. Volatile, as old images are of no use, and of
    depth 1: a new image replaces one that still waits.
    """
    offered = [info.qos_profile.reliability for info in publisher_infos]
    all_reliable = bool(offered) and all(r == ReliabilityPolicy.RELIABLE for r in offered)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=(ReliabilityPolicy.RELIABLE if all_reliable else ReliabilityPolicy.BEST_EFFORT),
        durability=DurabilityPolicy.VOLATILE,
    )


def matching_latched_qos(publisher_infos: Iterable[Any], depth: int = 1) -> QoSProfile:
    """
    Return matching_qos, but with what was published before where all publishers keep it.

    For messages that stay true, as a camera_info that is published only once.
    """
    publisher_infos = list(publisher_infos)
    profile = matching_qos(publisher_infos, depth)
    offered = [info.qos_profile.durability for info in publisher_infos]
    if offered and all(d == DurabilityPolicy.TRANSIENT_LOCAL for d in offered):
        profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return profile


def reliable_qos(publisher_infos: Iterable[Any], depth: int = 1) -> QoSProfile:
    """Return a profile that loses nothing; best-effort publishers are not heard."""
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.RELIABLE)


def incompatible_qos_events(
    resolved_topic: str, warn: Callable[[str], None]
) -> SubscriptionEventCallbacks:
    """
    Return event callbacks for ``create_subscription(..., event_callbacks=...)``.

    ``warn`` gets one text per publisher that the subscription cannot hear, from the executor.
    """

    def on_incompatible_qos(event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        warn(
            f'{resolved_topic}: a publisher offers less than this subscription requests '
            f'({policy}): nothing will be received from it. See `ros2 topic info --verbose '
            f'{resolved_topic}`.'
        )

    return SubscriptionEventCallbacks(incompatible_qos=on_incompatible_qos)

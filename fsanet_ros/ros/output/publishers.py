"""What the outputs share: who listens, and the type of /tf where it is installed."""

from __future__ import annotations

import contextlib

from rclpy.duration import Duration
from rclpy.publisher import Publisher

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # not among PyPI's wheels; ./run builds it
    TFMessage = None

__all__ = ['TF_DEPTH', 'TFMessage', 'deliver', 'is_heard']

TF_DEPTH = 100  # messages, as in tf2_ros


_DELIVERY_S = 0.5


def deliver(publisher: Publisher) -> None:
    """
    Wait, but not for long, until listeners have what was published.

    A publisher that is destroyed at once takes along what is on its way.
    """
    if is_heard(publisher):
        with contextlib.suppress(RuntimeError):  # a middleware that cannot say
            publisher.wait_for_all_acked(Duration(seconds=_DELIVERY_S))


def is_heard(publisher: Publisher) -> bool:
    """Whether anybody subscribes to a publisher's topic."""
    return bool(publisher.get_subscription_count())

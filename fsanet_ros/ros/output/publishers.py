"""What the outputs share: who listens, and the type of /tf where it is installed."""

from __future__ import annotations

from rclpy.publisher import Publisher

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # not among PyPI's wheels; ./run builds it
    TFMessage = None

__all__ = ['TF_DEPTH', 'TFMessage', 'is_heard']

TF_DEPTH = 100  # messages, as in tf2_ros


def is_heard(publisher: Publisher) -> bool:
    """Whether anybody subscribes to a publisher's topic."""
    return bool(publisher.get_subscription_count())

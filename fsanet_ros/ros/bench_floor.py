"""The least that a node can do with an image: take it, and answer with a few bytes."""

from __future__ import annotations

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image

from fsanet_ros.msg import HeadPoseArray


class Floor(Node):
    """Answers each image on ``image`` or ``image/compressed`` with its header on head_poses."""

    def __init__(self) -> None:
        """Subscribe to both; messages come on one."""
        super().__init__('bench_floor')
        publisher = self.create_publisher(HeadPoseArray, 'head_poses', 10)

        def answer(message: Image | CompressedImage) -> None:
            publisher.publish(HeadPoseArray(header=message.header))

        for kind, topic in ((Image, 'image'), (CompressedImage, 'image/compressed')):
            self.create_subscription(kind, topic, answer, qos_profile_sensor_data)


def run() -> None:
    """Run until a signal ends it."""
    rclpy.init()
    node = Floor()
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    run()

"""
The least that a Python node costs: it takes each image and answers with an empty HeadPoseArray.

    python -m fsanet_ros.benchmarks.node_runs.floor --ros-args -p image_transport:=raw

Quality of service and message types are those of head_pose; what head_pose needs beyond it is its
own work. Memory that it frees is kept: else glibc gives the pages of each image back to the system
and faults them in again for the next, 3,100 for one of 1920x1080, which takes longer than all else.
"""

from __future__ import annotations

import sys
from typing import Any

import rclpy
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from fsanet_ros.allocation import keep_freed_memory
from fsanet_ros.benchmarks.node_runs.topics import FLOOR, SOURCES
from fsanet_ros.msg import HeadPoseArray
from fsanet_ros.ros.input.qos import reliable_qos
from fsanet_ros.ros.running import run_node


class FloorNode(Node):
    """Answers images without a look at them."""

    def __init__(self) -> None:
        super().__init__('bench_floor')
        raw = self.declare_parameter('image_transport', 'raw').value == 'raw'
        kind, topic = (Image, FLOOR) if raw else (CompressedImage, f'{FLOOR}/compressed')
        self._answers = self.create_publisher(HeadPoseArray, SOURCES[FLOOR], 10)
        # As head_pose to a camera that is reliable: the newest image replaces one that waits.
        self._images = self.create_subscription(kind, topic, self._on_image, reliable_qos(()))

    def _on_image(self, message: Any) -> None:
        self._answers.publish(HeadPoseArray(header=message.header))


def main(argv: list[str] | None = None) -> int:
    """Run the node until it is told to stop; return the exit code."""
    keep_freed_memory()
    return run_node('bench_floor', argv, FloorNode, _spin, (ValueError,))


def _spin(node: FloorNode) -> int:
    rclpy.spin(node)
    return 0


if __name__ == '__main__':
    sys.exit(main())

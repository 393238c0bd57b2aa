"""A topic of markers: loads what draws when somebody subscribes, robots look at nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from fsanet_ros.ros.output.publishers import deliver, is_heard

if TYPE_CHECKING:
    from fsanet_ros.drawing.shapes import Shape
    from fsanet_ros.ros.output.markers import ShownMarkers


class MarkerOutput:
    """A lifecycle publisher and what its listeners see of each camera."""

    def __init__(self, node: LifecycleNode, topic: str) -> None:
        """Make the publisher; it is silent until the node is active."""
        self._node = node
        self.publisher: LifecyclePublisher = node.create_lifecycle_publisher(MarkerArray, topic, 10)
        self._shown: dict[str, ShownMarkers] = {}

    def publish(self, camera: str, header: Header, make: Callable[[], Sequence[Shape]]) -> None:
        """
        Publish what is to be seen of one image, if anybody subscribes.

        :param camera: its name; what is seen of other cameras stays
        :param make: called for the shapes
        """
        if not is_heard(self.publisher):
            return
        from fsanet_ros.ros.output.markers import ShownMarkers

        shown = self._shown.setdefault(camera, ShownMarkers())
        self.publisher.publish(shown.update(make(), header))

    def forget(self, camera: str) -> None:
        """Take away what is seen of a camera."""
        shown = self._shown.pop(camera, None)
        ends = shown and shown.ends()
        if ends:
            self.publisher.publish(ends)

    def clear(self) -> None:
        """Take away all that is seen."""
        for camera in list(self._shown):
            self.forget(camera)

    def destroy(self) -> None:
        """Take the publisher away."""
        deliver(self.publisher)
        self._node.destroy_lifecycle_publisher(self.publisher)

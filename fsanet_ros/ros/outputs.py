"""The publishers of the node head_pose; what nobody subscribes to is not made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from fsanet_ros.drawing import draw_heads
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.msg import HeadPoseArray
from fsanet_ros.ros import messages
from fsanet_ros.ros.images import BgrImage, image_from_bgr
from fsanet_ros.ros.markers import marker_array
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.tracking.tracker import TrackedHead

try:
    from tf2_msgs.msg import TFMessage
except ImportError:  # not among the wheels of PyPI; ./run builds it
    TFMessage = None


class Outputs:
    """Lifecycle publishers of one node, made when it is configured."""

    def __init__(self, node: Any) -> None:
        """Make the publishers; they are silent until the node is active."""
        self._node = node
        self.head_poses = node.create_lifecycle_publisher(HeadPoseArray, 'head_poses', 10)
        self.poses = node.create_lifecycle_publisher(PoseArray, 'poses', 10)
        self.markers = node.create_lifecycle_publisher(MarkerArray, 'markers', 10)
        self.debug_image = node.create_lifecycle_publisher(Image, 'debug_image', 5)
        self.diagnostics = node.create_lifecycle_publisher(DiagnosticArray, '/diagnostics', 10)
        self.tf: Any = None
        if TFMessage is None:
            node.get_logger().warning(
                'tf2_msgs is not installed: no frames on /tf. Install ros-<distro>-tf2-msgs.'
            )
        else:
            # Depth as in tf2_ros.
            self.tf = node.create_lifecycle_publisher(TFMessage, '/tf', QoSProfile(depth=100))
        self._per_image = [self.head_poses, self.poses, self.markers, self.debug_image]

    def wanted(self, settings: HeadPoseSettings) -> bool:
        """Whether anybody listens to anything that is made from images."""
        return any(map(_is_heard, self._per_image)) or self._tf_wanted(settings)

    def publish(
        self,
        tracked: Sequence[TrackedHead],
        image: BgrImage,
        header: Header,
        camera: CameraModel | None,
        rotation_error_deg: tuple[float, float, float] | None,
        settings: HeadPoseSettings,
    ) -> None:
        """Publish what came of one image, the poses first."""
        size = image.shape[1], image.shape[0]
        if _is_heard(self.head_poses):
            self.head_poses.publish(
                messages.head_pose_array(tracked, header, size, rotation_error_deg)
            )
        if self._tf_wanted(settings):
            frames = messages.transforms(tracked, header)
            if frames:
                self.tf.publish(TFMessage(transforms=frames))
        if _is_heard(self.poses):
            self.poses.publish(messages.pose_array(tracked, header))
        if _is_heard(self.markers):
            self.markers.publish(marker_array(tracked, header, settings.axis_length_m))
        if _is_heard(self.debug_image):
            named = [(t.id, t.head) for t in tracked]
            drawn = draw_heads(image, named, camera, settings.axis_length_m)
            self.debug_image.publish(image_from_bgr(drawn, header))

    def destroy(self) -> None:
        """Take the publishers away."""
        for publisher in (*self._per_image, self.diagnostics, self.tf):
            if publisher is not None:
                self._node.destroy_lifecycle_publisher(publisher)

    def _tf_wanted(self, settings: HeadPoseSettings) -> bool:
        return settings.publish_tf and self.tf is not None and _is_heard(self.tf)


def _is_heard(publisher: Any) -> bool:
    return bool(publisher.get_subscription_count())

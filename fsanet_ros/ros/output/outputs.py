"""The publishers of the node head_pose; what nobody subscribes to is not made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geometry_msgs.msg import PoseArray
from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from fsanet_ros.arrays import Image as BgrImage
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.inference.heat_maps import HeatMaps
from fsanet_ros.msg import HeadPoseArray
from fsanet_ros.ros.input.images import image_from_bgr
from fsanet_ros.ros.output import hri, messages
from fsanet_ros.ros.output.attention_output import AttentionOutput
from fsanet_ros.ros.output.heat_map_output import HeatMapOutput
from fsanet_ros.ros.output.marker_output import MarkerOutput
from fsanet_ros.ros.output.publishers import TF_DEPTH, TFMessage, is_heard
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.tracking.tracker import TrackedHead

if TYPE_CHECKING:
    from fsanet_ros.drawing.shapes import Shape

HEAT_MAPS = 'debug_heat_maps'


@dataclass(frozen=True, eq=False)
class Seen:
    """
    One processed image, as all outputs need it.

    ``camera_index``, ``camera_topic``: which of the node's cameras. ``tracked``: the heads in the
    image. ``alive``: the ids that are not given up, also of heads hidden for a moment.
    """

    header: Header
    image: BgrImage
    camera: CameraModel | None
    camera_index: int
    camera_topic: str
    tracked: Sequence[TrackedHead]
    alive: Sequence[str]


class Outputs:
    """Lifecycle publishers of one node, made when it is configured."""

    def __init__(
        self,
        node: LifecycleNode,
        settings: HeadPoseSettings,
        load_heat_maps: Callable[[], HeatMaps],
    ) -> None:
        """
        Make the publishers; they are silent until the node is active.

        :param load_heat_maps: called in another thread on the first subscription
        """
        self._node = node
        cameras = len(settings.input.image_topics)
        make: Callable[..., LifecyclePublisher] = node.create_lifecycle_publisher
        self.head_poses = make(HeadPoseArray, 'head_poses', 10)
        self.poses = make(PoseArray, 'poses', 10)
        self.markers = MarkerOutput(node, 'markers')
        self.debug_images = [make(Image, topic, 5) for topic in debug_topics(cameras)]
        self.heat_maps = HeatMapOutput(node, debug_topics(cameras, HEAT_MAPS), load_heat_maps)
        self.attention = AttentionOutput(node)
        self.hri: hri.HriOutputs | None = None
        self.tf: LifecyclePublisher | None = None
        if TFMessage is None:
            node.get_logger().warning(
                'tf2_msgs is not installed: no frames on /tf. Install ros-<distro>-tf2-msgs.'
            )
        else:
            self.tf = make(TFMessage, '/tf', QoSProfile(depth=TF_DEPTH))
        self._own = [self.head_poses, self.poses, *self.debug_images]
        self._per_image = [*self._own, self.markers.publisher]
        self.adapt(settings)

    def adapt(self, settings: HeadPoseSettings) -> None:
        """Follow the settings that can change at any time."""
        self._settings = settings.output
        self.attention.adapt(settings.attention)
        if settings.output.hri and self.hri is None:
            if hri.available:
                self.hri = hri.HriOutputs(self._node)
            else:
                self._node.get_logger().warning(hri.UNAVAILABLE, once=True)
        if not settings.output.hri and self.hri is not None:
            self.hri.clear()
            self.hri.destroy()
            self.hri = None

    def wanted(self) -> bool:
        """Whether anybody subscribes to anything that is made from images."""
        return (
            any(map(is_heard, self._per_image))
            or self._tf_wanted()
            or self.attention.wanted()
            or self.heat_maps.wanted()
            or (self.hri is not None and self.hri.wanted())
        )

    def publish(self, seen: Seen) -> None:
        """Publish what came of one image: the frames, poses, and what is only looked at."""
        header, tracked = seen.header, seen.tracked
        # The frames first: who hears of a head looks them up.
        if self.tf is not None and self._tf_wanted():
            frames = messages.transforms(tracked, header)
            if frames:
                self.tf.publish(TFMessage(transforms=frames))
        if is_heard(self.head_poses):
            size = seen.image.shape[1], seen.image.shape[0]
            self.head_poses.publish(messages.head_pose_array(tracked, header, size))
        if self.hri is not None:
            self.hri.publish(seen.camera_topic, tracked, seen.alive, seen.image, header)
        if self.attention.wanted():
            self.attention.publish(seen.camera_topic, tracked, seen.alive, header)
        if is_heard(self.poses):
            self.poses.publish(messages.pose_array(tracked, header))
        self.markers.publish(
            seen.camera_topic, header, lambda: shapes_of(seen, self._settings.axis_length_m)
        )
        if is_heard(self.debug_images[seen.camera_index]):
            drawn = debug_image(seen, self._settings.axis_length_m)
            self.debug_images[seen.camera_index].publish(image_from_bgr(drawn, header))
        self.heat_maps.offer(seen.camera_index, seen.image, tracked, header)

    def clear(self) -> None:
        """Publish that nobody is tracked any more, where listeners rely on it."""
        self.heat_maps.abandon()
        self.attention.reset()
        self.markers.clear()
        if self.hri is not None:
            self.hri.clear()

    def forget(self, camera_topic: str) -> None:
        """Publish that a camera that has fallen silent sees nobody."""
        self.markers.forget(camera_topic)
        self.attention.forget(camera_topic)
        if self.hri is not None:
            self.hri.forget(camera_topic)

    def destroy(self) -> None:
        """Take the publishers away."""
        for publisher in (*self._own, self.tf):
            if publisher is not None:
                self._node.destroy_lifecycle_publisher(publisher)
        self.markers.destroy()
        self.heat_maps.destroy()
        self.attention.destroy()
        if self.hri is not None:
            self.hri.destroy()

    def _tf_wanted(self) -> bool:
        return self._settings.tf and self.tf is not None and is_heard(self.tf)


def shapes_of(seen: Seen, axis_length_m: float) -> list[Shape]:
    """Return what is shown of one image: its camera, if it is calibrated, and its heads."""
    from fsanet_ros.drawing.shapes import camera_shape, head_shapes  # here: as for pictures

    pyramid = seen.camera and camera_shape(seen.camera, seen.header.frame_id)
    shapes = [pyramid] if pyramid else []
    for one in seen.tracked:
        shapes += head_shapes(one.id, one.head, axis_length_m)
    return shapes


def debug_image(seen: Seen, axis_length_m: float) -> BgrImage:
    """Return an image with its heads drawn in, or a line that says why there is nothing."""
    from fsanet_ros.drawing import draw_heads, note_about  # here: robots look at no pictures

    note = note_about(seen.image, len(seen.tracked), seen.camera is not None)
    named = [(t.id, t.head) for t in seen.tracked]
    return draw_heads(seen.image, named, seen.camera, axis_length_m, note)


def drawn_topics(cameras: int) -> list[str]:
    """Return the topics of all pictures that the node makes of its cameras' images."""
    return debug_topics(cameras) + debug_topics(cameras, HEAT_MAPS)


def debug_topics(cameras: int, name: str = 'debug_image') -> list[str]:
    """Return the topics of pictures for people, one for each camera."""
    return [name] if cameras == 1 else [f'{name}_{n}' for n in range(cameras)]

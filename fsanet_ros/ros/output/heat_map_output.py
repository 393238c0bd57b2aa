"""Where in each face the network looks, as pictures: made beside everything else, on demand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from fsanet_ros.arrays import Image as BgrImage
from fsanet_ros.inference.face_crops import cut_faces
from fsanet_ros.inference.heat_map_sheet import heat_map_sheet
from fsanet_ros.inference.heat_maps import HeatMaps
from fsanet_ros.ros.input.images import image_from_bgr
from fsanet_ros.ros.output.publishers import is_heard
from fsanet_ros.ros.worker import Worker
from fsanet_ros.tracking.tracker import TrackedHead

MIN_PERIOD_S = 0.2  # of each camera: to look at, and little of a core
MAX_FACES = 8


class HeatMapOutput:
    """
    Publishers of heat maps, one for each camera.

    The network is loaded a second time, on the first subscription, and asked for its maps in
    a thread of its own. Images that come while it works, or too soon after the last, are left
    out: poses wait for nothing here.
    """

    def __init__(
        self, node: LifecycleNode, topics: Sequence[str], load: Callable[[], HeatMaps]
    ) -> None:
        """
        Make the publishers; they are silent until the node is active.

        :param topics: one for each camera
        :param load: returns the network's maps; an error says why there are none
        """
        self.publishers: list[LifecyclePublisher] = [
            node.create_lifecycle_publisher(Image, topic, 5) for topic in topics
        ]
        self._node = node
        self._load = load
        self._heat_maps: HeatMaps | None = None
        self._failed = False
        self._not_before_s = [0.0] * len(topics)
        self._worker = Worker(node, 'heat_maps')

    def wanted(self) -> bool:
        """Whether anybody subscribes and there are heat maps to show."""
        return not self._failed and any(map(is_heard, self.publishers))

    def offer(
        self, camera_index: int, image: BgrImage, tracked: Sequence[TrackedHead], header: Header
    ) -> None:
        """Begin the picture of the first faces of an image, if anybody is waiting for one."""
        now_s = time.monotonic()
        if (
            self._failed
            or self._worker.busy
            or now_s < self._not_before_s[camera_index]
            or not is_heard(self.publishers[camera_index])
        ):
            return
        self._not_before_s[camera_index] = now_s + MIN_PERIOD_S
        self._worker.start(
            self._show(self.publishers[camera_index], image, tracked[:MAX_FACES], header)
        )

    def abandon(self) -> None:
        """Drop what is being made."""
        self._worker.abandon()

    def destroy(self) -> None:
        """Take the publishers away."""
        self._worker.destroy()
        for publisher in self.publishers:
            self._node.destroy_lifecycle_publisher(publisher)

    async def _show(
        self,
        publisher: LifecyclePublisher,
        image: BgrImage,
        tracked: Sequence[TrackedHead],
        header: Header,
    ) -> None:
        try:
            message = await self._worker.run(self._draw, image, tracked, header)
        except Exception as error:  # whatever it is, poses do not depend on it
            self._failed = True
            topics = ', '.join(publisher.topic_name for publisher in self.publishers)
            self._node.get_logger().warning(f'nothing will be published on {topics}: {error}')
            return
        if message is not None:
            publisher.publish(message)

    def _draw(
        self, image: BgrImage, tracked: Sequence[TrackedHead], header: Header
    ) -> Image | None:
        """Return the message for an image, None if it has no faces."""
        if self._heat_maps is None:
            self._heat_maps = self._load()
        if not tracked:
            return None
        faces, crops = cut_faces(image, [t.head.face for t in tracked], self._heat_maps.description)
        ids = {id(t.head.face): t.id for t in tracked}
        sheet = heat_map_sheet(crops, self._heat_maps(crops), [ids[id(face)] for face in faces])
        return image_from_bgr(sheet, header)

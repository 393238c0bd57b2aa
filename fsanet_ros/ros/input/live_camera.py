"""A camera as it is on a robot: the newest image counts, and nothing waits for anything."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image

from fsanet_ros.detection.following import SearchBeside
from fsanet_ros.ros.input.qos import matching_qos
from fsanet_ros.ros.input.topic_camera import Camera, CameraImage, Demand, nearest_depth
from fsanet_ros.ros.rclpy_internals import CAN_TAKE, gate
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.tracking.tracker import HeadTracker

_DEPTHS = 8  # kept, to find the one with the nearest stamp


class LiveCamera(Camera):
    """
    The newest image, the newest camera_info, the depth image with the nearest stamp.

    An image waits in the middleware until there is time for it; a newer one replaces it.
    """

    batch: ClassVar[int | None] = None

    def __init__(
        self,
        node: LifecycleNode,
        index: int,
        settings: HeadPoseSettings,
        trackers: dict[str, HeadTracker],
        demand: Demand,
    ) -> None:
        """Subscribe; see Camera."""
        self._recent_depths: deque[Image] = deque(maxlen=_DEPTHS)
        super().__init__(
            node,
            index,
            settings,
            trackers,
            demand,
            queue=1,
            choose_qos=matching_qos,
            search=SearchBeside(),
            # Taken together with an image; it does not wake the executor.
            info_group=gate(lambda: False) if CAN_TAKE else None,
        )

    def next_image(self) -> CameraImage | None:
        """Return the newest image if it is due and anybody listens."""
        if not self._waiting:
            return None
        self._camera_infos.take()
        stamp_ns = self.waiting_ns
        image = self._to_process(nearest_depth(self._recent_depths, stamp_ns), stamp_ns)
        return image if self._demand.is_heard() else None

    def _on_info(self, info: CameraInfo) -> None:
        self._calibration.update(info)

    def _on_depth(self, depth: Image) -> None:
        self._recent_depths.append(depth)
        self._demand.arrived()

"""A camera in a recording: every image counts, and each replay gives the same heads."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, ClassVar

from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image

from fsanet_ros.detection.following import SearchAtOnce
from fsanet_ros.ros.input.image_clock import ImageClock
from fsanet_ros.ros.input.qos import reliable_qos
from fsanet_ros.ros.input.subscriptions import MatchingSubscription
from fsanet_ros.ros.input.topic_camera import Camera, CameraImage, Demand, nearest_depth
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.ros.stamps import nanoseconds
from fsanet_ros.tracking.tracker import HeadTracker

QUEUE = 1000  # images that may wait
_STEP_S = 1 / 30  # between images whose stamps do not say: not on how fast they come
PATIENCE_S = 2.0  # how long an image waits for the camera_info and depth of its stamp


class RecordedCamera(Camera):
    """
    Every image, one by one, each with the camera_info and depth of its own stamp.

    So what comes of an image depends neither on which message was faster nor on how fast the
    recording is played, nor on the other cameras, nor on who listens. Where camera_info or depth
    do not come with the images, as a camera_info that is published once, the last ones count
    after a while.
    """

    batch: ClassVar[int | None] = 1

    def __init__(
        self,
        node: LifecycleNode,
        index: int,
        settings: HeadPoseSettings,
        trackers: dict[str, HeadTracker],
        demand: Demand,
    ) -> None:
        """Subscribe; see Camera."""
        super().__init__(
            node,
            index,
            settings,
            trackers,
            demand,
            queue=QUEUE,
            choose_qos=reliable_qos,
            # Not beside the images that follow: how many those are depends on the machine.
            search=SearchAtOnce(),
        )
        self._info_queue = _Companions(self._camera_infos)
        self._depth_queue = _Companions(self._depths)
        self._asked_ns = -1
        self._asked_s = 0.0

    def next_image(self) -> CameraImage | None:
        """Return the oldest image that waits, when what belongs to it has come."""
        stamp_ns = self.waiting_ns
        if not self._waiting or not self._is_complete(stamp_ns):
            return None
        for info in self._info_queue.pop_until(stamp_ns):
            self._calibration.update(info)
        if not self._calibration.known and self._info_queue.waiting:
            self._calibration.update(self._info_queue.waiting.popleft())
        self._depth_queue.forget_until(stamp_ns)
        return self._to_process(nearest_depth(self._depth_queue.waiting, stamp_ns), stamp_ns)

    def _make_clock(self) -> ImageClock:
        return ImageClock(_STEP_S)

    def _is_complete(self, stamp_ns: int) -> bool:
        """Whether what belongs to an image has come, or is no longer waited for."""
        if stamp_ns != self._asked_ns:
            self._asked_ns, self._asked_s = stamp_ns, time.monotonic()
        late = [queue for queue in (self._info_queue, self._depth_queue) if queue.lacks(stamp_ns)]
        if late and time.monotonic() - self._asked_s < PATIENCE_S:
            return False
        for queue in late:
            queue.is_alone = True
        return True

    def _on_info(self, info: CameraInfo) -> None:
        self._info_queue.add(info)
        self._demand.arrived()

    def _on_depth(self, depth: Image) -> None:
        self._depth_queue.add(depth)
        self._demand.arrived()


class _Companions:
    """
    Messages of one topic that belong to the images, in the order of their stamps.

    ``is_alone``: they do not come with the images, so no image waits for them.
    """

    def __init__(self, subscription: MatchingSubscription | None) -> None:
        self.waiting: deque[Any] = deque()
        self.is_alone = False
        self._subscription = subscription
        self._newest_ns = -1

    def add(self, message: Any) -> None:
        self.waiting.append(message)
        self._newest_ns = nanoseconds(message.header.stamp)
        self.is_alone = False

    def lacks(self, stamp_ns: int) -> bool:
        """Whether a message of this stamp is still to come."""
        if self._subscription is None or self.is_alone or self._newest_ns >= stamp_ns:
            return False
        return self._subscription.count_publishers() > 0

    def pop_until(self, stamp_ns: int) -> list[Any]:
        """Return and remove those that are not newer than the stamp."""
        old = []
        while self.waiting and nanoseconds(self.waiting[0].header.stamp) <= stamp_ns:
            old.append(self.waiting.popleft())
        return old

    def forget_until(self, stamp_ns: int) -> None:
        """Remove those before the newest that is not newer than the stamp."""
        while len(self.waiting) > 1 and nanoseconds(self.waiting[1].header.stamp) <= stamp_ns:
            self.waiting.popleft()

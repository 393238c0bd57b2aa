"""One camera of the node: its topics, the image that waits, its people and its figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from fsanet_ros.detection.following import FaceFollower, SearchAtOnce, SearchBeside
from fsanet_ros.ros.estimation import Shot
from fsanet_ros.ros.input.camera_info import (
    Calibration,
    camera_from_info,
    is_rectified_topic,
    rectified_camera_from_info,
)
from fsanet_ros.ros.input.companions import (
    Companions,
    NewestCompanions,
    SynchronizedCompanions,
    nanoseconds,
)
from fsanet_ros.ros.input.qos import matching_latched_qos, matching_qos, reliable_qos
from fsanet_ros.ros.input.subscriptions import Gate, MatchingSubscription, compressed_topic
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.ros.statistics import Statistics
from fsanet_ros.tracking.tracker import HeadTracker, TrackedHead
from fsanet_ros.types import Head

# Up to this much earlier than the last one, an image was overtaken on its way and is dropped; a
# clock that jumps back by more is a recording that starts again.
LATE_NS = 200_000_000
PATIENCE_S = 5.0  # before somebody is told what is awaited
RECORDED = 1000  # images of a recording that may wait


class CameraInput:
    """Subscribes to a camera's topics and keeps the one image that is to be processed now."""

    def __init__(
        self,
        node: Any,
        index: int,
        settings: HeadPoseSettings,
        trackers: dict[str, HeadTracker],
        has_time: Callable[[], bool],
        arrived: Callable[[], None],
    ) -> None:
        """
        Subscribe.

        :param index: of the camera in ``settings.image_topics``
        :param trackers: by what their ids start with; this camera's is added if it is missing
        :param has_time: whether an image could be processed at once; until then it stays in the
            middleware, where a newer one replaces it at no cost
        :param arrived: called when something has come
        """
        self.index = index
        self.statistics = Statistics()
        several = len(settings.image_topics) > 1
        prefix = settings.id_prefix + (_letters(index) if several else '')
        self._tracker = trackers.setdefault(prefix, HeadTracker(prefix))
        self._tracker.reset()
        self._follower = FaceFollower(
            settings.search_period_s,
            settings.detection_size,
            # A replay must not depend on how fast a search is.
            SearchAtOnce() if settings.deterministic else SearchBeside(),
        )
        self._node = node
        self._settings = settings
        self._has_time = has_time
        self._arrived = arrived
        self._message: Any = None
        self._last_ns = -1  # the stamp of the image that was tracked last
        self._processed_ns = -1
        self._since_s = time.monotonic()
        self._images, self._camera_infos, self._depths = self._subscribe(settings)
        self._companions = self._make_companions()
        self.adapt(settings)

    def _subscribe(
        self, settings: HeadPoseSettings
    ) -> tuple[MatchingSubscription, MatchingSubscription, MatchingSubscription | None]:
        gate = Gate(lambda: self._message is None and self._has_time())
        recorded = settings.deterministic
        depth = RECORDED if recorded else 1
        topic = settings.image_topics[self.index]
        kind: type = Image
        if settings.image_transport == 'compressed':
            kind, topic = CompressedImage, compressed_topic(self._node, topic)
        images = MatchingSubscription(
            self._node,
            kind,
            topic,
            self._on_image,
            depth,
            choose_qos=reliable_qos if recorded else matching_qos,
            callback_group=gate,
        )
        camera_infos = MatchingSubscription(
            self._node,
            CameraInfo,
            info_topic(settings.image_topics[self.index]),
            self._on_info,
            depth=max(depth, 5),
            choose_qos=matching_latched_qos,
            # Live images take what has come; nobody has to be woken for it.
            callback_group=None if recorded else Gate(lambda: False),
        )
        depth_topic = settings.depth_topics[self.index] if any(settings.depth_topics) else ''
        depths = None
        if depth_topic:
            depths = MatchingSubscription(
                self._node, Image, depth_topic, self._on_depth, max(depth, 2)
            )
        return images, camera_infos, depths

    def _make_companions(self) -> Companions:
        rectified = is_rectified_topic(self.topic)
        calibration = Calibration(rectified_camera_from_info if rectified else camera_from_info)
        if not self._settings.deterministic:
            return NewestCompanions(calibration)
        infos, depths = self._camera_infos, self._depths
        return SynchronizedCompanions(
            calibration,
            lambda: infos.count_publishers() > 0,
            lambda: depths is not None and depths.count_publishers() > 0,
        )

    @property
    def topic(self) -> str:
        """The resolved topic of the images."""
        return self._images.topic

    @property
    def calibration(self) -> str:
        """What is known of the camera, for people."""
        return self._companions.calibration.state

    @property
    def ids(self) -> list[str]:
        """The ids of the heads that are followed, also while they are hidden for a moment."""
        return self._tracker.ids

    @property
    def silent_s(self) -> float:
        """How long no image has come, in seconds of real time."""
        return time.monotonic() - self._since_s

    @property
    def waiting_ns(self) -> int:
        """The stamp of the image that waits, 0 without one."""
        return 0 if self._message is None else nanoseconds(self._message.header.stamp)

    def adapt(self, settings: HeadPoseSettings) -> None:
        """Follow the settings that can change at any time."""
        self._settings = settings
        self._follower.period_s = settings.search_period_s
        self._follower.detection_size = settings.detection_size
        self._tracker.announce_s = settings.announce_s
        self._tracker.keep_s = settings.keep_s
        self._tracker.smoothing = settings.smoothing

    def next_shot(self) -> Shot | None:
        """Return the image that is to be processed now, if there is one, and make room."""
        message, stamp_ns = self._message, self.waiting_ns
        if message is not None and not self._settings.deterministic:
            self._camera_infos.take()
        if message is None or not self._companions.complete(stamp_ns):
            return None
        self._message = None
        if self._processed_ns - LATE_NS <= stamp_ns < self._processed_ns:
            self.statistics.dropped['older than the image before'] += 1
            return None
        # A tenth less, as the stamps of a camera jitter.
        rate_hz = self._settings.max_rate_hz
        if rate_hz and 0 <= stamp_ns - self._processed_ns < 0.9e9 / rate_hz:
            return None
        self._processed_ns = stamp_ns
        depth = self._companions.depth_of(stamp_ns)
        return Shot(self, message, stamp_ns, self._companions.calibration, self._follower, depth)

    def jumped_back_by_s(self, stamp_ns: int) -> float:
        """Return by how much a stamp is earlier than that of the last image, 0 if it is later."""
        return max(self._last_ns - stamp_ns, 0) / 1e9

    def track(self, heads: list[Head], stamp_ns: int) -> list[TrackedHead]:
        """Return the heads of an image with their identities."""
        self._last_ns = stamp_ns
        return self._tracker.update(heads, stamp_ns / 1e9)

    def refresh(self) -> None:
        """Follow publishers that have come with another quality of service."""
        for subscription in self._subscriptions():
            subscription.refresh()

    def close(self) -> None:
        """End the subscriptions and drop what waits."""
        for subscription in self._subscriptions():
            subscription.destroy()
        self._message = None
        self._follower.close()

    def problem(self) -> str:
        """Return what keeps this camera from its full output, empty if nothing does."""
        if self.silent_s > PATIENCE_S:
            return self._images.silence()
        if self.statistics.failed_lately:
            return f'{self.topic}: images are dropped, see the log for the reason'
        calibration = self._companions.calibration
        if not self.statistics.ever_received or calibration.state == 'calibrated':
            return ''
        unknown = 'orientation only, no position'
        if not calibration.known:
            return f'{unknown}: {self._camera_infos.silence()}'
        return f'{unknown}: {self._camera_infos.topic}: {calibration.state}'

    def _subscriptions(self) -> list[MatchingSubscription]:
        return [s for s in (self._images, self._camera_infos, self._depths) if s is not None]

    def _on_image(self, message: Any) -> None:
        self.statistics.count_received()
        self._since_s = time.monotonic()
        self._message = message
        self._arrived()

    def _on_info(self, info: CameraInfo) -> None:
        self._companions.add_info(info)
        if self._settings.deterministic:
            self._arrived()

    def _on_depth(self, depth: Image) -> None:
        self._companions.add_depth(depth)
        self._arrived()


def info_topic(image_topic: str) -> str:
    """Return the topic of the calibration: camera_info beside the images, as image_transport."""
    return image_topic[: image_topic.rfind('/') + 1] + 'camera_info'


def _letters(index: int) -> str:
    """Return a, b, ... z, ba, bb, ...: no two cameras' ids can be the same."""
    letters = chr(ord('a') + index % 26)
    return letters if index < 26 else _letters(index // 26) + letters

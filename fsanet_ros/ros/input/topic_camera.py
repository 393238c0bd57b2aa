"""What live and recorded cameras share: topics, the image that waits, people and figures."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rclpy.callback_groups import CallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from fsanet_ros.detection.following import FaceFollower, SearchAtOnce, SearchBeside
from fsanet_ros.files.image_messages import SignificantBits
from fsanet_ros.files.picture_sizes import MAX_PIXELS
from fsanet_ros.geometry.camera_info import (
    Calibration,
    camera_from_info,
    info_topic,
    is_rectified_topic,
    rectified_camera_from_info,
)
from fsanet_ros.ros.input.camera_notices import CameraNotices
from fsanet_ros.ros.input.decoding_time import DecodingTime
from fsanet_ros.ros.input.image_clock import ImageClock
from fsanet_ros.ros.input.qos import matching_latched_qos
from fsanet_ros.ros.input.subscriptions import MatchingSubscription, compressed_topic
from fsanet_ros.ros.rclpy_internals import gate
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.ros.stamps import nanoseconds
from fsanet_ros.ros.statistics import Statistics
from fsanet_ros.tracking.tracker import HeadTracker, TrackedHead
from fsanet_ros.types import Head

# Depth cameras publish depth a little after the image: 1.5 periods at 30 Hz.
DEPTH_TOLERANCE_NS = 50_000_000
PATIENCE_S = 5.0  # before the user is told what is missing


@dataclass(frozen=True, eq=False)
class CameraImage:
    """
    An image to process, and what belongs to it.

    ``message``: sensor_msgs/Image or CompressedImage. ``follower``: finds the faces of this
    camera. ``depth``: the depth image aligned with it, sensor_msgs/Image, or None. ``time_ns``: the
    stamp, or what counts instead, see ImageClock. ``max_pixels``, ``max_faces``: what is accepted.
    ``bits``: which bits of 16 this camera uses. ``decoding``: how long its pictures take.
    """

    camera: Camera
    message: Image | CompressedImage
    stamp_ns: int
    calibration: Calibration
    follower: FaceFollower
    depth: Image | None = None
    time_ns: int = 0
    max_pixels: int = MAX_PIXELS
    max_faces: int = 200
    bits: SignificantBits = field(default_factory=SignificantBits)
    decoding: DecodingTime = field(default_factory=DecodingTime)


@dataclass(frozen=True)
class Demand:
    """
    What a camera asks of the pipeline that it feeds.

    ``is_idle``: whether an image would be processed at once. ``is_heard``: whether anybody
    listens to what would come of it. ``arrived`` is called when something has come.
    """

    is_idle: Callable[[], bool]
    is_heard: Callable[[], bool]
    arrived: Callable[[], None]


class Camera(ABC):
    """
    One camera of the node, subscribed to from its creation to ``close``.

    A subclass says which image is next, and what it does with camera_info and depth.
    """

    batch: ClassVar[int | None]
    """How many cameras' images are processed together; None: those of all."""

    def __init__(
        self,
        node: LifecycleNode,
        index: int,
        settings: HeadPoseSettings,
        trackers: dict[str, HeadTracker],
        demand: Demand,
        *,
        queue: int,
        choose_qos: Callable[[Iterable[Any], int], QoSProfile],
        search: SearchAtOnce | SearchBeside,
        info_group: CallbackGroup | None = None,
    ) -> None:
        """
        Subscribe.

        :param index: of the camera in ``settings.input.image_topics``
        :param trackers: by the prefix of their ids; this camera's is added if it is missing
        :param queue: how many images may wait; a new one then replaces the oldest
        :param choose_qos: returns the profile for the images' publishers, see qos.py
        :param search: how whole images are searched for faces
        :param info_group: callback group of camera_info
        """
        self.index = index
        self.statistics = Statistics()
        self.notices = CameraNotices()
        prefix = settings.tracking.id_prefix
        if len(settings.input.image_topics) > 1:
            prefix += letters(index)
        self._tracker = trackers.setdefault(prefix, HeadTracker(prefix))
        self._tracker.reset()
        self._follower = FaceFollower(
            settings.detection.search_period_s, settings.detection.size, search
        )
        self._bits = SignificantBits()
        self._decoding = DecodingTime()
        self._demand = demand
        self._waiting: deque[Image | CompressedImage] = deque(maxlen=queue)
        self.clock = self._make_clock()
        self._last_ns = -1  # the time of the image that was tracked last
        self._processed_ns = -(10**18)
        self._since_s = time.monotonic()
        self._subscribe(node, settings, queue, choose_qos, info_group)
        rectified = is_rectified_topic(self.topic)
        self._calibration = Calibration(
            rectified_camera_from_info if rectified else camera_from_info
        )
        self.adapt(settings)

    @property
    def topic(self) -> str:
        """The resolved topic of the images."""
        return self._images.topic

    @property
    def calibration(self) -> str:
        """What is known of the camera, for people."""
        return self._calibration.state

    @property
    def ids(self) -> list[str]:
        """The ids of the heads that are followed, including those hidden for a moment."""
        return self._tracker.ids

    @property
    def silent_s(self) -> float:
        """For how long no image has come, in seconds of real time."""
        return time.monotonic() - self._since_s

    def excuse_silence(self, late_s: float) -> None:
        """Do not count a time in which nothing could come."""
        self._since_s += late_s

    @property
    def waiting_ns(self) -> int:
        """The stamp of the image that waits, 0 without one."""
        return nanoseconds(self._waiting[0].header.stamp) if self._waiting else 0

    def adapt(self, settings: HeadPoseSettings) -> None:
        """Follow the settings that can change at any time."""
        self._max_rate_hz = settings.input.max_rate_hz
        self._max_pixels = settings.input.max_pixels
        self._max_faces = settings.detection.max_faces
        self._follower.period_s = settings.detection.search_period_s
        self._follower.detection_size = settings.detection.size
        self._follower.smallest_face_px = settings.detection.smallest_face_px
        self._follower.max_distance_m = settings.detection.max_distance_m
        self._follower.found_within_s = settings.detection.found_within_s
        self.notices.frame_id = settings.input.frame_id_of(self.index)
        self.notices.mounting_deg = settings.input.mounting_deg_of(self.index)
        self._follower.mounting_deg = self.notices.mounting_deg
        self._tracker.announce_s = settings.tracking.announce_s
        self._tracker.keep_s = settings.tracking.keep_s
        self._tracker.turned_away_s = settings.tracking.turned_away_s
        self._follower.turned_away_s = settings.tracking.turned_away_s
        self._tracker.smoothing = settings.tracking.smoothing

    @abstractmethod
    def next_image(self) -> CameraImage | None:
        """Return the image to process now, if there is one, and make room for another."""

    def _to_process(self, depth: Image | None, stamp_ns: int) -> CameraImage | None:
        """Take the image that waits: neither a straggler nor too soon, or there is None."""
        message = self._waiting.popleft()
        time_ns = self.clock.time_ns(stamp_ns, self._since_s)
        if time_ns is None:
            self.statistics.dropped['older than the image before'] += 1
            return None
        # A tenth less, as the stamps of a camera jitter.
        rate_hz = self._max_rate_hz
        if rate_hz and 0 <= time_ns - self._processed_ns < 0.9e9 / rate_hz:
            return None
        self._processed_ns = time_ns
        return CameraImage(
            camera=self,
            message=message,
            stamp_ns=stamp_ns,
            calibration=self._calibration,
            follower=self._follower,
            depth=depth,
            time_ns=time_ns,
            max_pixels=self._max_pixels,
            max_faces=self._max_faces,
            bits=self._bits,
            decoding=self._decoding,
        )

    def jumped_back_by_s(self, time_ns: int) -> float:
        """Return by how much a time is before that of the last image, 0 if it is after."""
        return max(self._last_ns - time_ns, 0) / 1e9

    def track(self, heads: list[Head], time_ns: int) -> list[TrackedHead]:
        """Return the heads of an image with their identities."""
        self._last_ns = time_ns
        self.notices.look_at_heads(heads)
        return self._tracker.update(heads, time_ns / 1e9)

    def header_of(self, message: Image | CompressedImage) -> Header:
        """Return the header of an image for what comes of it, with a frame that TF takes."""
        header = message.header
        frame_id = self.notices.frame_of(header.frame_id)
        if frame_id != header.frame_id:
            header.frame_id = frame_id
        return header

    def refresh(self) -> None:
        """Follow publishers that have come with another quality of service."""
        for subscription in self._subscriptions():
            subscription.refresh()

    def close(self) -> None:
        """End the subscriptions and drop what waits."""
        for subscription in self._subscriptions():
            subscription.destroy()
        self._waiting.clear()
        self._follower.close()

    def problem(self) -> str:
        """Return what keeps this camera from its full output, empty if nothing does."""
        if self.silent_s > PATIENCE_S:
            return self._images.silence()
        if self.statistics.failed_lately:
            return f'{self.topic}: images are dropped; the log says why'
        if self.clock.problem:
            return f'{self.topic}: {self.clock.problem}'
        calibration = self._calibration
        if not self.statistics.ever_received or calibration.state == 'calibrated':
            return ''
        unknown = 'orientation only, no position'
        if not calibration.known:
            return f'{unknown}: {self._camera_infos.silence(others_come=True)}'
        return f'{unknown}: {self._camera_infos.topic}: {calibration.state}'

    @abstractmethod
    def _on_info(self, info: CameraInfo) -> None: ...

    @abstractmethod
    def _on_depth(self, depth: Image) -> None: ...

    def _subscribe(
        self,
        node: LifecycleNode,
        settings: HeadPoseSettings,
        queue: int,
        choose_qos: Callable[[Iterable[Any], int], QoSProfile],
        info_group: CallbackGroup | None,
    ) -> None:
        image, depth = settings.input.topics_of(self.index)
        kind, topic = (
            (CompressedImage, compressed_topic(node, image))
            if settings.input.image_transport == 'compressed'
            else (Image, image)
        )
        self._images = MatchingSubscription(
            node,
            kind,
            topic,
            self._on_image,
            queue,
            choose_qos=choose_qos,
            callback_group=gate(lambda: not self._waiting and self._demand.is_idle()),
        )
        self._camera_infos = MatchingSubscription(
            node,
            CameraInfo,
            info_topic(image),
            self._on_info,
            max(queue, 5),
            choose_qos=matching_latched_qos,
            callback_group=info_group,
        )
        self._depths = None
        if depth:
            self._depths = MatchingSubscription(node, Image, depth, self._on_depth, max(queue, 2))

    def _make_clock(self) -> ImageClock:
        return ImageClock()

    def _subscriptions(self) -> list[MatchingSubscription]:
        return [s for s in (self._images, self._camera_infos, self._depths) if s is not None]

    def _on_image(self, message: Image | CompressedImage) -> None:
        self.statistics.count_received()
        self._since_s = time.monotonic()
        self._waiting.append(message)
        self._demand.arrived()


def nearest_depth(depths: Iterable[Image], stamp_ns: int) -> Image | None:
    """Return the depth image with the nearest stamp, None where none is near."""

    def distance_ns(depth: Image) -> int:
        return abs(nanoseconds(depth.header.stamp) - stamp_ns)

    nearest = min(depths, key=distance_ns, default=None)
    return nearest if nearest is not None and distance_ns(nearest) <= DEPTH_TOLERANCE_NS else None


def letters(index: int) -> str:
    """Return a, b, ... z, ba, bb, ...: the ids of two cameras are never the same."""
    last = chr(ord('a') + index % 26)
    return last if index < 26 else letters(index // 26) + last

"""What belongs to the images of a camera: its calibration and, where there is one, its depth."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Protocol

from builtin_interfaces.msg import Time

from fsanet_ros.ros.input.camera_info import Calibration

# A depth image is taken for that of an image when their stamps are this near: 1.5 periods at
# 30 Hz, as depth cameras publish the one a little after the other.
DEPTH_TOLERANCE_NS = 50_000_000
# How long an image waits for the camera_info and depth of its stamp.
PATIENCE_S = 2.0
_KEPT = 8


def nanoseconds(stamp: Time) -> int:
    """Return a stamp in nanoseconds."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


class Companions(Protocol):
    """Takes what comes beside the images, and says what belongs to an image."""

    calibration: Calibration

    def add_info(self, info: Any) -> None:
        """Take a sensor_msgs/CameraInfo."""

    def add_depth(self, depth: Any) -> None:
        """Take a depth image, sensor_msgs/Image."""

    def complete(self, stamp_ns: int) -> bool:
        """Whether what belongs to an image has come, or will not come any more."""

    def depth_of(self, stamp_ns: int) -> Any | None:
        """Return the depth image that belongs to an image, None without one."""


class NewestCompanions:
    """For live cameras: nothing waits; the newest camera_info holds, the nearest depth counts."""

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self._depths: deque[Any] = deque(maxlen=_KEPT)

    def add_info(self, info: Any) -> None:
        """Take a sensor_msgs/CameraInfo."""
        self.calibration.update(info)

    def add_depth(self, depth: Any) -> None:
        """Take a depth image, sensor_msgs/Image."""
        self._depths.append(depth)

    def complete(self, stamp_ns: int) -> bool:
        """Return True: live images never wait."""
        return True

    def depth_of(self, stamp_ns: int) -> Any | None:
        """Return the depth image with the nearest stamp, None where none is near."""
        return _nearest(self._depths, stamp_ns)


class SynchronizedCompanions:
    """
    For recordings: an image waits for the camera_info and depth of its own stamp.

    So what comes of it does not depend on which message was faster. Where they do not come with
    the images, as a camera_info that is published only once, the last ones hold after a while.
    """

    def __init__(self, calibration: Calibration, awaits_info: Any, awaits_depth: Any) -> None:
        """``awaits_...()`` say whether anybody publishes these messages."""
        self.calibration = calibration
        self._awaits = (awaits_info, awaits_depth)
        self._infos: deque[Any] = deque()
        self._depths: deque[Any] = deque()
        self._newest_ns = [-1, -1]  # of infos and depths
        self._alone = [False, False]  # they do not come with the images
        self._asked_ns = -1
        self._asked_s = 0.0

    def add_info(self, info: Any) -> None:
        """Take a sensor_msgs/CameraInfo."""
        self._infos.append(info)
        self._newest_ns[0] = nanoseconds(info.header.stamp)
        self._alone[0] = False

    def add_depth(self, depth: Any) -> None:
        """Take a depth image, sensor_msgs/Image."""
        self._depths.append(depth)
        self._newest_ns[1] = nanoseconds(depth.header.stamp)
        self._alone[1] = False

    def complete(self, stamp_ns: int) -> bool:
        """Whether those of the stamp have come; then the camera_info of the stamp holds."""
        if stamp_ns != self._asked_ns:
            self._asked_ns, self._asked_s = stamp_ns, time.monotonic()
        missing = [
            awaits() and newest_ns < stamp_ns and not alone
            for awaits, newest_ns, alone in zip(
                self._awaits, self._newest_ns, self._alone, strict=True
            )
        ]
        if any(missing):
            if time.monotonic() - self._asked_s < PATIENCE_S:
                return False
            self._alone = [a or m for a, m in zip(self._alone, missing, strict=True)]
        while self._infos and (
            nanoseconds(self._infos[0].header.stamp) <= stamp_ns or not self.calibration.known
        ):
            self.calibration.update(self._infos.popleft())
        while len(self._depths) > 1 and nanoseconds(self._depths[1].header.stamp) <= stamp_ns:
            self._depths.popleft()
        return True

    def depth_of(self, stamp_ns: int) -> Any | None:
        """Return the depth image with the nearest stamp, None where none is near."""
        return _nearest(self._depths, stamp_ns)


def _nearest(depths: deque[Any], stamp_ns: int) -> Any | None:
    def distance_ns(depth: Any) -> int:
        return abs(nanoseconds(depth.header.stamp) - stamp_ns)

    nearest = min(depths, key=distance_ns, default=None)
    return nearest if nearest is not None and distance_ns(nearest) <= DEPTH_TOLERANCE_NS else None

"""
Where the time of one image goes, without ROS's transport: from the message to the message.

The stages are the package's own functions on the same picture, one after the other in one thread,
as in the node. The network is timed inside ``HeadPoseEstimator.estimate_faces``, through the
runtime that it is given; crops are cut once more beside it; what is left of it is geometry.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fsanet_ros.benchmarks.scenes import Scene
from fsanet_ros.benchmarks.timing import WARM_UP, Spread, spread
from fsanet_ros.detection import FaceDetector
from fsanet_ros.detection.following import FaceFollower, SearchAtOnce
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.inference.face_crops import cut_faces
from fsanet_ros.inference.runtime import Runtime
from fsanet_ros.tracking.tracker import HeadTracker, TrackedHead
from fsanet_ros.types import Image

STAGES = ('convert', 'detect', 'crop', 'network', 'geometry', 'track', 'message')
_PERIOD_S = 1.0 / 30.0


@dataclass(frozen=True, eq=False)
class Track:
    """
    A scene as it comes in, and how it goes out.

    ``messages``: one for each picture. ``convert``: returns the picture in one, uint8 [h, w, 3].
    ``publish``: makes the answer of heads and the message that they were seen in.
    """

    scene: Scene
    messages: Sequence[Any]
    convert: Callable[[Any], Image]
    publish: Callable[[Sequence[TrackedHead], Any], object]


class StageTimes:
    """Milliseconds of each stage in a scene, one value for each image that was gone through."""

    def __init__(self) -> None:
        """Start with no image."""
        self.times_ms: dict[str, list[float]] = {stage: [] for stage in STAGES}
        self.heads: list[int] = []

    def add(self, seconds: Sequence[float], heads: int) -> None:
        """Add the times of one image, in the order of STAGES, and how many heads came out."""
        for stage, value in zip(STAGES, seconds, strict=True):
            self.times_ms[stage].append(1000.0 * value)
        self.heads.append(heads)

    @property
    def totals_ms(self) -> list[float]:
        """The sum of the stages, for each image."""
        return [sum(values) for values in zip(*self.times_ms.values(), strict=True)]

    def spreads(self) -> dict[str, Spread]:
        """Return median and quartiles of each stage and, as ``total``, of their sum."""
        stages = {stage: spread(values) for stage, values in self.times_ms.items()}
        return {**stages, 'total': spread(self.totals_ms)}


@dataclass(frozen=True)
class Settings:
    """The node's parameters of the same names, which decide what is done for an image."""

    detection_size: int = 480
    search_period_s: float = 0.0
    mirror_max_faces: int | None = None


def measure_stages(
    detector: FaceDetector,
    runtime: Runtime,
    tracks: Sequence[Track],
    repeat: int,
    settings: Settings | None = None,
) -> list[StageTimes]:
    """
    Time the stages of several scenes, an image of each in turn.

    :param repeat: how many images of each scene, at 30 Hz by their stamps
    :param settings: without: every image is searched, all faces are mirrored
    :returns: in the order of ``tracks``
    """
    settings = settings or Settings()
    timed = _TimedRuntime(runtime)
    estimator = HeadPoseEstimator(
        detector, runtime=timed, mirror_max_faces=settings.mirror_max_faces
    )
    results = [StageTimes() for _ in tracks]
    people = [
        (
            FaceFollower(settings.search_period_s, settings.detection_size, SearchAtOnce()),
            HeadTracker(),
        )
        for _ in tracks
    ]
    for number in range(WARM_UP + repeat):
        for track, (follower, tracker), result in zip(tracks, people, results, strict=True):
            seconds, heads = _go_through(estimator, timed, track, follower, tracker, number)
            if number >= WARM_UP:
                result.add(seconds, heads)
    return results


def _go_through(
    estimator: HeadPoseEstimator,
    runtime: _TimedRuntime,
    track: Track,
    follower: FaceFollower,
    tracker: HeadTracker,
    number: int,
) -> tuple[list[float], int]:
    message = track.messages[number % len(track.messages)]
    camera = track.scene.camera
    begin = time.perf_counter()
    image = track.convert(message)
    converted = time.perf_counter()
    faces = follower.find(estimator.detector, image, number * _PERIOD_S)
    detected = time.perf_counter()
    cut_faces(image, faces, runtime.description)
    cut = time.perf_counter()
    runtime.spent_s = 0.0
    heads = estimator.estimate_faces(image, faces, camera)
    estimated = time.perf_counter()
    tracked = tracker.update(heads, number * _PERIOD_S)
    followed = time.perf_counter()
    track.publish(tracked, message)
    end = time.perf_counter()
    crop_s, network_s = cut - detected, runtime.spent_s
    return [
        converted - begin,
        detected - converted,
        crop_s,
        network_s,
        max(0.0, estimated - cut - network_s - crop_s),
        followed - estimated,
        end - followed,
    ], len(tracked)


class _TimedRuntime:
    """A network that adds up the time that is spent in it."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.name = runtime.name
        self.description = runtime.description
        self.spent_s = 0.0

    def __call__(self, crops: Any) -> Any:
        return self._timed(self._runtime, crops)

    def with_expected_error(self, crops: Any) -> Any:
        return self._timed(self._runtime.with_expected_error, crops)

    def _timed(self, function: Callable[[Any], Any], crops: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(crops)
        finally:
            self.spent_s += time.perf_counter() - start

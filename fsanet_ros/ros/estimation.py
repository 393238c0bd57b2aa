"""
From image messages to heads, beside the executor.

The executor's thread does everything that is ROS: it takes messages, keeps identities, publishes.
A thread of its own reads the pixels and runs detector and network, most of it outside Python's
lock, so that the next image is received meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from fsanet_ros.depth import with_depth
from fsanet_ros.detection.following import FaceFollower
from fsanet_ros.estimator import HeadPoseEstimator, View
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.ros.background import Background
from fsanet_ros.ros.input.camera_info import Calibration
from fsanet_ros.ros.input.depth_images import depth_from_image
from fsanet_ros.ros.input.images import BgrImage, ImageError, bgr_from_compressed, bgr_from_image
from fsanet_ros.ros.statistics import FAILED, UNREADABLE
from fsanet_ros.types import Head


@dataclass(frozen=True, eq=False)
class Shot:
    """
    An image message that is to be estimated, and what belongs to it.

    ``source`` is whatever the caller wants back with the result. ``depth``: an aligned depth
    image, sensor_msgs/Image, or None. ``follower``: finds the faces, of the same camera.
    """

    source: Any
    message: Any
    stamp_ns: int
    calibration: Calibration
    follower: FaceFollower
    depth: Any | None = None


@dataclass(frozen=True, eq=False)
class Estimate:
    """
    What came of a shot: its heads, or why there is nothing.

    ``image``, None where nothing came, may be a view into the message. ``dropped``: the reason in
    a word or two, ``problem`` in full. ``depth_problem``: why its depth was not used.
    """

    shot: Shot
    image: BgrImage | None = None
    camera: CameraModel | None = None
    heads: list[Head] = field(default_factory=list)
    dropped: str = ''
    problem: str = ''
    depth_problem: str = ''


def estimate_shots(estimator: HeadPoseEstimator, shots: Sequence[Shot]) -> list[Estimate]:
    """Return what comes of each shot; all their faces go through the network in one batch."""
    views: dict[int, View] = {}
    problems: dict[int, str] = {}
    for index, shot in enumerate(shots):
        try:
            image = _pixels(shot.message)
        except ImageError as error:
            problems[index] = str(error)
        else:
            camera = shot.calibration.camera_for(image.shape[1], image.shape[0])
            views[index] = View(image, camera)
    faces = [
        shots[index].follower.find(estimator.detector, view.image, shots[index].stamp_ns / 1e9)
        for index, view in views.items()
    ]
    found = estimator.estimate_found(list(views.values()), faces)
    heads = dict(zip(views, found, strict=True))
    return [
        _estimate(shot, views[index], heads[index])
        if index in views
        else Estimate(shot, dropped=UNREADABLE, problem=problems[index])
        for index, shot in enumerate(shots)
    ]


def _pixels(message: Any) -> BgrImage:
    if hasattr(message, 'format'):  # sensor_msgs/CompressedImage
        return bgr_from_compressed(message)
    return bgr_from_image(message)


def _estimate(shot: Shot, view: View, heads: list[Head]) -> Estimate:
    depth_problem = ''
    if shot.depth is not None and view.camera is not None and heads:
        try:
            depth = depth_from_image(shot.depth)
            heads = [with_depth(head, depth, view.camera) for head in heads]
        except ImageError as error:
            depth_problem = str(error)
    return Estimate(shot, view.image, view.camera, heads, depth_problem=depth_problem)


class Estimation:
    """Runs one estimation after another in a thread, and hands results to the executor's."""

    def __init__(self, node: Any, take: Callable[[list[Estimate]], None]) -> None:
        """``take`` gets the results, in a callback of the node; it may start the next."""
        self._take = take
        self._background = Background(node, 'estimation', self._on_finished)
        self._shots: Sequence[Shot] = ()

    @property
    def busy(self) -> bool:
        """Whether an estimation runs or its results have not been taken."""
        return self._background.busy

    def start(self, estimator: HeadPoseEstimator, shots: Sequence[Shot]) -> None:
        """Estimate shots; only when not busy."""
        self._shots = shots
        self._background.start(estimate_shots, estimator, shots)

    def abandon(self) -> None:
        """Wait for what runs, some milliseconds, and drop its results."""
        self._background.abandon()

    def destroy(self) -> None:
        """End the thread."""
        self._background.destroy()

    def _on_finished(self, future: Future[list[Estimate]]) -> None:
        error = future.exception()
        if error is None:
            self._take(future.result())
        else:  # whatever it is, the next image may do
            problem = f'{type(error).__name__}: {error}'
            self._take([Estimate(shot, dropped=FAILED, problem=problem) for shot in self._shots])

"""
Videos of one small face in a large scene, and what a follower makes of them.

The face is there from the first image on: it rests, or walks at 1 m/s. Nothing tells the follower
where to look but the images themselves.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np

from fsanet_ros.benchmarks.scenes import MIN_OVERLAP, soft_border
from fsanet_ros.detection import FaceDetector
from fsanet_ros.detection.sweep import FACE_M
from fsanet_ros.estimator import HeadPoseEstimator, View
from fsanet_ros.tracking.tracker import HeadTracker
from fsanet_ros.types import Face, Image, Square

RATE_HZ = 30.0
SPEED_M_S = 1.0
NOISE = 2.0  # of the sensor, in grey levels

_SQUARE = 2.0**0.5  # a face square's side over the landmarks' box
_MARGIN = 4  # pixels between the face and the border


class Follower(Protocol):
    """What ``FaceFollower`` of this version and of others have in common."""

    def find(self, detector: FaceDetector, image: Image, time_s: float) -> list[Face]:
        """Return the faces in an image."""

    def close(self) -> None:
        """End what runs."""


@dataclass(frozen=True)
class FarCase:
    """``face_px``: the larger side of the landmarks' box."""

    width: int
    height: int
    face_px: int
    moves: bool
    seconds: float = 1.0

    @property
    def name(self) -> str:
        """The case in words."""
        return (
            f'{self.width}x{self.height} {self.face_px} px {"moving" if self.moves else "static"}'
        )


@dataclass
class FarFigures:
    """
    What came of some videos of a case.

    ``first_s``: when each face was first seen, NaN for never. ``seen``: of the images after that,
    the share in which it was seen. ``ids``: how many each face got. ``cpu_ms``: processor time of
    each image, all threads; the median of each video. ``wrong``: found where there is no face, in
    all images; ``wrong_ids``: of these, what was announced as a head. ``images``: how many.
    """

    first_s: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    wrong: int = 0
    wrong_ids: int = 0
    images: int = 0

    def summary(self) -> dict[str, float]:
        """Return shares and means; NaN where there is nothing to count."""
        found = [s for s in self.first_s if s == s]
        return {
            'videos': len(self.first_s),
            'found': len(found) / max(len(self.first_s), 1),
            'first_s': statistics.median(found) if found else float('nan'),
            'seen': statistics.fmean(self.seen) if self.seen else float('nan'),
            'ids': statistics.fmean(self.ids) if self.ids else float('nan'),
            'cpu_ms': statistics.fmean(self.cpu_ms) if self.cpu_ms else float('nan'),
            'wrong_per_image': self.wrong / max(self.images, 1),
            'wrong_ids': self.wrong_ids,
        }


def video(
    case: FarCase, face: Image | None, background: Image, rng: np.random.Generator
) -> Iterator[tuple[Image, Square | None]]:
    """
    Yield the images of a video, uint8 [h, w, 3] BGR, with the square of the face in each.

    :param face: the face square, uint8 [s, s, 3]; None: nobody is there
    :param background: of any size; scaled and cut to fill the image
    """
    scene = _fill(background, case.width, case.height)
    side = max(8, round(case.face_px * _SQUARE))
    room = np.array([case.width - side - 2 * _MARGIN, case.height - side - 2 * _MARGIN])
    start = rng.uniform(0.0, 1.0, 2) * room
    step = np.zeros(2)
    if case.moves:  # mostly across, as people walk
        step_px = SPEED_M_S * case.face_px / FACE_M / RATE_HZ
        angle = rng.uniform(-0.3, 0.3) + (0.0 if rng.random() < 0.5 else np.pi)
        step = step_px * np.array([np.cos(angle), np.sin(angle)])
    noise = [rng.normal(0.0, NOISE, scene.shape).astype(np.int8) for _ in range(3)]
    for number in range(round(case.seconds * RATE_HZ)):
        image, square = scene.copy(), None
        if face is not None:
            # There and back again where the walk leads out of the image.
            place = room - np.abs((start + number * step) % (2 * room) - room)
            square = _paste(image, face, side, place + _MARGIN)
        shift = tuple(int(n) for n in rng.integers(0, 64, 2))
        grain = np.roll(noise[number % 3], shift, (0, 1))
        yield cv2.add(image, grain, dtype=cv2.CV_8U), square


def measure(
    followers: dict[str, Callable[[], Follower]],
    estimator: HeadPoseEstimator,
    case: FarCase,
    faces: Sequence[Image | None],
    backgrounds: Sequence[Image],
    seed: int = 0,
) -> dict[str, FarFigures]:
    """
    Let followers watch the same videos, image by image in turns.

    :param followers: by name, made anew for each video
    :param faces: one for each video; None for a video without anybody
    """
    figures = {name: FarFigures() for name in followers}
    for number, face in enumerate(faces):
        rng = np.random.default_rng([seed, number])
        background = backgrounds[number % len(backgrounds)]
        watched = {name: _Watched(make(), estimator) for name, make in followers.items()}
        for index, (image, square) in enumerate(video(case, face, background, rng)):
            names = list(watched) if index % 2 else list(watched)[::-1]
            for name in names:
                watched[name].look(image, square, index / RATE_HZ)
        for name, one in watched.items():
            one.add_to(figures[name], someone=face is not None)
    return figures


class _Watched:
    """A follower at one video."""

    def __init__(self, follower: Follower, estimator: HeadPoseEstimator) -> None:
        self._follower, self._estimator = follower, estimator
        self._tracker = HeadTracker()
        self._first_s = float('nan')
        self._seen = self._since = self._wrong = 0
        self._ids: set[str] = set()
        self._wrong_ids: set[str] = set()
        self._cpu_ms: list[float] = []

    def look(self, image: Image, square: Square | None, time_s: float) -> None:
        begin = time.process_time()
        faces = self._follower.find(self._estimator.detector, image, time_s)
        heads = self._estimator.estimate_found([View(image)], [faces])[0]
        self._cpu_ms.append(1e3 * (time.process_time() - begin))
        right = [square is not None and _is_it(face, square) for face in faces]
        self._wrong += len(faces) - sum(right)
        if any(right) and self._first_s != self._first_s:
            self._first_s = time_s
        elif self._first_s == self._first_s:
            self._since += 1
            self._seen += any(right)
        for tracked in self._tracker.update(heads, time_s):
            is_it = square is not None and _is_it(tracked.head.face, square)
            (self._ids if is_it else self._wrong_ids).add(tracked.id)

    def add_to(self, figures: FarFigures, someone: bool) -> None:
        self._follower.close()
        figures.images += len(self._cpu_ms)
        figures.cpu_ms.append(statistics.fmean(self._cpu_ms))
        figures.wrong += self._wrong
        figures.wrong_ids += len(self._wrong_ids - self._ids)
        if someone:
            figures.first_s.append(self._first_s)
        if self._since:
            figures.seen.append(self._seen / self._since)
            figures.ids.append(len(self._ids))


def _is_it(face: Face, square: Square) -> bool:
    return face.square.box.iou(square.box) >= MIN_OVERLAP


def _fill(background: Image, width: int, height: int) -> Image:
    scale = max(width / background.shape[1], height / background.shape[0])
    size = (
        max(width, round(background.shape[1] * scale)),
        max(height, round(background.shape[0] * scale)),
    )
    method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC
    filled = cv2.resize(background, size, interpolation=method)
    x, y = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(filled[y : y + height, x : x + width], np.uint8)


def _paste(image: Image, face: Image, side: int, place: np.ndarray) -> Square:
    """Blend the face in at a place that need not be whole pixels; return its square there."""
    left, top = (int(p) for p in place)
    method = cv2.INTER_AREA if side < face.shape[0] else cv2.INTER_CUBIC
    small = cv2.resize(face, (side, side), interpolation=method)
    shift = np.array([[1.0, 0.0, place[0] - left], [0.0, 1.0, place[1] - top]])
    moved = cv2.warpAffine(small, shift, (side, side), borderMode=cv2.BORDER_REPLICATE)
    alpha = soft_border(side)
    region = image[top : top + side, left : left + side]
    region[...] = (alpha * moved + (1.0 - alpha) * region).astype(np.uint8)
    return Square(place[0] + side / 2.0, place[1] + side / 2.0, float(side))

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

from fsanet_ros.benchmarks.scenes import MIN_OVERLAP, PATCH, heads_of_clip, soft_border
from fsanet_ros.detection import FaceDetector
from fsanet_ros.detection.sweep import FACE_M
from fsanet_ros.estimator import HeadPoseEstimator, View
from fsanet_ros.geometry.rotations import geodesic_deg, matrix_from_yaw_pitch_roll_deg
from fsanet_ros.tracking.tracker import HeadTracker
from fsanet_ros.types import Face, FloatArray, Image, Square

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


@dataclass(frozen=True, eq=False)
class FarFace:
    """A face square, uint8 [s, s, 3] BGR, and its pose where that is known."""

    picture: Image
    rotation_optical: FloatArray | None = None


@dataclass(frozen=True)
class FarCase:
    """
    One face in a scene, or nobody.

    ``face_px``: the larger side of the landmarks' box. ``turn_deg``: by how much the face is turned
    clockwise in the image.
    """

    width: int
    height: int
    face_px: int
    moves: bool = False
    turn_deg: float = 0.0
    seconds: float = 1.0

    @property
    def name(self) -> str:
        """The case in words."""
        turned = f', turned by {self.turn_deg:g} degrees' if self.turn_deg else ''
        moving = 'moving' if self.moves else 'static'
        return f'{self.width}x{self.height}, {self.face_px} px, {moving}{turned}'


@dataclass
class FarFigures:
    """
    What came of some videos of a case.

    ``first_s``: when each face was first seen, NaN for never. ``seen``: of the images after that,
    the share in which it was seen. ``ids``: how many each face got. ``cpu_ms``: processor time of
    each image, all threads; the median of each video. ``wrong``: found where there is no face, in
    all images; ``wrong_ids``: of these, what was announced as a head. ``images``: how many.
    ``errors_deg``: of the announced heads whose orientation and truth are known, geodesic, mean of
    each video.
    """

    first_s: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    errors_deg: list[float] = field(default_factory=list)
    wrong: int = 0
    wrong_ids: int = 0
    images: int = 0

    def summary(self) -> dict[str, float]:
        """Return shares and means; NaN where there is nothing to count."""
        found = [s for s in self.first_s if s == s]
        return {
            'videos': len(self.cpu_ms),
            'found': len(found) / max(len(self.first_s), 1),
            'first_s': statistics.median(found) if found else float('nan'),
            'seen': statistics.fmean(self.seen) if self.seen else float('nan'),
            'ids': statistics.fmean(self.ids) if self.ids else float('nan'),
            'cpu_ms': statistics.fmean(self.cpu_ms) if self.cpu_ms else float('nan'),
            'error_deg': statistics.fmean(self.errors_deg) if self.errors_deg else float('nan'),
            'wrong_per_image': self.wrong / max(self.images, 1),
            'wrong_ids': self.wrong_ids,
        }


def video(
    case: FarCase, face: FarFace | None, background: Image, rng: np.random.Generator
) -> Iterator[tuple[Image, Square | None]]:
    """
    Yield the images of a video, uint8 [h, w, 3] BGR, with the square of the face in each.

    :param face: None: nobody is there
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
    picture = None if face is None else _turned(face.picture, case.turn_deg)
    noise = [rng.normal(0.0, NOISE, scene.shape).astype(np.int8) for _ in range(3)]
    for number in range(round(case.seconds * RATE_HZ)):
        image, square = scene.copy(), None
        if picture is not None:
            # There and back again where the walk leads out of the image.
            place = room - np.abs((start + number * step) % (2 * room) - room)
            square = _paste(image, picture, side, place + _MARGIN)
        shift = tuple(int(n) for n in rng.integers(0, 64, 2))
        grain = np.roll(noise[number % 3], shift, (0, 1))
        yield cv2.add(image, grain, dtype=cv2.CV_8U), square


def measure(
    followers: dict[str, Callable[[], Follower]],
    estimator: HeadPoseEstimator,
    case: FarCase,
    faces: Sequence[FarFace | None],
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
        truth = None
        if face is not None and face.rotation_optical is not None:
            turn = matrix_from_yaw_pitch_roll_deg([0.0, 0.0, case.turn_deg])
            truth = turn @ face.rotation_optical
        watched = {name: _Watched(make(), estimator, truth) for name, make in followers.items()}
        for index, (image, square) in enumerate(video(case, face, background, rng)):
            names = list(watched) if index % 2 else list(watched)[::-1]
            for name in names:
                watched[name].look(image, square, index / RATE_HZ)
        for name, one in watched.items():
            one.add_to(figures[name], someone=face is not None)
    return figures


class _Watched:
    """A follower at one video."""

    def __init__(
        self, follower: Follower, estimator: HeadPoseEstimator, truth: FloatArray | None
    ) -> None:
        self._follower, self._estimator, self._truth = follower, estimator, truth
        self._errors_deg: list[float] = []
        self._tracker = HeadTracker()
        self._first_s = float('nan')
        self._seen = self._since = self._wrong = 0
        self._ids: set[str] = set()
        self._wrong_ids: set[str] = set()
        self._cpu_ms: list[float] = []

    def look(self, image: Image, square: Square | None, time_s: float) -> None:
        begin = time.process_time()
        found = self._follower.find(self._estimator.detector, image, time_s)
        heads = self._estimator.estimate_found([View(image)], [found])[0]
        self._cpu_ms.append(1e3 * (time.process_time() - begin))
        faces = [face for face in found if face.seen]
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
            if is_it and self._truth is not None and tracked.head.rotation_known:
                error_deg = geodesic_deg(tracked.head.rotation_optical, self._truth)
                self._errors_deg.append(float(error_deg))

    def add_to(self, figures: FarFigures, someone: bool) -> None:
        self._follower.close()
        figures.images += len(self._cpu_ms)
        figures.cpu_ms.append(statistics.fmean(self._cpu_ms))
        figures.wrong += self._wrong
        figures.wrong_ids += len(self._wrong_ids - self._ids)
        if self._errors_deg:
            figures.errors_deg.append(statistics.fmean(self._errors_deg))
        if someone:
            figures.first_s.append(self._first_s)
        if self._since:
            figures.seen.append(self._seen / self._since)
            figures.ids.append(len(self._ids))


def rendered_faces(count: int) -> list[FarFace]:
    """Return heads of the demo's clip, cut to their face squares; the same each time."""
    patches = [patch for person in heads_of_clip() for patch in person.values()]
    chosen = np.linspace(0, len(patches) - 1, count).astype(int)
    faces = []
    for index in chosen:
        patch = patches[index]
        border = round(patch.shape[0] * (1.0 - 1.0 / PATCH) / 2.0)
        faces.append(FarFace(np.ascontiguousarray(patch[border:-border, border:-border])))
    return faces


def soft_backgrounds(count: int) -> list[Image]:
    """Return pictures of soft blotches, for want of photographs."""
    rng = np.random.default_rng(0)
    return [
        cv2.resize(rng.integers(60, 180, (9, 16, 3), np.uint8), (1280, 720), interpolation=2)
        for _ in range(count)
    ]


def _is_it(face: Face, square: Square) -> bool:
    return face.square.box.iou(square.box) >= MIN_OVERLAP


def _turned(picture: Image, turn_deg: float) -> Image:
    if not turn_deg:
        return picture
    middle = (picture.shape[1] - 1) / 2.0, (picture.shape[0] - 1) / 2.0
    turn = cv2.getRotationMatrix2D(middle, -turn_deg, 1.0)
    size = picture.shape[1], picture.shape[0]
    turned = cv2.warpAffine(picture, turn, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


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


def _paste(image: Image, face: Image, side: int, place: FloatArray) -> Square:
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

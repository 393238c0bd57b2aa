"""
Run a network over the faces of a data set, each cut to the crop that the weights want.

    images = read_300w_lp(root)
    evaluation = evaluate_images(images, make_runtime('fsanet_1x1'))
    print(figures(evaluation.errors))

Threads read pictures and cut faces ahead of the network.
"""

from __future__ import annotations

import math
import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fsanet_ros.detection import FaceDetector
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.inference.crops import cut_crop, cut_official_crop, official_region
from fsanet_ros.inference.description import Description
from fsanet_ros.inference.passes import mirrored_pass
from fsanet_ros.inference.runtime import Runtime
from fsanet_ros.research.augmentation.conditions import Change, at_one_size
from fsanet_ros.research.datasets.faces import MAX_ANGLE_DEG
from fsanet_ros.research.datasets.labelled_images import (
    LabelledImage,
    read_picture,
    square_around,
    whole_pixels,
)
from fsanet_ros.research.evaluation.pose_errors import (
    PoseErrors,
    RotationsOf,
    compare,
    smallest_angles_deg,
)
from fsanet_ros.types import Face, FloatArray, Image

BATCH = 64
AHEAD = 4 * BATCH  # pictures; their crops take 3 MB

# From crops, uint8 [n, 64, 64, 3], to yaw, pitch, roll in degrees, float64 [n, 3].
Estimate = Callable[[Runtime, NDArray[np.uint8]], FloatArray]
Item = TypeVar('Item')
Result = TypeVar('Result')


@dataclass(frozen=True, eq=False)
class Evaluation:
    """
    A network's answers on a data set.

    ``images``, ``faces`` and ``errors`` belong to the n faces that were found, out of
    ``looked_for``; a face says where its crop was cut.
    """

    images: list[LabelledImage]
    faces: list[Face]
    errors: PoseErrors
    looked_for: int

    @property
    def detected(self) -> float:
        """The share of the faces that were found."""
        return len(self.faces) / self.looked_for


class FindFace(Protocol):
    """Finds the face that a label is about."""

    def __call__(self, picture: Image, labelled: LabelledImage) -> Face | None:
        """Return the face, or None if it is not found; called from several threads."""
        ...


def square_of_label(picture: Image, labelled: LabelledImage) -> Face | None:
    """
    Return the face with the data set's square; a FindFace.

    Its box is that of the 2D landmarks, if known.
    """
    del picture
    square_box = labelled.square_box or labelled.box
    if square_box is None:
        return None
    box = whole_pixels(labelled.box or square_box)
    return Face(box, 1.0, square_around(square_box))


def box_of_label(picture: Image, labelled: LabelledImage) -> Face | None:
    """Return the face with the data set's box; a FindFace."""
    return None if labelled.box is None else square_of_label(picture, labelled)


def by_labels(crop: str) -> FindFace:
    """Return the FindFace that takes faces from the labels, for weights with this crop."""
    return box_of_label if crop == 'official' else square_of_label


class DetectedFaces:
    """Finds faces with a detector; a FindFace."""

    def __init__(self, detector: FaceDetector) -> None:
        self.detector = detector
        self._one_at_a_time = threading.Lock()  # detectors keep buffers

    def __call__(self, picture: Image, labelled: LabelledImage) -> Face | None:
        """
        Return the detected face that the label is about.

        It is the one closest to the middle of the true face square, and inside it; if the data set
        gives no box, the largest one.
        """
        with self._one_at_a_time:
            faces = self.detector.detect(picture)
        box = labelled.square_box or labelled.box
        if box is None:
            return max(faces, key=lambda face: face.square.side, default=None)
        truth = square_around(box)
        offsets = [
            (abs(f.square.center_x - truth.center_x), abs(f.square.center_y - truth.center_y))
            for f in faces
        ]
        near = [
            (math.hypot(*offset), index)
            for index, offset in enumerate(offsets)
            if max(offset) <= truth.side / 2
        ]
        return faces[min(near)[1]] if near else None


def plain_angles(runtime: Runtime, crops: NDArray[np.uint8]) -> FloatArray:
    """Return the network's angles as they are, as the literature compares them; an Estimate."""
    return runtime(crops)


def mirror_averaged_angles(runtime: Runtime, crops: NDArray[np.uint8]) -> FloatArray:
    """Return the angles averaged with those of the mirrored crops; an Estimate."""
    return smallest_angles_deg(mirrored_pass(runtime, crops).rotations)


def within_angle_limit(images: Iterable[LabelledImage]) -> list[LabelledImage]:
    """Return the faces without an angle beyond 99 degrees, on which the literature tests."""
    return [i for i in images if max(map(abs, i.yaw_pitch_roll_deg)) <= MAX_ANGLE_DEG]


def evaluate_images(
    images: Sequence[LabelledImage],
    runtime: Runtime,
    find: FindFace | None = None,
    estimate: Estimate = plain_angles,
    rotations_of: RotationsOf = matrix_from_yaw_pitch_roll_deg,
    change: Change | None = None,
) -> Evaluation:
    """
    Estimate the pose of each labelled face and compare it with its label.

    :param find: finds the faces; None takes them from the labels
    :param change: changes pictures and boxes before faces are cut, the same way each time
    :param rotations_of: maps the labels' angles to rotations
    :raises ValueError: if no face was found, or naming a picture that cannot be read or cut
    """
    find = find or by_labels(runtime.description.crop)
    kept: list[LabelledImage] = []
    faces: list[Face] = []
    answers: list[FloatArray] = []
    waiting: list[Image] = []
    for labelled, face, crop in _found(images, find, runtime.description, change):
        kept.append(labelled)
        faces.append(face)
        waiting.append(crop)
        if len(waiting) == BATCH:
            answers.append(estimate(runtime, np.stack(waiting)))
            waiting.clear()
    if waiting:
        answers.append(estimate(runtime, np.stack(waiting)))
    if not kept:
        where = f', from {images[0].path} on' if images else ''
        raise ValueError(f'none of {len(images)} faces was found{where}')
    truth = np.array([labelled.yaw_pitch_roll_deg for labelled in kept], np.float64)
    errors = compare(np.concatenate(answers), truth, rotations_of)
    return Evaluation(kept, faces, errors, len(images))


def _found(
    images: Sequence[LabelledImage],
    find: FindFace,
    description: Description,
    change: Change | None,
) -> Iterator[tuple[LabelledImage, Face, Image]]:
    """Yield the found faces in order, each with its crop."""

    def read_and_cut(labelled: LabelledImage) -> tuple[LabelledImage, Face, Image] | None:
        picture = read_picture(labelled)
        face = find(picture, labelled)
        if change is not None and face is not None:
            rng = np.random.default_rng(zlib.crc32(str(labelled.path).encode()))
            picture, face = change(*at_one_size(picture, face), rng)
        crop = None
        if face is not None:
            crop = cut_face(picture, face, labelled.margin, description, labelled.border)
        if face is None or crop is None:
            # A detector may put a box outside the picture; a label that does is wrong.
            if face is not None and not isinstance(find, DetectedFaces):
                raise ValueError(f'{labelled.path}: the box {labelled.box} is not in the picture')
            return None
        return labelled, face, crop

    with (
        ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool,
        tqdm(total=len(images), desc='evaluating', unit='face', leave=False, disable=None) as bar,
    ):
        for result in _ahead(pool, read_and_cut, images):
            bar.update()
            if result is not None:
                yield result


def cut_face(
    picture: Image, face: Face, margin: float, description: Description, border: int = 0
) -> Image | None:
    """
    Cut the crop that the network would get in use; None if it is entirely outside the picture.

    :param margin: how far the official crop grows the box, as a share of its size
    :param border: pixels by which it grows further, to the right and below
    :returns: uint8 [64, 64, 3]
    """
    if description.crop == 'official':
        if not picture[official_region(picture.shape, face.box, margin, border)].size:
            return None
        return cut_official_crop(picture, face.box, margin, border=border)
    square = face.square.scaled(description.crop_scale)
    return cut_crop(picture, square) if square.side >= 1.0 else None


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """Yield the results of all items in order, computing a few ahead."""
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()

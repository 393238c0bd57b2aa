"""The images and faces that models are compared on, with the truth where it is known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path

import numpy as np

from fsanet_ros import demo
from fsanet_ros.detection import FaceDetector
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg, rotation_to_ray
from fsanet_ros.inference.crops import OFFICIAL_MARGIN
from fsanet_ros.research.datasets.faces import MAX_ANGLE_DEG
from fsanet_ros.research.datasets.labelled_images import (
    BoxOf,
    LabelledImage,
    read_picture,
    square_around,
)
from fsanet_ros.research.evaluation.comparison import heads_of_truth
from fsanet_ros.research.evaluation.pose_errors import RotationsOf
from fsanet_ros.types import Box, Face, Head, Image


@dataclass(frozen=True, eq=False)
class Scene:
    """An image, the faces that all models get, and the true heads, None if unknown."""

    image: Image
    faces: list[Face]
    truth: list[Head] | None


def scenes_of_frames(
    frames: Iterable[Image],
    detector: FaceDetector,
    truths: dict[int, list[Head]] | None,
    every: int = 1,
) -> Iterator[Scene]:
    """
    Return the scenes of a video.

    :param truths: the true heads by frame number, see read_truths
    :param every: 2 for every second frame, and so on
    """
    for number, image in islice(enumerate(frames), 0, None, every):
        truth = None if truths is None else truths.get(number, [])
        yield Scene(image, detector.detect(image), truth)


def read_truths(path: Path, camera: CameraModel | None) -> dict[int, list[Head]]:
    """
    Read a table of poses like fsanet_ros/demo/clip_poses.csv; return the true heads by frame.

    :param camera: None turns the rotations to be relative to the ray to the face, as models
        without a known camera see them
    :raises ValueError: if it is not such a table
    """
    by_frame: dict[int, list[demo.FaceTruth]] = defaultdict(list)
    try:
        for truth in demo.read_poses(path):
            by_frame[truth.frame].append(truth if camera else _against_ray(truth))
    except ValueError as error:
        raise ValueError(_no_table(path, str(error))) from error
    return {number: heads_of_truth(truths) for number, truths in by_frame.items()}


def by_picture(labelled: Iterable[LabelledImage]) -> list[list[LabelledImage]]:
    """
    Group the faces of a data set by picture, in the data set's order.

    Faces with an angle beyond 99 degrees are left out, as in all evaluations.
    """
    within = (i for i in labelled if max(map(abs, i.yaw_pitch_roll_deg)) <= MAX_ANGLE_DEG)
    return [list(faces) for _, faces in groupby(within, key=lambda i: (i.archive, i.path))]


def scenes_of_data_set(
    pictures: Iterable[Sequence[LabelledImage]],
    detector: FaceDetector,
    rotations_of: RotationsOf = matrix_from_yaw_pitch_roll_deg,
) -> Iterator[Scene]:
    """
    Return the scenes of a data set, one per picture.

    The faces are the data set's, so that only the networks are compared. Where a face has no box,
    the detection with the highest score stands in for it: data sets without boxes have one person
    per picture.

    :param pictures: see by_picture
    :param rotations_of: maps the data set's angles to rotations
    :raises ValueError: naming the picture that cannot be read
    """
    for faces in pictures:
        image = read_picture(faces[0])
        truth = []
        for labelled in faces:
            face = _labelled_face(labelled) or next(iter(detector.detect(image)), None)
            if face is not None:
                rotation = rotations_of(np.array([labelled.yaw_pitch_roll_deg]))[0]
                truth.append(Head(face, rotation))
        yield Scene(image, [head.face for head in truth], truth)


def _labelled_face(labelled: LabelledImage) -> Face | None:
    of_square = labelled.square_box or labelled.box
    if labelled.box is None or of_square is None:
        return None
    square = square_around(of_square)
    # The box of which a margin of 0.6 makes the same region, to a pixel; BIWI's margin is 0.4.
    grow = (1 + 2 * labelled.margin) / (1 + 2 * OFFICIAL_MARGIN)
    box = _box(labelled.box)
    if grow != 1:
        (x, y), width, height = box.center, box.width * grow, box.height * grow
        box = Box(x - width / 2, y - height / 2, width, height)
    return Face(box, 1.0, square)


def _box(edges: BoxOf) -> Box:
    left, top, right, bottom = edges
    return Box(left, top, right - left, bottom - top)


def _against_ray(truth: demo.FaceTruth) -> demo.FaceTruth:
    if truth.rotation_optical is None or truth.position_m is None:
        return truth
    rotation = rotation_to_ray(truth.position_m).T @ truth.rotation_optical
    return replace(truth, rotation_optical=rotation)


def _no_table(path: Path, reason: str) -> str:
    return (
        f'{path} is not a table of poses ({reason}): expected the columns {", ".join(demo.COLUMNS)}'
    )

"""Faces of known pose that a detector has found, on which errors are measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fsanet_ros.demo import CLIP, CLIP_CAMERA, read_poses
from fsanet_ros.detection import FaceDetector
from fsanet_ros.files.calibration_file import read_calibration
from fsanet_ros.files.video import open_frames
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.position import position_covariance_m2, sellion_position_m
from fsanet_ros.geometry.rotations import rotation_to_ray
from fsanet_ros.inference.crops import cut_crop
from fsanet_ros.inference.passes import Answers, Pass
from fsanet_ros.inference.runtime import Runtime
from fsanet_ros.inference.uncertainty import features
from fsanet_ros.research.datasets.known_face import KnownFace
from fsanet_ros.types import Face, FloatArray, Image, Square

CHUNK = 256
MIN_INSIDE = 0.99  # share of a rendered head's landmarks in the picture, to leave out cut-off faces


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """
    Known faces that a detector has found.

    ``faces`` and ``known``: n of each. ``crops``: uint8 [n, 64, 64, 3]. ``looked_for``: how many
    there were. ``detector``: its name.
    """

    detector: str
    faces: list[Face]
    known: list[KnownFace]
    crops: NDArray[np.uint8]
    looked_for: int


@dataclass(frozen=True, eq=False)
class Cases:
    """
    A network's errors on n cases, and what else is known about each, after one or two passes.

    ``features``: see inference.uncertainty.features. ``errors_deg``: float64 [n, 3], the rotation
    vector from the estimate to the truth in the frame of the ray. ``persons``: int64 [n]. Float64
    [n], to group the cases by: ``scores``, ``sides_px`` of the face square, ``angles_deg`` out of
    the image plane, ``half_turns_deg``, half the rotation between both passes (NaN after one).
    """

    features: FloatArray
    errors_deg: FloatArray
    persons: NDArray[np.int64]
    scores: FloatArray
    sides_px: FloatArray
    angles_deg: FloatArray
    half_turns_deg: FloatArray

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.persons)

    def select(self, index: NDArray[np.bool_]) -> Cases:
        """Return some of the cases."""
        return Cases(*(values[index] for values in vars(self).values()))

    @classmethod
    def joined(cls, parts: Iterable[Cases]) -> Cases:
        """Join the cases of all parts."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))


def find_faces(
    pictures: Iterable[tuple[Image, KnownFace]],
    detectors: Sequence[FaceDetector],
    crop_scale: float,
) -> list[FoundFaces]:
    """
    Look for known faces; the detection with the highest score in the middle of a square counts.

    :returns: the faces that each detector found
    :raises ValueError: if a detector found none
    """
    found: list[list[tuple[Face, KnownFace, Image]]] = [[] for _ in detectors]
    looked_for = 0
    for image, truth in pictures:
        looked_for += 1
        for detector, rows in zip(detectors, found, strict=True):
            face = _in_the_middle(detector.detect(image), truth.square)
            if face is not None:
                rows.append((face, truth, cut_crop(image, face.square.scaled(crop_scale))))
    results = []
    for detector, rows in zip(detectors, found, strict=True):
        if not rows:
            raise ValueError(f'{detector.name} found none of {looked_for} faces: expected some')
        faces, known, crops = zip(*rows, strict=True)
        results.append(
            FoundFaces(detector.name, list(faces), list(known), np.stack(crops), looked_for)
        )
    return results


def answer(found: FoundFaces, runtime: Runtime, one_pass: Pass) -> Answers:
    """Run the network on the faces."""
    parts = [
        one_pass(runtime, found.crops[i : i + CHUNK]) for i in range(0, len(found.crops), CHUNK)
    ]
    rotations = np.concatenate([part.rotations for part in parts])
    turns = [part.half_turns_deg for part in parts if part.half_turns_deg is not None]
    errors = [p.expected_errors_deg for p in parts if p.expected_errors_deg is not None]
    return Answers(
        rotations,
        np.concatenate(turns) if turns else None,
        np.concatenate(errors) if errors else None,
    )


def cases(found: FoundFaces, answers: Answers, crop_scale: float) -> Cases:
    """Compare the network's answers with the truth."""
    truth = np.stack(list(map(_rotation_against_ray, found.faces, found.known)))
    turns = Rotation.from_matrix(truth @ np.swapaxes(answers.rotations, -1, -2))
    scores = np.array([face.score for face in found.faces])
    sides_px = np.array([face.square.side for face in found.faces])
    halves = answers.half_turns_deg
    return Cases(
        features=features(answers, scores, sides_px * crop_scale),
        errors_deg=np.degrees(turns.as_rotvec()),
        persons=np.array([known.person for known in found.known]),
        scores=scores,
        sides_px=sides_px,
        angles_deg=np.degrees(np.arccos(np.clip(answers.rotations[:, 2, 2], -1.0, 1.0))),
        half_turns_deg=np.full(len(scores), np.nan)
        if halves is None
        else np.linalg.norm(halves, axis=1),
    )


def position_cases(
    found: FoundFaces, answers: Answers
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """
    Compare positions with the truth, in the frame of the ray to the estimated position.

    :returns: errors and their standard deviations, float64 [n, 3] each, and distances,
        float64 [n], metres
    """
    rows = []
    for face, known, in_crop in zip(found.faces, found.known, answers.rotations, strict=True):
        if known.camera is None or known.position_m is None:
            continue
        rotation = _to_ray(face, known.camera) @ in_crop
        position = sellion_position_m(face.square, face.landmarks, rotation, known.camera)
        if position is not None:
            to_ray = rotation_to_ray(position)
            covariance = to_ray.T @ position_covariance_m2(position, face.square.side) @ to_ray
            error = to_ray.T @ (known.position_m - position)
            rows.append([*error, *np.sqrt(np.diag(covariance)), np.linalg.norm(position)])
    table = np.array(rows)
    return table[:, :3], table[:, 3:6], table[:, 6]


def clip_faces() -> Iterator[tuple[Image, KnownFace]]:
    """Yield the rendered heads of the demo's clip, one at a time."""
    camera = CameraModel.from_calibration(read_calibration(CLIP_CAMERA))
    truth: dict[int, list[KnownFace]] = {}
    for face in read_poses():
        if face.rotation_optical is None or face.square is None or face.inside <= MIN_INSIDE:
            continue
        known = KnownFace(face.face, face.square, face.rotation_optical, camera, face.position_m)
        truth.setdefault(face.frame, []).append(known)
    with open_frames(CLIP) as frames:
        for number, image in enumerate(frames):
            for known in truth.get(number, ()):
                yield image, known


def _in_the_middle(faces: list[Face], square: Square) -> Face | None:
    for face in faces:
        off = face.square.center_x - square.center_x, face.square.center_y - square.center_y
        if max(map(abs, off)) < square.side / 4:
            return face
    return None


def _rotation_against_ray(face: Face, known: KnownFace) -> FloatArray:
    if known.camera is None:
        return known.rotation
    against_ray: FloatArray = _to_ray(face, known.camera).T @ known.rotation
    return against_ray


def _to_ray(face: Face, camera: CameraModel) -> FloatArray:
    # The ray that is used at run time, to where the face was found.
    return rotation_to_ray(camera.rays([[face.square.center_x, face.square.center_y]])[0])

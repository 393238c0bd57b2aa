"""
Training faces of Pointing'04: what the people looked at tells more of steep tilts than a teacher.

Where a person was told to look is known only nominally: people turn less than the marks do, and
partly with their eyes. The teacher, on the other hand, sees the picture, but is unsure far from the
front. A label is between the two: the direction of the nose is the mean of the teacher's and of
what the teacher says of all people at that mark.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from fsanet_ros.arrays import FloatArray
from fsanet_ros.geometry import rotations
from fsanet_ros.inference.crops import cut_crop
from fsanet_ros.research.datasets.faces import LabelledFaces
from fsanet_ros.research.datasets.labelled_images import (
    LabelledImage,
    box_of,
    read_picture,
    square_around,
)
from fsanet_ros.research.datasets.pointing04 import PROTOCOL_2_TEST, read_pointing04
from fsanet_ros.research.training.teacher import SIZE, Teacher
from fsanet_ros.research.training.teachers import Teachers

# How much of the label is the mark, the rest is the teacher; for tilts people agree better.
_PAN_SHARE, _TILT_SHARE = 0.5, 0.6
_NEAR_FRONT_DEG = 45.0


def pointing04_faces(root: str | Path, teacher: Teacher | Teachers) -> LabelledFaces:
    """
    Read, cut and label the faces that may be trained on.

    :raises FileNotFoundError: if the folder is not that of Pointing'04
    :raises ValueError: naming the file that does not hold what it should
    """
    people = [i for i in read_pointing04(root) if i.group not in PROTOCOL_2_TEST]
    with tqdm(
        people, desc="cutting Pointing'04's faces", unit='face', leave=False, disable=None
    ) as bar:
        pictures = np.stack([_cut(labelled) for labelled in bar])
    marks = np.array([labelled.yaw_pitch_roll_deg[:2] for labelled in people])
    labels = between(teacher.label(pictures).rotations, marks, teacher.tilt_gain)
    angles = rotations.yaw_pitch_roll_deg_from_matrix(labels)
    names = np.array([str(labelled.path) for labelled in people], np.str_)
    return LabelledFaces(pictures, labels, angles, names)


def _cut(labelled: LabelledImage) -> NDArray[np.uint8]:
    box = box_of(labelled, labelled.square_box or labelled.box)
    return cut_crop(read_picture(labelled), square_around(box), SIZE)


def between(answers: FloatArray, marks_deg: FloatArray, tilt_gain: float) -> FloatArray:
    """
    Return labels: the teacher's rotations with their noses moved towards the marks.

    :param answers: float64 [n, 3, 3], the teacher's, R_optical
    :param marks_deg: float64 [n, 2], nominal pan and tilt
    :param tilt_gain: see Teacher
    :returns: float64 [n, 3, 3]
    """
    noses = rotations.nose_direction(answers)
    pan, tilt = rotations.pan_tilt_deg(answers).T
    front = np.abs(marks_deg[:, 0]) <= _NEAR_FRONT_DEG
    typical_pan = _typical(pan, marks_deg[:, 0], np.ones_like(front))
    typical_tilt = tilt_gain * _typical(tilt, marks_deg[:, 1], front)
    wanted = _direction(
        pan + _PAN_SHARE * (typical_pan - pan), tilt + _TILT_SHARE * (typical_tilt - tilt)
    )
    axis = np.cross(noses, wanted)
    sine = np.linalg.norm(axis, axis=1, keepdims=True)
    angle = np.arctan2(sine, (noses * wanted).sum(axis=1, keepdims=True))
    turn = Rotation.from_rotvec(axis / np.maximum(sine, 1e-12) * angle).as_matrix()
    labels: FloatArray = turn @ answers
    return labels


def _typical(angles: FloatArray, marks: FloatArray, counted: NDArray[np.bool_]) -> FloatArray:
    """Return for each face the median angle of those at the same mark, of the counted ones."""
    typical = np.empty_like(angles)
    for mark in np.unique(marks):
        at_mark = marks == mark
        among = at_mark & counted if (at_mark & counted).any() else at_mark
        typical[at_mark] = np.median(angles[among])
    return typical


def _direction(pan_deg: FloatArray, tilt_deg: FloatArray) -> FloatArray:
    pan, tilt = np.radians(pan_deg), np.radians(tilt_deg)
    across = np.cos(tilt)
    return np.stack([-np.sin(pan) * across, -np.sin(tilt), -np.cos(pan) * across], axis=1)

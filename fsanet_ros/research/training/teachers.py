"""
Several teachers as one: each without what it always gets wrong, the surer ones counting more.

What is wrong with each has been fitted on rendered heads of exactly known pose (label_calibration,
``./run labels --calibrate``) and is kept in ``teachers.json`` by the SHA-256 of its file. How far a
label may be off follows from how far the views of each teacher, and the teachers, are apart.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from fsanet_ros.files.downloads import sha256_of
from fsanet_ros.geometry import rotations
from fsanet_ros.inference.rotation_error import Coefficients
from fsanet_ros.research.training.error_fit import fit_added_variances
from fsanet_ros.research.training.label_calibration import Calibration
from fsanet_ros.research.training.teacher import Labels, Teacher, load_teacher

FloatArray = NDArray[np.float64]

_NONE_DEG = 0.1  # of a known part that there is none of
CALIBRATIONS = Path(__file__).with_name('teachers.json')
TOGETHER = 'together'  # the entry of what is known of the labels of all teachers


@dataclass(frozen=True, eq=False)
class Member:
    """
    One teacher.

    ``sigma``: its error is expected to be sqrt(sigma[0]^2 + (sigma[1] spread)^2) degrees, the
    spread that of its views.
    """

    teacher: Teacher
    calibration: Calibration
    sigma: tuple[float, float]


class Teachers:
    """Teachers that label together; takes the place of a Teacher."""

    tilt_gain = 1.0  # what a single one gets wrong has been undone

    def __init__(self, members: Sequence[Member]) -> None:
        """
        Take the teachers.

        :raises ValueError: if there is none
        """
        if not members:
            raise ValueError('no teachers: expected one or more')
        self.members = tuple(members)

    def label(self, pictures: NDArray[np.uint8]) -> Labels:
        """
        Label face squares.

        :param pictures: uint8 [n, 120, 120, 3] BGR
        """
        answers = [member.teacher.label(pictures) for member in self.members]
        return joined(answers, self.members)


def joined(answers: Sequence[Labels], members: Sequence[Member]) -> Labels:
    """
    Return one set of labels of several teachers' raw ones: the mean weighted by their variances.

    Its spread is the larger of the teachers' own; its sigma what the variances promise, and how far
    the teachers are from the mean besides.
    """
    corrected = [
        m.calibration.corrected(a.rotations) for m, a in zip(members, answers, strict=True)
    ]
    variances = np.stack(
        [
            m.sigma[0] ** 2 + (m.sigma[1] * a.spread_deg) ** 2
            for m, a in zip(members, answers, strict=True)
        ],
        axis=1,
    )
    shares = 1.0 / variances / (1.0 / variances).sum(axis=1, keepdims=True)
    mean = weighted_mean(np.stack(corrected, axis=1), shares)
    apart = np.stack([rotations.geodesic_deg(mean, c) for c in corrected], axis=1)
    promised = 1.0 / (1.0 / variances).sum(axis=1)
    sigma = np.sqrt(promised + (shares * apart**2).sum(axis=1))
    return Labels(mean, np.max([a.spread_deg for a in answers], axis=0), sigma)


def weighted_mean(answers: FloatArray, shares: FloatArray) -> FloatArray:
    """
    Return the weighted mean rotation of each row in the chordal sense.

    :param answers: float64 [n, k, 3, 3]
    :param shares: float64 [n, k], of which each row adds up to 1
    :returns: float64 [n, 3, 3]
    """
    u, _, vt = np.linalg.svd(np.einsum('nk,nkij->nij', shares, answers))
    signs = np.ones((len(answers), 3))
    signs[:, 2] = np.linalg.det(u @ vt)
    mean: FloatArray = (u * signs[:, None]) @ vt
    return mean


def load_teachers(paths: Sequence[Path], calibrations: Path = CALIBRATIONS) -> Teachers:
    """
    Load teachers with their calibrations.

    :param paths: ONNX files
    :raises FileNotFoundError: if one of them is missing
    :raises ValueError: if one of them has not been calibrated
    """
    known = read_calibrations(calibrations)
    members = []
    for path in paths:
        teacher = load_teacher(path)
        entry = known.get(sha256_of(path))
        if entry is None:
            raise ValueError(
                f'{path} has not been calibrated: expected one of '
                f'{", ".join(sorted(e["name"] for e in known.values() if "name" in e))}, or run '
                '"./run labels --calibrate" with it'
            )
        members.append(Member(teacher, *_from_entry(entry)))
    return Teachers(members)


def label_variances(calibrations: Path = CALIBRATIONS) -> Coefficients:
    """
    Return how far labels of all teachers may be off; see inference.uncertainty.

    :raises ValueError: if that has not been fitted
    """
    together = read_calibrations(calibrations).get(TOGETHER)
    if together is None:
        raise ValueError(f'{calibrations} does not say how far labels are off: run ./run labels')
    return tuple(tuple(row) for row in together['variances'])


def fit_label_variances(labels: FloatArray, truth: FloatArray) -> Coefficients:
    """
    Return the variance of labels about x, y, z, linear in the features of the pose.

    :param labels: float64 [n, 3, 3], R_optical, of heads of known pose
    :param truth: float64 [n, 3, 3]
    """
    vectors = Rotation.from_matrix(truth @ np.swapaxes(labels, 1, 2)).as_rotvec(degrees=True)
    pose = [np.ones(len(labels)), labels[:, 0, 2] ** 2, labels[:, 1, 2] ** 2]
    return fit_added_variances(np.stack(pose, axis=1), vectors, np.full_like(vectors, _NONE_DEG))


def read_calibrations(path: Path = CALIBRATIONS) -> dict[str, dict[str, Any]]:
    """Return what is known of teachers, by the SHA-256 of their files."""
    if not path.is_file():
        return {}
    known: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding='utf-8'))
    return known


def write_calibrations(known: Mapping[str, Mapping[str, Any]], path: Path = CALIBRATIONS) -> None:
    """Write what is known of teachers."""
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + '\n', encoding='utf-8')


def entry_of(name: str, calibration: Calibration, sigma: tuple[float, float]) -> dict[str, Any]:
    """Return what is written of a teacher, rounded to what the fit is worth."""
    parts = {part: getattr(calibration, part) for part in ('azimuth', 'elevation')}
    return {
        'name': name,
        'sigma': [round(float(s), 4) for s in sigma],
        **{part: np.round(values, 4).tolist() for part, values in parts.items()},
    }


def _from_entry(entry: Mapping[str, Any]) -> tuple[Calibration, tuple[float, float]]:
    first, second = entry['sigma']
    terms = np.array(entry['azimuth']), np.array(entry['elevation'])
    return Calibration(*terms), (first, second)

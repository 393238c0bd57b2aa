"""Errors of many head poses, and the figures that the literature reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from fsanet_ros.geometry import rotations
from fsanet_ros.types import FloatArray

NOMINAL = ('yaw', 'pitch', 'pan', 'tilt')
ANGLES = ('yaw', 'pitch', 'roll')
VECTORS = ('right', 'down', 'front')
# |yaw| in degrees. A band includes its lower limit; the last one also its upper limit.
BANDS = ((0, 30), (30, 60), (60, 99))
NOMINAL_MAX_DEG = 60.0

# From angles, float64 [n, 3], to R_optical, float64 [n, 3, 3].
RotationsOf = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class PoseErrors:
    """
    The estimates for n faces and their errors, in degrees.

    ``truth_deg``, ``estimated_deg``: float64 [n, 3], yaw, pitch, roll. ``absolute_deg``: float64
    [n, 3], the absolute error of each angle, without wrap-around, as in the literature. ``truth``,
    ``estimated``: float64 [n, 3, 3], R_optical. ``geodesic_deg``: float64 [n], the angle of the
    rotation between them. ``vectors_deg``: float64 [n, 3], the angles between the estimated and the
    true axes of the head: right, down, front.
    """

    truth_deg: FloatArray
    estimated_deg: FloatArray
    truth: FloatArray
    estimated: FloatArray
    absolute_deg: FloatArray
    geodesic_deg: FloatArray
    vectors_deg: FloatArray

    def __len__(self) -> int:
        """Return the number of faces."""
        return len(self.truth_deg)

    @property
    def mean_deg(self) -> FloatArray:
        """The mean absolute error of each face, float64 [n]."""
        return np.asarray(self.absolute_deg.mean(axis=1))


def compare(
    estimated_deg: FloatArray,
    truth_deg: FloatArray,
    rotations_of: RotationsOf = rotations.matrix_from_yaw_pitch_roll_deg,
) -> PoseErrors:
    """
    Compare estimated poses with true ones.

    The axis vectors are those of Cao, Chu, Liu and Chen (WACV 2021, "A Vector-based Representation
    to Enhance Head Pose Estimation"); the mean over them is their MAEV.

    :param estimated_deg: float64 [n, 3], yaw, pitch, roll
    :param truth_deg: float64 [n, 3]
    :param rotations_of: maps the true angles to rotations
    :raises ValueError: if there is nothing to compare
    """
    if not len(truth_deg) or estimated_deg.shape != truth_deg.shape:
        raise ValueError(
            f'expected two equal, non-empty sets, got {estimated_deg.shape} and {truth_deg.shape}'
        )
    estimated = rotations.matrix_from_yaw_pitch_roll_deg(estimated_deg)
    truth = rotations_of(truth_deg)
    # The columns are the axes. The chord stays accurate for small angles.
    chords = np.linalg.norm(estimated - truth, axis=-2)
    return PoseErrors(
        truth_deg=truth_deg,
        estimated_deg=estimated_deg,
        truth=truth,
        estimated=estimated,
        absolute_deg=np.abs(estimated_deg - truth_deg),
        geodesic_deg=rotations.geodesic_deg(estimated, truth),
        vectors_deg=np.degrees(2.0 * np.arcsin(np.clip(chords / 2.0, 0.0, 1.0))),
    )


def rotations_to_marks(pan_tilt_roll_deg: FloatArray) -> FloatArray:
    """
    Return the rotations of heads that look at marks on a wall: pan first, then tilt, then roll.

    Taken as yaw, pitch and roll, the same numbers give another rotation, on turned heads by many
    degrees.

    :param pan_tilt_roll_deg: float64 [n, 3], with the signs of yaw, pitch, roll
    :returns: R_optical, float64 [n, 3, 3]
    """
    pan = rotations.matrix_from_yaw_pitch_roll_deg(pan_tilt_roll_deg * (1.0, 0.0, 0.0))
    return pan @ rotations.matrix_from_yaw_pitch_roll_deg(pan_tilt_roll_deg * (0.0, 1.0, 1.0))


def smallest_angles_deg(rotation_optical: FloatArray) -> FloatArray:
    """
    Return yaw, pitch, roll of rotations, with |yaw| above 90 degrees beyond the profile.

    Two sets of angles give the same rotation. Data sets and networks use the one whose largest
    angle is smaller.

    :param rotation_optical: float64 [n, 3, 3]
    :returns: float64 [n, 3]
    """
    angles = rotations.yaw_pitch_roll_deg_from_matrix(rotation_optical)
    other = (np.copysign(180.0, angles) - angles) * (1.0, -1.0, -1.0)
    larger = np.abs(other).max(axis=1) >= np.abs(angles).max(axis=1)
    return np.where(larger[:, None], angles, other)


def figures(errors: PoseErrors) -> dict[str, Any]:
    """
    Return the figures of a table row, in degrees, ready for JSON.

    ``n``; ``mae`` {yaw, pitch, roll, mean}; ``geodesic`` {mean, median}; ``vectors`` {right, down,
    front, mean}; ``bands`` by |yaw|, each {n, mae, geodesic}, the latter two None if n is 0.
    """
    mae = errors.absolute_deg.mean(axis=0)
    vectors = errors.vectors_deg.mean(axis=0)
    return {
        'n': len(errors),
        'mae': {**_named(ANGLES, mae), 'mean': float(mae.mean())},
        'geodesic': {
            'mean': float(errors.geodesic_deg.mean()),
            'median': float(np.median(errors.geodesic_deg)),
        },
        'vectors': {**_named(VECTORS, vectors), 'mean': float(vectors.mean())},
        'bands': {f'{low}-{high}': _band(errors, low, high) for low, high in BANDS},
    }


def nominal_figures(errors: PoseErrors) -> dict[str, Any]:
    """
    Return how well estimates follow nominal angles, which people hit only roughly.

    Over the faces with a nominal pan and tilt of at most 60 degrees: ``correlation``, ``slope`` of
    the line of estimates over truth, and ``nominal_mae``, each {yaw, pitch, pan, tilt}, and
    ``nominal_n``. Yaw and pitch are compared as they are, as in the literature; pan and tilt say
    where the nose points, as the marks do. None where the truth does not vary.
    """
    near = (np.abs(errors.truth_deg[:, :2]) <= NOMINAL_MAX_DEG).all(axis=1)
    result: dict[str, Any] = {'correlation': {}, 'slope': {}, 'nominal_mae': {}}
    directions = rotations.pan_tilt_deg(
        rotations.matrix_from_yaw_pitch_roll_deg(errors.estimated_deg[near])
    )
    answers = np.column_stack([errors.estimated_deg[near, :2], directions])
    for column, name in enumerate(NOMINAL):
        truth = errors.truth_deg[near, column % 2]
        estimated = answers[:, column]
        varies = len(truth) > 1 and np.ptp(truth) > 0 and np.ptp(estimated) > 0
        covariance = np.cov(truth, estimated) if varies else np.full((2, 2), np.nan)
        correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
        result['correlation'][name] = float(correlation) if varies else None
        result['slope'][name] = float(covariance[0, 1] / covariance[0, 0]) if varies else None
        error = np.abs(estimated - truth)
        result['nominal_mae'][name] = float(error.mean()) if len(error) else None
    return {**result, 'nominal_n': int(near.sum())}


def _named(names: tuple[str, ...], values: FloatArray) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def _band(errors: PoseErrors, low: float, high: float) -> dict[str, Any]:
    yaw = np.abs(errors.truth_deg[:, 0])
    inside = (yaw >= low) & ((yaw <= high) if high == BANDS[-1][1] else (yaw < high))
    if not inside.any():
        return {'n': 0, 'mae': None, 'geodesic': None}
    return {
        'n': int(inside.sum()),
        'mae': float(errors.mean_deg[inside].mean()),
        'geodesic': float(errors.geodesic_deg[inside].mean()),
    }


def mean_errors_deg(angles_deg: FloatArray, truth: FloatArray) -> FloatArray:
    """
    Return the mean absolute error about an axis: of the rotation vector from answer to truth.

    :param angles_deg: [n, 3], yaw, pitch, roll
    :param truth: float64 [n, 3, 3]
    :returns: float64 [n], degrees
    """
    answers = rotations.matrix_from_yaw_pitch_roll_deg(np.asarray(angles_deg, np.float64))
    vectors = Rotation.from_matrix(truth @ np.swapaxes(answers, -1, -2)).as_rotvec(degrees=True)
    mean: FloatArray = np.abs(vectors).mean(axis=1)
    return mean

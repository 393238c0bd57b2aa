"""
What a teacher gets wrong in the same way each time, and how to undo it.

Teachers see heads turned further than they are, or less far. How far is fitted on heads of exactly
known pose. The pose is written as azimuth and elevation of the camera as the head sees it and the
turn in the picture,

    R_optical = Rz(turn) Rx(-elevation) Ry(azimuth),

because the first two stay the same when the picture is turned, and because only a camera straight
above the head is singular, not the profile. A mirrored picture must give the mirrored answer, so
the azimuth's correction is odd in the azimuth.

On rendered heads more is systematic than is corrected here: where zero elevation is, how that
changes towards the profile, how the scale of the azimuth changes with the elevation. Photographs
contradict it or leave it open (docs/training.md), so it may be the renderer's, or a convention.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from fsanet_ros.geometry import rotations

FloatArray = NDArray[np.float64]

_ROUNDS = 20  # of the fit that gives gross errors less weight
_HUBER = 1.5  # in robust standard deviations
_FAR_DEG = 100.0  # beyond it a polynomial's terms are held where they are there
_NEAR_DEG = 60.0
_FEWEST = 100
_AZIMUTH_POWERS, _ELEVATION_POWERS = 3, 2


@dataclass(frozen=True, eq=False)
class Calibration:
    """
    What is added to a teacher's azimuth and elevation: coefficients of their odd powers.

    ``azimuth``, ``elevation``: float64 [k], degrees for each power of the angle in units of 45.
    """

    azimuth: FloatArray
    elevation: FloatArray

    def corrected(self, answers: FloatArray) -> FloatArray:
        """
        Return a teacher's rotations without what it always gets wrong.

        :param answers: float64 [n, 3, 3], R_optical
        :returns: float64 [n, 3, 3]
        """
        angles = seen_by_head_deg(answers)
        angles[:, 0] += _powers(angles[:, 0], len(self.azimuth)) @ self.azimuth
        angles[:, 1] += _powers(angles[:, 1], len(self.elevation)) @ self.elevation
        return from_seen_by_head_deg(angles)


def fit_calibration(answers: FloatArray, truth: FloatArray) -> Calibration:
    """
    Fit a teacher's systematic errors on heads of known pose; gross errors count little.

    :param answers: float64 [n, 3, 3], the teacher's rotations
    :param truth: float64 [n, 3, 3]
    :raises ValueError: if there are fewer than 100 heads
    """
    if len(answers) < _FEWEST:
        raise ValueError(f'{len(answers)} heads are too few to calibrate: expected {_FEWEST}')
    said = seen_by_head_deg(answers)
    errors = (seen_by_head_deg(truth) - said + 180.0) % 360.0 - 180.0
    azimuth = _robust_fit(_powers(said[:, 0], _AZIMUTH_POWERS), errors[:, 0])
    # Where zero elevation is, is fitted and left out: it is the teachers' and our convention.
    powers = np.column_stack([np.ones(len(said)), _powers(said[:, 1], _ELEVATION_POWERS)])
    return Calibration(azimuth, _robust_fit(powers, errors[:, 1])[1:])


def seen_by_head_deg(rotation_optical: FloatArray) -> FloatArray:
    """
    Return the camera's azimuth and elevation as the head sees it, and the turn in the picture.

    For a head that is neither raised nor tilted the azimuth is the yaw, for one that looks straight
    ahead the elevation is the pitch and the turn the roll.

    :param rotation_optical: float64 [n, 3, 3]
    :returns: float64 [n, 3], degrees
    """
    x, y, z = np.moveaxis(rotation_optical[..., 2, :], -1, 0)
    turn = np.arctan2(-rotation_optical[..., 0, 1], rotation_optical[..., 1, 1])
    azimuth = np.arctan2(-x, z)
    elevation = np.arcsin(np.clip(-y, -1.0, 1.0))
    return np.degrees(np.stack([azimuth, elevation, turn], axis=-1))


def from_seen_by_head_deg(angles_deg: FloatArray) -> FloatArray:
    """
    Return R_optical; the inverse of seen_by_head_deg.

    :param angles_deg: float64 [n, 3]
    :returns: float64 [n, 3, 3]
    """
    azimuth, elevation, turn = np.moveaxis(angles_deg, -1, 0)
    none = np.zeros_like(turn)
    in_picture = rotations.matrix_from_yaw_pitch_roll_deg(np.stack([none, none, turn], axis=-1))
    rest = rotations.matrix_from_yaw_pitch_roll_deg(np.stack([azimuth, elevation, none], axis=-1))
    turned: FloatArray = in_picture @ rest
    return turned


def _powers(angles_deg: FloatArray, count: int) -> FloatArray:
    """Return the first odd powers of angles, [n, count]."""
    held = np.clip(angles_deg, -_FAR_DEG, _FAR_DEG) / 45.0
    return np.stack([held ** (2 * k + 1) for k in range(count)], axis=1)


def _robust_fit(features: FloatArray, errors: FloatArray) -> FloatArray:
    weights = np.ones(len(errors))
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        fitted = np.linalg.lstsq(features * root[:, None], errors * root, rcond=None)[0]
        left = np.abs(errors - features @ fitted)
        scale = _HUBER * 1.4826 * np.median(left)
        weights = np.minimum(1.0, scale / np.maximum(left, 1e-9))
    return np.asarray(fitted, np.float64)


def fit_sigma(spread_deg: FloatArray, errors_deg: FloatArray) -> tuple[float, float]:
    """
    Return a and b of the error's size sqrt(a^2 + (b spread)^2), degrees, both not negative.

    :param spread_deg: float64 [n], of the views of a teacher
    :param errors_deg: float64 [n], angles between corrected labels and the truth
    """
    # The grossest errors would decide alone.
    kept = errors_deg <= np.quantile(errors_deg, 0.98)
    squares = np.stack([np.ones(kept.sum()), spread_deg[kept] ** 2], axis=1)
    a, b = nnls(squares, errors_deg[kept] ** 2)[0]
    return float(np.sqrt(a)), float(np.sqrt(b))


def slopes(answers: FloatArray, truth: FloatArray) -> tuple[float, float]:
    """
    Return the slopes of azimuth and elevation against the truth, of heads within 60 degrees.

    :param answers: float64 [n, 3, 3]
    :param truth: float64 [n, 3, 3]
    """
    said, true = seen_by_head_deg(answers), seen_by_head_deg(truth)
    near = (np.abs(true[:, :2]) <= _NEAR_DEG).all(axis=1)
    azimuth, elevation = (np.polyfit(true[near, i], said[near, i], 1)[0] for i in range(2))
    return float(azimuth), float(elevation)

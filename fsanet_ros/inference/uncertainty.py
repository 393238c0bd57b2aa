"""
How far a rotation may be off, from what is known of a face at run time.

The model and its coefficients are in ``rotation_error.py``. Every feature grows as things get worse
and is limited.
"""

from __future__ import annotations

import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.inference.crops import NETWORK_SIZE
from fsanet_ros.inference.passes import Answers

_MAX_ENLARGEMENT = 2.0
_DOUBT = (0.02, 0.4)
_MAX_HALF_TURN_DEG = 30.0
_EXPECTED_ERROR_DEG = (1.0, 60.0)


def features(answers: Answers, scores: FloatArray, crop_sides_px: FloatArray) -> FloatArray:
    """
    Return what decides how large the error of each face may be, float64 [n, features].

    Six after a single pass, nine after two, and one more from a network with an error head.

    :param answers: the network's, of n faces
    :param scores: float64 [n], the detector's, 0 to 1
    :param crop_sides_px: float64 [n], side of what the network sees, in pixels of the image
    """
    rotations = answers.rotations
    columns = [
        np.ones(len(rotations)),
        # sin^2 of yaw; sin^2 of pitch and of roll, both times cos^2 of yaw.
        rotations[:, 0, 2] ** 2,
        rotations[:, 1, 2] ** 2,
        rotations[:, 0, 1] ** 2,
        # How often the picture had to be doubled in size: what it lacks in detail.
        np.clip(np.log2(NETWORK_SIZE / crop_sides_px), 0.0, _MAX_ENLARGEMENT),
        np.log(np.clip(1.0 - scores, *_DOUBT) / _DOUBT[0]),
    ]
    if answers.half_turns_deg is not None:
        limited = np.minimum(np.abs(answers.half_turns_deg), _MAX_HALF_TURN_DEG)
        # Against a degree: below, chance decides how well the two agree.
        columns.extend(np.log(np.hypot(limited, 1.0)).T)
    if answers.expected_errors_deg is not None:
        columns.append(np.log(np.clip(answers.expected_errors_deg, *_EXPECTED_ERROR_DEG)))
    return np.stack(columns, axis=1)


def covariances_rad2(sigma_deg: FloatArray) -> FloatArray:
    """Return diagonal covariances, float64 [n, 3, 3], for standard deviations float64 [n, 3]."""
    variances = np.radians(sigma_deg) ** 2
    matrices: FloatArray = variances[:, :, None] * np.eye(3)
    return matrices

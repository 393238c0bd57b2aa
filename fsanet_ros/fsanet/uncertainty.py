"""
How far a rotation may be off, from what is known of a face at run time.

The error is a rotation vector e about the axes of the ray frame (x right, y down, z along the ray
to the face) with R_true = exp(e) R. Its standard deviation about each axis is log-linear in some
features; the coefficients belong to the weights and were fitted on faces kept aside from training
(docs/uncertainty.md). Every feature grows as things get worse and is clipped to what was seen in
the fit, so no face makes it say something absurd.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.fsanet.crops import NETWORK_SIZE

FloatArray = NDArray[np.float64]
Coefficients = tuple[tuple[float, ...], ...]

#: What is known after a single pass; after two also how far they are from their middle.
SINGLE_PASS_FEATURES = ('one', 'enlargement', 'doubt', 'turned', 'nodded', 'tilted')
MIRRORED_PASS_FEATURES = (*SINGLE_PASS_FEATURES, 'half_turn_x', 'half_turn_y', 'half_turn_z')

_MAX_ENLARGEMENT = 2.0
_DOUBT = (0.02, 0.4)
_MAX_HALF_TURN_DEG = 30.0


@dataclass(frozen=True)
class RotationErrorModel:
    """
    Coefficients: three rows, for the axes x, y and z, of one number per feature.

    exp(row . features) is the standard deviation about that axis in degrees.
    """

    single_pass: Coefficients
    mirrored_pass: Coefficients

    def __post_init__(self) -> None:
        """Take rows of any sequences; refuse what fits no features with a ValueError."""
        for name, features in (
            ('single_pass', SINGLE_PASS_FEATURES),
            ('mirrored_pass', MIRRORED_PASS_FEATURES),
        ):
            rows = np.asarray(getattr(self, name), np.float64)
            if rows.shape != (3, len(features)) or not np.isfinite(rows).all():
                raise ValueError(
                    f'{name} has coefficients of shape {rows.shape}, expected (3, '
                    f'{len(features)}) finite ones: {", ".join(features)} for each axis'
                )
            object.__setattr__(self, name, tuple(map(tuple, rows.tolist())))

    def sigma_deg(self, features: FloatArray) -> FloatArray:
        """
        Return the standard deviations about x, y, z of the ray frame, float64 [n, 3], degrees.

        :param features: what ``features`` returns, of a single or of a mirrored pass
        """
        single = features.shape[1] == len(SINGLE_PASS_FEATURES)
        rows = np.array(self.single_pass if single else self.mirrored_pass)
        sigma: FloatArray = np.exp(features @ rows.T)
        return sigma


def features(
    rotations: FloatArray,
    half_turns_deg: FloatArray | None,
    scores: FloatArray,
    crop_sides_px: FloatArray,
) -> FloatArray:
    """
    Return what decides how large the error of each face may be, float64 [n, 6 or 9].

    :param rotations: float64 [n, 3, 3], R_optical against the ray
    :param half_turns_deg: float64 [n, 3], see passes.Answers; None after a single pass
    :param scores: float64 [n], the detector's, 0 to 1
    :param crop_sides_px: float64 [n], side of what the network sees, in pixels of the image
    """
    columns = [
        np.ones(len(rotations)),
        # How often the picture had to be doubled in size: what it lacks in detail.
        np.clip(np.log2(NETWORK_SIZE / crop_sides_px), 0.0, _MAX_ENLARGEMENT),
        np.log(np.clip(1.0 - scores, *_DOUBT) / _DOUBT[0]),
        # sin^2 of yaw, sin^2 of pitch (times cos^2 of yaw), sin^2 of roll (the same).
        rotations[:, 0, 2] ** 2,
        rotations[:, 1, 2] ** 2,
        rotations[:, 0, 1] ** 2,
    ]
    if half_turns_deg is not None:
        limited = np.minimum(np.abs(half_turns_deg), _MAX_HALF_TURN_DEG)
        # Against a degree: below, chance decides how well the two agree.
        columns.extend(np.log(np.hypot(limited, 1.0)).T)
    return np.stack(columns, axis=1)


def covariances_rad2(sigma_deg: FloatArray) -> FloatArray:
    """Return diagonal covariances, float64 [n, 3, 3], for standard deviations float64 [n, 3]."""
    variances = np.radians(sigma_deg) ** 2
    matrices: FloatArray = variances[:, :, None] * np.eye(3)
    return matrices

"""
The model of a rotation's error: coefficients that are fitted once and belong to the weights.

The error is a rotation vector e about the axes of the ray frame (x right, y down, z along the ray
to the face) with R_true = exp(e) R. Its variance about each axis is the sum of two: how far the
network is from the labels that it learned, and how far these are from the truth, which the
network learned as well. The standard deviation of the first is log-linear in some features, the
variance of the second linear in those of the pose. ``tools.fit_uncertainty`` fits the coefficients
(docs/uncertainty.md); ``uncertainty.features`` computes the features at run time. The result is
limited, so that no face makes the model say something absurd.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fsanet_ros.arrays import FloatArray

Coefficients = tuple[tuple[float, ...], ...]

#: What the labels' errors depend on: the pose alone.
LABEL_FEATURES = ('one', 'turned', 'nodded')
#: What is known after a single pass; after two also how far they are from their middle.
SINGLE_PASS_FEATURES = (*LABEL_FEATURES, 'tilted', 'enlargement', 'doubt')
MIRRORED_PASS_FEATURES = (*SINGLE_PASS_FEATURES, 'half_turn_x', 'half_turn_y', 'half_turn_z')
#: Comes last where the network has an error head.
EXPECTED_ERROR_FEATURE = 'expected_error'

#: Standard deviation about each axis of rotations drawn uniformly (their mean square angle is
#: pi^2 / 3 + 2): more than that says nothing.
NOTHING_KNOWN_DEG = math.degrees(math.sqrt((math.pi**2 / 3.0 + 2.0) / 3.0))
_LEAST_DEG = 0.05  # nobody knows more than that of a head
_GREATEST_COEFFICIENT = 1e4


@dataclass(frozen=True)
class RotationErrorModel:
    """
    Coefficients: three rows, for the axes x, y and z, of one number per feature.

    exp(row . features) is the standard deviation about that axis of the network against labels
    like its own, in degrees, after a ``single_pass`` or a ``mirrored_pass``. row . features is
    the variance of the ``labels`` about the truth, in square degrees.
    """

    single_pass: Coefficients
    mirrored_pass: Coefficients
    labels: Coefficients

    def __post_init__(self) -> None:
        """Take rows of any sequences; refuse what fits no features with a ValueError."""
        for name, names, optional in (
            ('single_pass', SINGLE_PASS_FEATURES, 1),
            ('mirrored_pass', MIRRORED_PASS_FEATURES, 1),
            ('labels', LABEL_FEATURES, 0),
        ):
            rows = np.asarray(getattr(self, name), np.float64)
            allowed = [(3, len(names) + more) for more in range(optional + 1)]
            # Written so that NaN is refused too.
            if rows.shape not in allowed or not (np.abs(rows) <= _GREATEST_COEFFICIENT).all():
                raise ValueError(
                    f'{name} has coefficients of shape {rows.shape}, expected '
                    f'{" or ".join(map(str, allowed))} finite ones up to '
                    f'{_GREATEST_COEFFICIENT:g}: {", ".join(names)} for each '
                    f'axis{f", and {EXPECTED_ERROR_FEATURE}" if optional else ""}'
                )
            object.__setattr__(self, name, tuple(map(tuple, rows.tolist())))
        if len(self.mirrored_pass[0]) - len(self.single_pass[0]) != 3:
            raise ValueError(
                f'single_pass has {len(self.single_pass[0])} coefficients, mirrored_pass '
                f'{len(self.mirrored_pass[0])}: expected {EXPECTED_ERROR_FEATURE} in both or none'
            )
        if min(map(min, self.labels)) < 0:
            raise ValueError(f'labels has a variance below 0: {self.labels}')

    @property
    def uses_expected_error(self) -> bool:
        """Tell whether it needs what an error head says."""
        return len(self.single_pass[0]) > len(SINGLE_PASS_FEATURES)

    def sigma_deg(self, known: FloatArray) -> FloatArray:
        """
        Return the standard deviations about x, y, z of the ray frame, float64 [n, 3], degrees.

        :param known: what ``features`` returns, of a single or of a mirrored pass
        """
        of_labels = known[:, : len(LABEL_FEATURES)] @ np.transpose(self.labels)
        sigma = np.sqrt(self.sigma_from_labels_deg(known) ** 2 + of_labels)
        return np.clip(sigma, _LEAST_DEG, NOTHING_KNOWN_DEG)

    def sigma_from_labels_deg(self, known: FloatArray) -> FloatArray:
        """Return the part of it that is the network's against labels like its own."""
        single = known.shape[1] <= len(SINGLE_PASS_FEATURES) + 1
        return log_linear(known, self.single_pass if single else self.mirrored_pass)


def log_linear(known: FloatArray, coefficients: Coefficients) -> FloatArray:
    """Return exp(row . features) for n faces and three rows, float64 [n, 3]."""
    with np.errstate(over='ignore'):  # what is infinite says nothing
        values: FloatArray = np.exp(known @ np.transpose(coefficients))
    return values

"""What a network answers: angles, and how far off it expects to be where it has an error head."""

from __future__ import annotations

import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.inference.description import Description

#: Yaw, pitch, roll in degrees, float64 [n, 3]; the expected absolute error about an axis in
#: degrees, float64 [n], or None where the network has no error head.
Estimates = tuple[FloatArray, FloatArray | None]


def no_estimates(description: Description) -> Estimates:
    """Return the answer to no crops."""
    return np.zeros((0, 3)), np.zeros(0) if description.has_error_head else None

"""From crops to rotations: one pass through the network, or two with the mirrored crops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.fsanet.runtime import Runtime
from fsanet_ros.geometry import rotations

FloatArray = NDArray[np.float64]


def single_pass(runtime: Runtime, crops: NDArray[np.uint8]) -> FloatArray:
    """
    Return the rotations of crops, R_optical against the ray to each face.

    :param crops: uint8 [n, 64, 64, 3] BGR
    :returns: float64 [n, 3, 3]
    """
    return rotations.matrix_from_yaw_pitch_roll_deg(runtime(crops))


def mirrored_pass(runtime: Runtime, crops: NDArray[np.uint8]) -> FloatArray:
    """
    Return the rotations half way between those of the crops and of the mirrored crops.

    One batch of twice the size; see single_pass.
    """
    both = np.concatenate([crops, crops[:, :, ::-1]])
    found = single_pass(runtime, both)
    plain, mirrored = found[: len(crops)], rotations.mirrored(found[len(crops) :])
    return rotations.halfway(plain, mirrored)

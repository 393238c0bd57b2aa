"""From crops to rotations: one pass through the network, or two with the mirrored crops."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import FloatArray
from fsanet_ros.geometry import quaternions, rotations
from fsanet_ros.inference.runtime import Runtime


@dataclass(frozen=True, eq=False)
class Answers:
    """
    What the network says of n crops, in the frame of the ray to each face.

    ``rotations``: float64 [n, 3, 3], R_optical. ``half_turns_deg``: float64 [n, 3], the rotation
    vector from the plain crop's answer to ``rotations``, half of what the two passes disagree by;
    None after a single pass. ``expected_errors_deg``: float64 [n], see Runtime.with_expected_error;
    None where the network does not say.
    """

    rotations: FloatArray
    half_turns_deg: FloatArray | None = None
    expected_errors_deg: FloatArray | None = None


Pass = Callable[[Runtime, NDArray[np.uint8]], Answers]


def single_pass(runtime: Runtime, crops: NDArray[np.uint8]) -> Answers:
    """
    Return what the network says of crops.

    :param crops: uint8 [n, 64, 64, 3] BGR
    """
    angles, errors = runtime.with_expected_error(crops)
    return Answers(rotations.matrix_from_yaw_pitch_roll_deg(angles), None, errors)


def mirrored_pass(runtime: Runtime, crops: NDArray[np.uint8]) -> Answers:
    """
    Return the rotations half way between those of the crops and of the mirrored crops.

    One batch of twice the size; see single_pass.
    """
    count = len(crops)
    if not count:
        return dataclasses.replace(single_pass(runtime, crops), half_turns_deg=np.zeros((0, 3)))
    found = single_pass(runtime, np.concatenate([crops, crops[:, :, ::-1]]))
    plain, mirrored = found.rotations[:count], rotations.mirrored(found.rotations[count:])
    halfway, half_turns = np.empty_like(plain), np.empty((count, 3))
    for face in range(count):
        before = quaternions.from_matrix(plain[face])
        turn = quaternions.turn_between(before, quaternions.from_matrix(mirrored[face]))
        halfway[face] = quaternions.to_matrix(quaternions.turned(before, turn, 0.5))
        half_turns[face] = turn
    errors = found.expected_errors_deg
    if errors is not None:
        errors = (errors[:count] + errors[count:]) / 2.0
    return Answers(halfway, np.degrees(half_turns / 2.0), errors)

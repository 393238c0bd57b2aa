"""What training makes small: how far angles, and how far rotations, are from the labels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_RADIANS = math.pi / 180
# The angle between two rotations is about so many times the mean absolute error of the angles.
_ANGLE_PER_ERROR = 1.6
_EPS = 1e-6
_UPRIGHT_DEG = 99.0


def pose_loss_deg(estimated_deg: Tensor, truth_deg: Tensor, rotation_share: float) -> Tensor:
    """
    Return the mean absolute error of the angles, mixed with the angle between the rotations.

    Near the profile yaw, pitch and roll are nearly singular: the same rotation error is a large
    error of the angles there. The angle between rotations counts it the same everywhere. For faces
    with an angle beyond the paper's range, turned in the plane, it is all of the loss.

    :param estimated_deg: float [n, 3], yaw, pitch, roll
    :param truth_deg: float [n, 3]
    :param rotation_share: 0, angles alone, to 1, rotations alone
    :returns: a scalar in degrees
    """
    if not rotation_share:
        return (estimated_deg - truth_deg).abs().mean()
    angles = (estimated_deg - truth_deg).abs().mean(dim=1)
    between = geodesic_deg(estimated_deg, truth_deg) / _ANGLE_PER_ERROR
    # Upside down roll jumps from 180 to -180 degrees, and the rotation does not.
    upright = (truth_deg.abs() <= _UPRIGHT_DEG).all(dim=1)
    angles = torch.where(upright, angles, between)
    return ((1 - rotation_share) * angles + rotation_share * between).mean()


def geodesic_deg(a_deg: Tensor, b_deg: Tensor) -> Tensor:
    """
    Return the angle between the rotations of yaw, pitch, roll; its gradient is finite everywhere.

    :param a_deg: float [n, 3]
    :param b_deg: float [n, 3]
    :returns: float [n], degrees
    """
    chord = (matrices(a_deg) - matrices(b_deg)).square().sum(dim=(1, 2))
    half_sine = (chord + _EPS).sqrt() / math.sqrt(8)
    return 2 * torch.asin(half_sine.clamp(max=1 - 1e-3)) / _RADIANS


def matrices(yaw_pitch_roll_deg: Tensor) -> Tensor:
    """
    Return Rx(-pitch) Ry(yaw) Rz(roll), as fsanet_ros.geometry.rotations does for NumPy.

    :param yaw_pitch_roll_deg: float [n, 3]
    :returns: float [n, 3, 3]
    """
    yaw, pitch, roll = (yaw_pitch_roll_deg * _RADIANS).unbind(-1)
    cy, cp, cr = torch.cos(yaw), torch.cos(pitch), torch.cos(roll)
    sy, sp, sr = torch.sin(yaw), -torch.sin(pitch), torch.sin(roll)
    rows = [
        torch.stack([cy * cr, -cy * sr, sy], -1),
        torch.stack([cp * sr + sp * sy * cr, cp * cr - sp * sy * sr, -sp * cy], -1),
        torch.stack([sp * sr - cp * sy * cr, sp * cr + cp * sy * sr, cp * cy], -1),
    ]
    return torch.stack(rows, -2)

"""
Rotations, angles and frames: every sign convention of the package is in this file.

Frames, all right-handed:

- camera optical (REP-103): x right, y down, z forward;
- head ("optical head"): agrees with the optical frame when the person looks into the camera along
  its axis, so its z axis points into the head;
- face (REP-155): x out of the face, y to the person's left, z to the top of the head;
- gaze (REP-155): z out of the face, x to the person's right, y down.

Angles, as in FSA-Net, 300W-LP and AFLW2000-3D: yaw > 0 moves the nose to the image's left,
pitch > 0 looks up, roll > 0 turns the head clockwise in the image, and

    R_optical = Rx(-pitch) Ry(yaw) Rz(roll).

This is not interchangeable with other Euler orders: at large yaw they differ by many degrees.
The order is singular at yaw = +-90 degrees, so rotations are passed on, angles only shown.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from fsanet_ros.arrays import FloatArray
from fsanet_ros.geometry import quaternions

# The axes of the REP-155 frames as columns, in the head frame.
HEAD_FROM_FACE: FloatArray = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]])
FACE_FROM_GAZE: FloatArray = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
_HEAD_FROM_GAZE: FloatArray = HEAD_FROM_FACE @ FACE_FROM_GAZE

# Of the sine of yaw: beyond, pitch and roll are not separable.
_LOCKED = 1.0 - 1e-12
# Nearer than this to straight up or down, a nose has no side on which the head could lean.
_UPRIGHT_NOSE = math.sin(math.radians(85.0))


def matrix_from_yaw_pitch_roll_deg(yaw_pitch_roll_deg: ArrayLike) -> FloatArray:
    """
    Return R_optical for angles in degrees.

    :param yaw_pitch_roll_deg: [..., 3]
    :returns: float64 [..., 3, 3]
    :raises ValueError: if the last axis is not 3 long.
    """
    angles = np.asarray(yaw_pitch_roll_deg, np.float64)
    if angles.ndim == 0 or angles.shape[-1] != 3:
        raise ValueError(f'expected yaw, pitch, roll on the last axis, got shape {angles.shape}')
    radians = np.radians(angles)
    (cy, cp, cr), (sy, sp, sr) = (np.moveaxis(f(radians), -1, 0) for f in (np.cos, np.sin))
    matrices = np.empty((*angles.shape, 3))
    # Rx(-pitch) Ry(yaw) Rz(roll), multiplied out: a quarter of the time of scipy's Rotation, which
    # counts where a few heads are worked out for each image.
    matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 0, 2] = cy * cr, -cy * sr, sy
    matrices[..., 1, 0], matrices[..., 1, 1] = cp * sr - sp * sy * cr, cp * cr + sp * sy * sr
    matrices[..., 2, 0], matrices[..., 2, 1] = -sp * sr - cp * sy * cr, cp * sy * sr - sp * cr
    matrices[..., 1, 2], matrices[..., 2, 2] = sp * cy, cp * cy
    return matrices


def yaw_pitch_roll_deg_from_matrix(rotation_optical: ArrayLike) -> FloatArray:
    """
    Return yaw, pitch, roll in degrees; yaw in [-90, 90], the others in (-180, 180].

    At yaw = +-90 degrees, where pitch and roll are not separable, some pair that gives the
    rotation back is returned.

    :param rotation_optical: [..., 3, 3]
    :returns: float64 [..., 3]
    """
    r = np.asarray(rotation_optical, np.float64)
    if r.ndim == 2:
        return np.degrees(_yaw_pitch_roll(r))
    sin_yaw = np.clip(r[..., 0, 2], -1.0, 1.0)
    yaw = np.arcsin(sin_yaw)
    pitch = -np.arctan2(-r[..., 1, 2], r[..., 2, 2])
    roll = np.arctan2(-r[..., 0, 1], r[..., 0, 0])
    # Gimbal lock: all of the in-plane turn goes into roll.
    locked = np.abs(sin_yaw) > _LOCKED
    pitch = np.where(locked, 0.0, pitch)
    roll = np.where(locked, np.arctan2(r[..., 1, 0], r[..., 1, 1]), roll)
    return np.degrees(np.stack([yaw, pitch, roll], axis=-1))


def face_quaternion_xyzw(rotation_optical: ArrayLike) -> FloatArray:
    """
    Return the orientation of the REP-155 face frame in the optical frame.

    :param rotation_optical: [..., 3, 3]
    :returns: float64 [..., 4], x y z w
    """
    return _quaternion_xyzw(np.asarray(rotation_optical, np.float64) @ HEAD_FROM_FACE)


def gaze_quaternion_xyzw(rotation_optical: ArrayLike) -> FloatArray:
    """
    Return the orientation of the REP-155 gaze frame in the optical frame.

    :param rotation_optical: [..., 3, 3]
    :returns: float64 [..., 4], x y z w
    """
    return _quaternion_xyzw(np.asarray(rotation_optical, np.float64) @ _HEAD_FROM_GAZE)


def rotation_optical_from_face_quaternion(quaternion_xyzw: ArrayLike) -> FloatArray:
    """
    Return R_optical for the orientation of a face frame; inverse of face_quaternion_xyzw.

    :param quaternion_xyzw: [..., 4]
    :returns: float64 [..., 3, 3]
    """
    from scipy.spatial.transform import Rotation  # here: see _quaternion_xyzw

    matrices: FloatArray = Rotation.from_quat(quaternion_xyzw).as_matrix()
    return matrices @ HEAD_FROM_FACE.T


def nose_direction(rotation_optical: ArrayLike) -> FloatArray:
    """
    Return the unit vector out of the face, in the optical frame.

    :param rotation_optical: [..., 3, 3]
    :returns: float64 [..., 3]
    """
    return -np.asarray(rotation_optical, np.float64)[..., :, 2]


def pan_tilt_deg(rotation_optical: ArrayLike) -> FloatArray:
    """
    Return where the nose points: pan, then tilt, with the signs of yaw and pitch.

    They are the angles of somebody who turns to a mark and then looks up. For a level head they are
    yaw and pitch; yaw and pitch of a head that is turned and raised are others.

    :param rotation_optical: [..., 3, 3]
    :returns: float64 [..., 2], degrees
    """
    x, y, z = np.moveaxis(nose_direction(rotation_optical), -1, 0)
    pan = np.arctan2(-x, -z)
    tilt = -np.arcsin(np.clip(y, -1.0, 1.0))
    return np.degrees(np.stack([pan, tilt], axis=-1))


def lean_deg(rotation_optical: FloatArray) -> float:
    """
    Return how far a head leans over, about the direction of its nose, in degrees.

    Positive to the person's left shoulder: clockwise in the image for somebody who looks into the
    camera. Unlike roll it is 0 for every upright head, in profile too. NaN where the nose points
    straight up or down.

    :param rotation_optical: float64 [3, 3]
    """
    _, (top_x, top_y, top_z), (nose_x, nose_y, nose_z) = (-rotation_optical.T).tolist()
    if abs(nose_y) > _UPRIGHT_NOSE:
        return math.nan
    # Against two directions across the nose: the level one to the person's left, and upwards.
    level = nose_x * top_z - nose_z * top_x
    up = nose_y * (nose_x * top_x + nose_z * top_z) - (nose_x**2 + nose_z**2) * top_y
    return math.degrees(math.atan2(level, up))


def rotation_to_ray(ray: ArrayLike) -> FloatArray:
    """
    Return the smallest rotation that takes the optical axis (0, 0, 1) to a ray.

    Straight behind, where every half turn is as small, the one about the y axis: upright heads
    stay upright.

    :param ray: [..., 3], the direction from the camera to the face, any length
    :returns: float64 [..., 3, 3]
    """
    unit = np.asarray(ray, np.float64)
    unit = unit / np.sqrt((unit * unit).sum(axis=-1, keepdims=True))
    x, y, z = unit[..., 0], unit[..., 1], unit[..., 2]
    # Rodrigues' formula for the axis (0, 0, 1) x ray, where h = 1 / (1 + z).
    h = 1.0 / (1.0 + np.abs(z))
    behind = z < 0.0
    any_behind = behind.any()
    if any_behind:
        # The same, as x^2 + y^2 + z^2 = 1, but it keeps its digits where z is near -1.
        aside = np.maximum(x * x + y * y, 1e-300)
        h = np.where(behind, (1.0 - z) / aside, h)
    hx = h * x
    rotation = np.empty((*unit.shape, 3))
    rotation[..., 0, 0] = 1.0 - hx * x
    rotation[..., 1, 1] = 1.0 - h * y * y
    rotation[..., 0, 1] = rotation[..., 1, 0] = -hx * y
    rotation[..., :, 2] = unit
    rotation[..., 2, :2] = -unit[..., :2]
    if any_behind:
        rotation[behind & (x == 0.0) & (y == 0.0)] = np.diag([-1.0, 1.0, -1.0])
    return rotation


def mirrored(rotation_optical: ArrayLike) -> FloatArray:
    """
    Return the rotation that the mirrored picture (left and right swapped) shows.

    :param rotation_optical: [..., 3, 3]
    :returns: float64 [..., 3, 3]
    """
    flip = np.diag([-1.0, 1.0, 1.0])
    return flip @ np.asarray(rotation_optical, np.float64) @ flip


def geodesic_deg(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """
    Return the angle of the rotation between two rotations, in degrees.

    :param a: [..., 3, 3]
    :param b: [..., 3, 3], broadcast against ``a``
    :returns: float64 [...], 0 to 180
    """
    difference = np.swapaxes(np.asarray(a, np.float64), -1, -2) @ np.asarray(b, np.float64)
    # atan2 of both parts stays exact for tiny angles, where arccos of the trace does not.
    skew = difference - np.swapaxes(difference, -1, -2)
    sine = np.sqrt(skew[..., 2, 1] ** 2 + skew[..., 0, 2] ** 2 + skew[..., 1, 0] ** 2)
    cosine = np.trace(difference, axis1=-2, axis2=-1) - 1.0
    return np.degrees(np.arctan2(sine, cosine))


def _yaw_pitch_roll(matrix: FloatArray) -> tuple[float, float, float]:
    """Return the same as yaw_pitch_roll_deg_from_matrix in radians; for one, much faster."""
    (r00, r01, r02), (r10, r11, r12), (_, _, r22) = matrix.tolist()
    if abs(r02) > _LOCKED:
        return math.copysign(math.pi / 2.0, r02), 0.0, math.atan2(r10, r11)
    return math.asin(r02), -math.atan2(-r12, r22), math.atan2(-r01, r00)


def _quaternion_xyzw(matrix: FloatArray) -> FloatArray:
    if matrix.ndim == 2:
        w, x, y, z = quaternions.from_matrix(matrix)
        return np.array((x, y, z, w))
    if not len(matrix):
        return np.zeros((0, 4))
    # Here: it takes 36 MB and 0.2 s that a node, which never comes here, need not spend.
    from scipy.spatial.transform import Rotation

    xyzw: FloatArray = Rotation.from_matrix(matrix).as_quat()
    return xyzw

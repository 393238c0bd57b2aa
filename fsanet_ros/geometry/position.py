"""
Where a head is, from its rotation and what is seen of it.

With the rotation R known, a point p of the mean head (face_model.py) lies at R p + t. That it is
seen on the ray (u, v, 1) says (R p + t) . (1, 0, -u) = 0 and (R p + t) . (0, 1, -v) = 0: linear in
t, so t is a least squares of all that is seen (the rotation-known case of PnP). The residuals are
metres at the head. Heads differ in size by some percent, and distances with them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.face_model import FIVE_POINTS_M, LANDMARKS_68_M
from fsanet_ros.geometry.rotations import rotation_to_ray
from fsanet_ros.types import Face, Square

FloatArray = NDArray[np.float64]
# Standard deviations. Detectors' boxes vary by 12 % in size and by 0.04 of the face square (about
# 0.2 m) in place (detection/face_square.py), adult heads by some 4 % in size.
DISTANCE_SIGMA_SHARE = 0.13
LATERAL_SIGMA_M = 0.01

# The first guess is from far away, where the head's depth does not show (5 % off at 0.4 m); the
# second pass leaves 0.3 % of the distance.
_FAR_M = 10.0
_PASSES = 2
_NEAR_M = 0.05  # nearer, nothing is in front of the camera

Equations = tuple[FloatArray, FloatArray]  # a [n, 3], b [n]: a t = b


def ray_to_face(face: Face, camera: CameraModel) -> FloatArray:
    """Return the direction to the middle of a face square, float64 [3], with z = 1."""
    ray: FloatArray = camera.rays([[face.square.center_x, face.square.center_y]])[0]
    return ray


def rotation_in_camera(rotation_crop: FloatArray, face: Face, camera: CameraModel) -> FloatArray:
    """
    Return R_optical against the camera's axis, from the rotation that a crop shows.

    A crop looks as if the camera pointed at the face: the rotation in it is against the ray.

    :param rotation_crop: float64 [3, 3]
    :returns: float64 [3, 3]
    """
    return rotation_to_ray(ray_to_face(face, camera)) @ rotation_crop


def sellion_position_m(
    face: Face, rotation_optical: FloatArray, camera: CameraModel
) -> FloatArray | None:
    """
    Return the sellion's position in the optical frame.

    From the face square, and from the landmarks where the detector gives them.

    :param rotation_optical: float64 [3, 3], against the camera's axis
    :returns: float64 [3], metres, or None where no point in front of the camera fits
    """
    position = _FAR_M * ray_to_face(face, camera)
    points = None
    if face.landmarks is not None:
        points = _point_equations(face.landmarks, rotation_optical, camera)
    for _ in range(_PASSES):
        a, b = _square_equations(face.square, rotation_optical, camera, position)
        if points is not None:
            a, b = np.concatenate([a, points[0]]), np.concatenate([b, points[1]])
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            return None
        position = np.asarray(np.linalg.lstsq(a, b, rcond=None)[0], np.float64)
        if not position[2] > _NEAR_M:
            return None
    return position


def position_covariance_m2(position_m: FloatArray) -> FloatArray:
    """
    Return how uncertain a position is, as a covariance in the optical frame.

    Along the ray the distance is as uncertain as the box's size and the head's own (12 % and
    4 %); across it the error is that of the box's centre.

    :param position_m: float64 [3]
    :returns: float64 [3, 3], square metres
    """
    distance = float(np.linalg.norm(position_m))
    along = DISTANCE_SIGMA_SHARE * distance
    to_ray = rotation_to_ray(position_m)
    return to_ray @ np.diag([LATERAL_SIGMA_M**2, LATERAL_SIGMA_M**2, along**2]) @ to_ray.T


def _point_equations(points_px: FloatArray, rotation: FloatArray, camera: CameraModel) -> Equations:
    rays = camera.rays(points_px)
    turned = FIVE_POINTS_M @ rotation.T
    normals = np.zeros((len(rays), 2, 3))
    normals[:, 0, 0] = normals[:, 1, 1] = 1.0
    normals[:, :, 2] = -rays[:, :2]
    a = normals.reshape(-1, 3)
    return a, -np.einsum('ij,ij->i', a, np.repeat(turned, 2, axis=0))


def _square_equations(
    square: Square, rotation: FloatArray, camera: CameraModel, position: FloatArray
) -> Equations:
    # The landmarks' box has the square's centre, and its larger side is the square's over sqrt(2).
    # Which landmarks are at its edges, and where, is what the mean head shows at about this
    # position.
    turned = LANDMARKS_68_M @ rotation.T
    depth = np.maximum(turned[:, 2:] + position[2], _NEAR_M)
    seen = camera.project(np.column_stack([turned[:, :2] + position[:2], depth]))
    low, high = seen.min(axis=0), seen.max(axis=0)
    scale = square.side / np.sqrt(2.0) / (high - low).max()
    at_edges = [*_extremes(seen[:, 0]), *_extremes(seen[:, 1])]
    edges = (seen[at_edges] - (low + high) / 2) * scale + (square.center_x, square.center_y)
    rays = camera.rays(edges)
    zeros, ones = np.zeros(2), np.ones(2)
    a = np.concatenate(
        [
            np.column_stack([ones, zeros, -rays[:2, 0]]),
            np.column_stack([zeros, ones, -rays[2:, 1]]),
        ]
    )
    return a, -np.einsum('ij,ij->i', a, turned[at_edges])


def _extremes(values: FloatArray) -> tuple[int, int]:
    return int(values.argmin()), int(values.argmax())

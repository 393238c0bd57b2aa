"""
Where heads are, from their rotations and what is seen of them.

With the rotation R known, a point p of the mean head (face_model.py) lies at R p + t. That it is
seen in the direction d says that R p + t has nothing across d: (I - d d^T) (R p + t) = 0. That it
is seen on a line of the picture says n . (R p + t) = 0, n the normal of the plane through that line
and the camera. Both are linear in t, so t is a least squares of all that is seen (the
rotation-known case of PnP), for directions all around the camera. The residuals are metres at the
head. Heads differ in size by some percent, and distances with them.

All heads of a picture are worked out together: with so few numbers, NumPy's time is in the calls.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.face_model import FIVE_POINTS_M, LANDMARKS_68_M
from fsanet_ros.geometry.rotations import rotation_to_ray
from fsanet_ros.types import Face

FloatArray = NDArray[np.float64]
# Standard deviations. Detectors' boxes vary by 12 % in size and by 0.04 of the face square (about
# 0.2 m) in place (detection/face_square.py), adult heads by some 4 % in size.
DISTANCE_SIGMA_SHARE = 0.13
LATERAL_SIGMA_M = 0.01

# Without landmarks the first guess is from far away, where the head's depth does not show (5 % off
# at 0.4 m); the second pass leaves 0.3 % of the distance.
_FAR_M = 10.0
_NEAR_M = 0.05  # nearer, nothing is in front of the camera

# The lines of the picture at the square's edges are given by two points each, so far to both
# sides: left, upper, right, lower edge.
_ALONG_EDGE_SHARE = 0.05
_ALONG_EDGES = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]) * _ALONG_EDGE_SHARE

# What no equation fixes goes to the camera, and is refused there, instead of spoiling the others.
_REGULAR = 1e-12 * np.eye(3)

Equations = tuple[FloatArray, FloatArray]  # a [n, 3, 3], b [n, 3]: a t = b


def rays_to_faces(faces: Sequence[Face], camera: CameraModel) -> FloatArray:
    """Return the unit directions to the middles of face squares, float64 [n, 3], NaN: none."""
    return camera.rays([(face.square.center_x, face.square.center_y) for face in faces])


def rotations_in_camera(
    rotations_crop: FloatArray, faces: Sequence[Face], camera: CameraModel
) -> FloatArray:
    """
    Return R_optical against the camera's axis, from the rotations that crops show.

    A crop looks as if the camera pointed at the face: the rotation in it is against the ray.

    :param rotations_crop: float64 [n, 3, 3]
    :returns: float64 [n, 3, 3]; NaN where no ray leads to the face: the lens is not calibrated
        there, and how the face is turned against the camera's axis is not known
    """
    return rotation_to_ray(rays_to_faces(faces, camera)) @ rotations_crop


def rotation_in_camera(rotation_crop: FloatArray, face: Face, camera: CameraModel) -> FloatArray:
    """Return rotations_in_camera of one face, float64 [3, 3] to float64 [3, 3]."""
    rotation: FloatArray = rotations_in_camera(rotation_crop[None], [face], camera)[0]
    return rotation


def sellion_positions_m(
    faces: Sequence[Face], rotations_optical: FloatArray, camera: CameraModel
) -> FloatArray:
    """
    Return the sellions' positions in the optical frame.

    From the face squares, and from the landmarks where the detector gives them.

    :param rotations_optical: float64 [n, 3, 3], against the camera's axis
    :returns: float64 [n, 3], metres, z <= 0 for heads beside and behind a wide fisheye; NaN where
        no ray leads to the face or no point in its direction fits
    """
    if not faces:
        return np.zeros((0, 3))
    squares = np.array([(f.square.center_x, f.square.center_y, f.square.side) for f in faces])
    toward = camera.rays(squares[:, :2])
    position, passes = _FAR_M * toward, 2
    points = _point_equations(faces, rotations_optical, camera)
    if points is not None:
        # Where there are landmarks, they tell where about the head is.
        guess = _solved(points)
        usable = (guess * toward).sum(axis=1) > _NEAR_M
        position = np.where(usable[:, None], guess, position)
        passes = 1 if usable.all() else 2
    turned = LANDMARKS_68_M @ rotations_optical.transpose(0, 2, 1)
    for _ in range(passes):
        a, b = _square_equations(squares, turned, position, camera)
        if points is not None:
            a, b = a + points[0], b + points[1]
        position = _solved((a, b))
        ahead = (position * toward).sum(axis=1) > _NEAR_M
        position = np.where(ahead[:, None], position, np.nan)
    return position


def sellion_position_m(
    face: Face, rotation_optical: FloatArray, camera: CameraModel
) -> FloatArray | None:
    """Return sellion_positions_m of one face: float64 [3] or, where that is NaN, None."""
    position: FloatArray = sellion_positions_m([face], rotation_optical[None], camera)[0]
    return position if np.isfinite(position).all() else None


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


def _solved(equations: Equations) -> FloatArray:
    a, b = equations
    solution: FloatArray = np.linalg.solve(a + _REGULAR, b[:, :, None])[:, :, 0]
    return solution


def _point_equations(
    faces: Sequence[Face], rotations: FloatArray, camera: CameraModel
) -> Equations | None:
    """Return the equations of the landmarks, 0 for faces without; None if no face has any."""
    known = [i for i, face in enumerate(faces) if face.landmarks is not None]
    if not known:
        return None
    pixels = np.concatenate([face.landmarks for face in faces if face.landmarks is not None])
    rays = camera.rays(pixels).reshape(len(known), -1, 3)
    turned = FIVE_POINTS_M @ rotations[known].transpose(0, 2, 1)
    across = rays.shape[1] * np.eye(3) - rays.transpose(0, 2, 1) @ rays
    along = np.einsum('nij,nij->ni', rays, turned)
    offset = np.einsum('ni,nij->nj', along, rays) - turned.sum(axis=1)
    if len(known) == len(faces):
        return across, offset
    a, b = np.zeros((len(faces), 3, 3)), np.zeros((len(faces), 3))
    a[known], b[known] = across, offset
    return a, b


def _square_equations(
    squares: FloatArray, turned: FloatArray, position: FloatArray, camera: CameraModel
) -> Equations:
    """
    Return the equations of face squares.

    The landmarks' box has the square's centre, and its larger side is the square's over sqrt(2).
    Which landmarks are at its edges, and where, is what the mean head shows at about this position.

    :param squares: float64 [n, 3], centre and side in pixels
    :param turned: float64 [n, 68, 3], the mean head with its rotation, metres
    """
    count = len(squares)
    seen = camera.project((turned + position[:, None]).reshape(-1, 3)).reshape(count, -1, 2)
    at_edges = np.concatenate([seen.argmin(axis=1), seen.argmax(axis=1)], axis=1)
    which = np.arange(count)[:, None]
    edges = seen[which, at_edges]
    # x of the left and y of the upper edge, of the right and the lower.
    low, high = edges[:, (0, 1), (0, 1)], edges[:, (2, 3), (0, 1)]
    side = squares[:, 2, None]
    with np.errstate(divide='ignore', invalid='ignore'):
        scale = side / (np.sqrt(2.0) * (high - low).max(axis=1, keepdims=True))
    edges = (edges - ((low + high) / 2.0)[:, None]) * scale[:, None] + squares[:, None, :2]
    along = _ALONG_EDGES * side[:, None]
    rays = camera.rays(np.stack([edges - along, edges + along])).reshape(2, count, 4, 3)
    normals = _crossed(rays[0], rays[1])
    with np.errstate(invalid='ignore'):
        normals /= np.sqrt(np.einsum('nij,nij->ni', normals, normals))[:, :, None]
    offsets = np.einsum('nij,nij->ni', normals, turned[which, at_edges])
    transposed = normals.transpose(0, 2, 1)
    return transposed @ normals, -(transposed @ offsets[:, :, None])[:, :, 0]


def _crossed(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return a x b, float64 [..., 3]; numpy.cross takes four times as long for so few."""
    x, y, z = np.moveaxis(a, -1, 0)
    u, v, w = np.moveaxis(b, -1, 0)
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=-1)

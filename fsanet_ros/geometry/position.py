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
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsanet_ros.arrays import FloatArray
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.face_model import FIVE_POINTS_M, OUTER_LANDMARKS_M
from fsanet_ros.geometry.regions import Square
from fsanet_ros.geometry.rotations import rotation_to_ray

# Standard deviations, of rendered heads of known place found by the detectors (tools/
# fit_uncertainty.py, docs/uncertainty.md). Across the ray a part of the head's own, and a part of
# the picture's: so many pixels, at the face, whose square is about 0.2 m wide.
DISTANCE_SIGMA_SHARE = 0.10
LATERAL_SIGMA_M = 0.0055
LATERAL_SIGMA_PX = 1.25
_SQUARE_M = 0.2

_NEAR_M = 0.05  # nearer, nothing is in front of the camera

# The lines of the picture at the square's edges are given by two points each, so far to both
# sides: left, upper, right, lower edge.
_ALONG_EDGE_SHARE = 0.05
_ALONG_EDGES = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]) * _ALONG_EDGE_SHARE

# What no equation fixes goes to the camera, and is refused there, instead of spoiling the others.
_REGULAR = 1e-12 * np.eye(3)

_SQRT2 = float(np.sqrt(2.0))
# Where the box of the landmarks ends, if it is a square: left, upper, right, lower; and its middle.
_CENTER_AND_EDGES = np.array([(0, 0), (-0.5, 0), (0, -0.5), (0.5, 0), (0, 0.5)]) / _SQRT2
_TINY = 1e-30
_NEAR_SHARE = 0.1

Landmarks = Sequence[FloatArray | None]
Equations = tuple[FloatArray, FloatArray]  # a [n, 3, 3], b [n, 3]: a t = b


def rotations_in_camera(
    rotations_crop: FloatArray, squares: Sequence[Square], camera: CameraModel
) -> FloatArray:
    """
    Return R_optical against the camera's axis, from the rotations that crops show.

    A crop looks as if the camera pointed at the face: the rotation in it is against the ray.

    :param rotations_crop: float64 [n, 3, 3]
    :param squares: n face squares, in pixels
    :returns: float64 [n, 3, 3]; NaN where no ray leads to the face: the lens is not calibrated
        there, and how the face is turned against the camera's axis is not known
    """
    centers = [(square.center_x, square.center_y) for square in squares]
    return rotation_to_ray(camera.rays(centers)) @ rotations_crop


def rotation_in_camera(
    rotation_crop: FloatArray, square: Square, camera: CameraModel
) -> FloatArray:
    """Return rotations_in_camera of one face, float64 [3, 3] to float64 [3, 3]."""
    rotation: FloatArray = rotations_in_camera(rotation_crop[None], [square], camera)[0]
    return rotation


def sellion_positions_m(
    squares: Sequence[Square],
    landmarks: Landmarks,
    rotations_optical: FloatArray,
    camera: CameraModel,
) -> FloatArray:
    """
    Return the sellions' positions in the optical frame.

    From the face squares, and from the landmarks where the detector gives them.

    :param squares: n face squares, in pixels
    :param landmarks: float64 [5, 2] of each face, in pixels, or None; see types.Face
    :param rotations_optical: float64 [n, 3, 3], against the camera's axis
    :returns: float64 [n, 3], metres, z <= 0 for heads beside and behind a wide fisheye; NaN where
        no ray leads to the face or no point in its direction fits
    """
    return _positions(_sight(squares, landmarks, camera), rotations_optical, camera)


def sellion_position_m(
    square: Square,
    landmarks: FloatArray | None,
    rotation_optical: FloatArray,
    camera: CameraModel,
) -> FloatArray | None:
    """Return sellion_positions_m of one face: float64 [3] or, where that is NaN, None."""
    one = sellion_positions_m([square], [landmarks], rotation_optical[None], camera)
    position: FloatArray = one[0]
    return position if np.isfinite(position).all() else None


def poses_in_camera(
    rotations_crop: FloatArray,
    squares: Sequence[Square],
    landmarks: Landmarks,
    camera: CameraModel,
) -> tuple[FloatArray, FloatArray]:
    """
    Return rotations_in_camera and, with these, sellion_positions_m: faster than one by one.

    :param rotations_crop: float64 [n, 3, 3]
    :param squares: n face squares, in pixels
    :param landmarks: float64 [5, 2] of each face, in pixels, or None; see types.Face
    :returns: float64 [n, 3, 3] and float64 [n, 3], NaN as there
    """
    sight = _sight(squares, landmarks, camera)
    rotations: FloatArray = sight.to_ray @ rotations_crop
    return rotations, _positions(sight, rotations, camera)


def position_covariance_m2(position_m: FloatArray, square_side_px: ArrayLike) -> FloatArray:
    """
    Return how uncertain positions are, as covariances in the optical frame.

    Along the ray the distance is as uncertain as the box's size and the head's own; across it the
    error is that of the box's centre.

    :param position_m: float64 [..., 3]
    :param square_side_px: [...], side of the face square that it comes from, in pixels
    :returns: float64 [..., 3, 3], square metres; NaN where the position is
    """
    squared = (position_m * position_m).sum(axis=-1)
    along = DISTANCE_SIGMA_SHARE**2 * squared
    pixels = np.asarray(square_side_px, np.float64)
    across = LATERAL_SIGMA_M**2 + (LATERAL_SIGMA_PX * _SQUARE_M / pixels) ** 2
    # across (I - u u^T) + along u u^T, u the unit vector to the head.
    outer = position_m[..., :, None] * position_m[..., None, :]
    more = ((along - across) / squared)[..., None, None]
    covariance: FloatArray = across[..., None, None] * np.eye(3) + more * outer
    return covariance


@dataclass(frozen=True, eq=False)
class _Sight:
    """
    What is seen of n faces, m of them with landmarks.

    ``squares``: float64 [n, 3], centre and side in pixels. ``to_ray``: float64 [n, 3, 3], takes
    the optical axis to the centre. ``sizes``: float64 [n, 2], what the box of the landmarks would
    measure in x and y at distance 1, were it a square. ``marked``: which of the n have landmarks,
    ``points``: float64 [m, 5, 3], the unit directions to them.
    """

    squares: FloatArray
    to_ray: FloatArray
    sizes: FloatArray
    marked: list[int]
    points: FloatArray


def _sight(squares: Sequence[Square], landmarks: Landmarks, camera: CameraModel) -> _Sight:
    places = [(square.center_x, square.center_y, square.side) for square in squares]
    squares_px = np.array(places, np.float64).reshape(-1, 3)
    around = squares_px[:, None, :2] + _CENTER_AND_EDGES * squares_px[:, None, 2:]
    marked = [i for i, points in enumerate(landmarks) if points is not None]
    known = [points for points in landmarks if points is not None]
    rays = camera.rays(np.concatenate([around.reshape(-1, 2), *known]))
    around_rays = rays[: 5 * len(squares)].reshape(-1, 5, 3)
    across = around_rays[:, 3:] - around_rays[:, 1:3]
    chords = np.einsum('nij,nij->ni', across, across)
    return _Sight(
        squares=squares_px,
        to_ray=rotation_to_ray(around_rays[:, 0]),
        # 2 tan(a / 2) from (2 sin(a / 2))^2.
        sizes=np.sqrt(np.maximum(chords, _TINY) / np.maximum(1.0 - chords / 4.0, _TINY)),
        marked=marked,
        points=rays[5 * len(squares) :].reshape(-1, len(FIVE_POINTS_M), 3),
    )


def _positions(sight: _Sight, rotations: FloatArray, camera: CameraModel) -> FloatArray:
    if not len(rotations):
        return np.zeros((0, 3))
    turned = OUTER_LANDMARKS_M @ rotations.transpose(0, 2, 1)
    marked = sight.marked
    guess = np.full((len(rotations), 3), np.nan)
    if marked:
        a_points, b_points = _point_equations(sight.points, rotations[marked])
        guess[marked] = _solved(a_points, b_points)
    lost = ~_ahead(guess, sight)
    if lost.any():
        guess[lost] = _guess(sight, turned)[lost]
    a, b = _square_equations(sight.squares, turned, guess, camera)
    if marked:
        a[marked] += a_points
        b[marked] += b_points
    position = _solved(a, b)
    position[~_ahead(position, sight)] = np.nan
    return position


def _ahead(position: FloatArray, sight: _Sight) -> NDArray[np.bool_]:
    ahead: NDArray[np.bool_] = np.einsum('ij,ij->i', position, sight.to_ray[:, :, 2]) > _NEAR_M
    return ahead


def _solved(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.solve(a + _REGULAR, b[:, :, None])[:, :, 0], np.float64)


def _guess(sight: _Sight, turned: FloatArray) -> FloatArray:
    """
    Return about where the sellions are, float64 [n, 3], for a camera that points at each.

    After the equations of the square are solved, 0.1 % of the distance is left at 1 m and 1 % at
    0.4 m in the corner of a wide picture, much less than the size of a box tells.
    """
    x_y_z = turned @ sight.to_ray
    in_crop, depth = x_y_z[:, :, :2], x_y_z[:, :, 2:]
    low, high = in_crop.min(axis=1), in_crop.max(axis=1)
    distance = ((high - low) / sight.sizes).max(axis=1)
    # Nearer points look larger: as large as these in the plane of the sellion.
    in_crop = in_crop / np.maximum(1.0 + depth / distance[:, None, None], _NEAR_SHARE)
    low, high = in_crop.min(axis=1), in_crop.max(axis=1)
    guess = np.empty((len(turned), 3, 1))
    guess[:, :2, 0] = (low + high) / -2.0
    guess[:, 2, 0] = ((high - low) / sight.sizes).max(axis=1)
    moved: FloatArray = (sight.to_ray @ guess)[:, :, 0]
    return moved


def _point_equations(rays: FloatArray, rotations: FloatArray) -> Equations:
    """Return the equations of landmarks seen on rays, unit vectors, float64 [m, 5, 3]."""
    turned = FIVE_POINTS_M @ rotations.transpose(0, 2, 1)
    along = np.einsum('nij,nij->ni', rays, turned)
    a = rays.shape[1] * np.eye(3) - rays.transpose(0, 2, 1) @ rays
    b = np.einsum('ni,nij->nj', along, rays) - turned.sum(axis=1)
    return a, b


def _square_equations(
    squares: FloatArray, turned: FloatArray, position: FloatArray, camera: CameraModel
) -> Equations:
    """
    Return the equations of face squares.

    The landmarks' box has the square's centre, and its larger side is the square's over sqrt(2).
    Which landmarks are at its edges, and where, is what the mean head shows at about this position.

    :param squares: float64 [n, 3], centre and side in pixels
    :param turned: float64 [n, k, 3], the mean head's outer landmarks with its rotation, metres
    """
    count = len(squares)
    seen = camera.project((turned + position[:, None]).reshape(-1, 3)).reshape(count, -1, 2)
    at_edges = np.concatenate([seen.argmin(axis=1), seen.argmax(axis=1)], axis=1)
    which = np.arange(count)[:, None]
    edges = seen[which, at_edges]
    # x of the left and y of the upper edge, of the right and the lower.
    low, high = edges[:, (0, 1), (0, 1)], edges[:, (2, 3), (0, 1)]
    side = squares[:, 2, None]
    scale = side / np.maximum(_SQRT2 * (high - low).max(axis=1, keepdims=True), _TINY)
    edges = (edges - ((low + high) / 2.0)[:, None]) * scale[:, None] + squares[:, None, :2]
    along = _ALONG_EDGES * side[:, None]
    rays = camera.rays(np.stack([edges - along, edges + along])).reshape(2, count, 4, 3)
    normals = _crossed(rays[0], rays[1])
    lengths = np.sqrt(np.einsum('nij,nij->ni', normals, normals))
    normals /= np.maximum(lengths, _TINY)[:, :, None]
    offsets = np.einsum('nij,nij->ni', normals, turned[which, at_edges])
    transposed = normals.transpose(0, 2, 1)
    return transposed @ normals, -(transposed @ offsets[:, :, None])[:, :, 0]


def _crossed(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return a x b, float64 [..., 3]; numpy.cross takes four times as long for so few."""
    x, y, z, u, v, w = a[..., 0], a[..., 1], a[..., 2], b[..., 0], b[..., 1], b[..., 2]
    crossed = np.empty(a.shape)
    crossed[..., 0] = y * w - z * v
    crossed[..., 1] = z * u - x * w
    crossed[..., 2] = x * v - y * u
    return crossed

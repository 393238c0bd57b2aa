"""
The distance of a head from a depth image that is aligned with the colour image.

The sellion is a ridge between two dips, and in profile it lies on the outline: the few pixels
around it may show the nose, an eye's corner or the wall. So the depth is read at places all over
the visible skin of the mean head (face_model.py), each says where the sellion would be, and those
that agree are averaged. Nothing but these pixels is read: the image is neither copied nor
converted.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from fsanet_ros.arrays import DepthImage, FloatArray
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.face_model import SKIN_M, SKIN_NORMALS
from fsanet_ros.geometry.position import position_covariance_m2
from fsanet_ros.types import Head

# Skin that is seen more from the side hides behind the nose or the outline.
_LEAST_FACING = 0.3  # cosine
# What depth cameras measure, and how far the distance from the face's size may be off: a child's
# face at one end, half a box at the other. Beyond, something else is seen there.
_NEAREST_M, _FARTHEST_M = 0.1, 20.0
_LEAST_RATIO, _GREATEST_RATIO = 0.6, 1.7
# How many places must agree: so many, and this share of those that are in the picture. Hair and
# glasses make holes; of a face half behind a hand neither side is believed.
_LEAST_PLACES, _LEAST_SHARE = 6, 0.6
# Pixels of the colour image in one of the depth image, at most: a face is then a few of these.
_COARSEST = 32
_LOOK_AGAIN = 0.1  # when the distance from the size was off by so much
# Heads differ from the mean head by some millimetres, rotations by some degrees.
_RELIEF_M = 0.025

# Standard deviations of the distance. Heads that are not the mean one, with rotations 4 degrees
# off: 6 mm on rendered heads that are frontal, 11 mm in profile. The camera: stereo's errors are
# those of its disparity and grow with z^2; 0.08 pixels at a baseline of 50 mm and a focal length of
# 430 pixels (a D435 at 848 x 480) are 0.004 z^2. A Kinect's are a third of it (0.0014 z^2,
# Khoshelham and Elberink 2012), those of time of flight grow less. Neighbouring pixels err
# together, so averaging is not counted.
_RELIEF_SIGMA_M = 0.009
_SIGMA_PER_M = 0.004


def with_depth(head: Head, depth: DepthImage, camera: CameraModel) -> Head:
    """
    Return the head with its distance measured by a depth camera, where that says something.

    The direction stays what it was. The head comes back as it is when its position is not known
    (it tells where to look), and when too few pixels are valid, agree with each other and with
    the distance from the face's size: holes, something in front of the face, a wrong detection.

    :param depth: [h, w], z along the optical axis (REP-118): uint16 in millimetres, 0 invalid, or
        float32 in metres, 0, NaN, inf invalid. In either byte order. Aligned with the colour
        image: of its size or a different resolution of the same view.
    :param camera: of the colour image
    :raises ValueError: for an array of another shape or dtype
    """
    if depth.ndim != 2 or (depth.dtype.kind, depth.dtype.itemsize) not in (('u', 2), ('f', 4)):
        raise ValueError(
            f'expected depth as uint16 or float32 [h, w], got {depth.dtype} {list(depth.shape)}'
        )
    if head.position_m is None or not head.position_m[2] > _NEAREST_M:
        return head
    position, share = _measured(head.rotation_optical, head.position_m, 1.0, depth, camera)
    ratio = float(position[2] / head.position_m[2])
    if share and abs(ratio - 1.0) > _LOOK_AGAIN:
        # From the wrong distance, some places lay beside the face.
        position, share = _measured(head.rotation_optical, position, 1.0 / ratio, depth, camera)
    if share < _LEAST_SHARE:
        return head
    sideways = head.position_covariance_m2
    if sideways is None:
        sideways = position_covariance_m2(position, head.face.square.side)
    return dataclasses.replace(
        head,
        position_m=position,
        position_covariance_m2=_covariance_m2(sideways, position),
        distance_from_depth=True,
    )


def too_coarse(depth: DepthImage, camera: CameraModel) -> str:
    """Return why a depth image, [h, w], tells nothing of faces, empty if it may."""
    height, width = depth.shape
    if width * _COARSEST >= camera.width and height * _COARSEST >= camera.height:
        return ''
    return (
        f'the depth image has {width} x {height} pixels, the image {camera.width} x '
        f'{camera.height}: expected a depth image that is aligned with it, of about its size'
    )


def _measured(
    rotation: FloatArray,
    position: FloatArray,
    from_size: float,
    depth: DepthImage,
    camera: CameraModel,
) -> tuple[FloatArray, float]:
    """
    Return the position at the measured distance, and the share of the visible places that say so.

    :param position: float64 [3], about where the sellion is, metres
    :param from_size: the distance from the face's size, as a multiple of that of ``position``
    :returns: float64 [3] and 0 to 1; ``position`` and 0 where too few places are valid
    """
    places = SKIN_M @ rotation.T
    points = places + position
    # As seen from the camera; far off, the direction to the sellion is that to all places.
    facing = SKIN_NORMALS @ (rotation.T @ position) < -_LEAST_FACING * np.sqrt(position @ position)
    height, width = depth.shape
    pixels = camera.project(points[facing]) * (width / camera.width, height / camera.height)
    with np.errstate(invalid='ignore'):  # NaN
        columns, rows = np.floor(pixels).T
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        row, column = rows[inside].astype(np.intp), columns[inside].astype(np.intp)
        seen = depth[row, column].astype(np.float64)
    if len(set((row * width + column).tolist())) < _LEAST_PLACES:
        return position, 0.0  # the face is a few pixels
    if depth.dtype.kind == 'u':
        seen *= 0.001
    expected = points[facing][inside, 2]
    # NaN and infinity compare as out of range.
    low = np.maximum(_LEAST_RATIO * from_size * expected, _NEAREST_M)
    high = np.minimum(_GREATEST_RATIO * from_size * expected, _FARTHEST_M)
    valid = (seen >= low) & (seen <= high)
    # Where the sellion is, says each place.
    sellion_z = np.sort((seen - places[facing][inside, 2])[valid])
    if len(sellion_z) < _LEAST_PLACES:
        return position, 0.0
    middle = sellion_z[len(sellion_z) // 2]
    agreeing = sellion_z[np.abs(sellion_z - middle) < _RELIEF_M + 2.0 * _SIGMA_PER_M * middle**2]
    if len(agreeing) < _LEAST_PLACES:
        return position, 0.0
    return position * (agreeing.mean() / position[2]), len(agreeing) / len(seen)


def _covariance_m2(covariance: FloatArray, position: FloatArray) -> FloatArray:
    """Return a covariance with the part along the ray replaced by that of the depth camera."""
    z = position[2]
    along = position / z
    ray = along / np.sqrt(along @ along)
    across = np.eye(3) - np.outer(ray, ray)
    variance = _RELIEF_SIGMA_M**2 + (_SIGMA_PER_M * z * z) ** 2
    replaced: FloatArray = across @ covariance @ across + variance * np.outer(along, along)
    return replaced

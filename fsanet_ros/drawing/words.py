"""What pictures say in words: where a nose points, and why there is nothing to see."""

from __future__ import annotations

import math

import cv2
import numpy as np

from fsanet_ros.geometry.rotations import lean_deg, rotation_to_ray
from fsanet_ros.types import Head, Image

# The letters of OpenCV 4 are those of ASCII.
_DEGREE, _PLUS_MINUS = ('°', '±') if int(cv2.__version__.split('.')[0]) >= 5 else ('', '+-')
_SAMPLES = 40  # along each side of an image
_DARK, _FLAT = 32, 10  # of 255


def direction_words(head: Head) -> str:
    """
    Say where a head's nose points, how far the head leans over and how sure that is, in degrees.

    As the picture shows it: 0 is into the camera, wherever the head is, left and right are those
    of the image. (yaw, pitch and roll of a Head are against the axis of a calibrated camera.)
    """
    if not head.rotation_known:
        return 'direction unknown'
    rotation = head.rotation_optical
    if head.position_m is not None and np.isfinite(head.position_m).all():
        rotation = rotation_to_ray(head.position_m).T @ rotation
    x, y, z = (-rotation[:, 2]).tolist()  # as rotations.pan_tilt_deg, without its arrays
    pan, tilt = math.atan2(-x, -z), math.asin(min(max(-y, -1.0), 1.0))
    parts = [_degrees(pan, 'left', 'right'), _degrees(tilt, 'up', 'down')]
    lean = lean_deg(rotation)
    if math.isfinite(lean):
        parts.append(f'lean {round(lean):+d}{_DEGREE}' if round(lean) else f'lean 0{_DEGREE}')
    if (error := head.expected_error_deg) is not None:
        parts.append(f'{_PLUS_MINUS}{error:.0f}{_DEGREE}')
    return '  '.join(parts)


def note_about(image: Image, people: int, calibrated: bool = True) -> str:
    """
    Say what keeps a picture empty: nobody, darkness, no calibration. Empty if nothing does.

    :param image: uint8 [h, w, 3]
    :param people: how many heads are shown
    :param calibrated: whether the camera is: else there are no positions and no TF frames
    """
    notes = [] if people else ['nobody in view' + _excuse(image)]
    if not calibrated:
        notes.append('no calibration: no positions' if people else 'no calibration')
    return ', '.join(notes)


def _excuse(image: Image) -> str:
    height, width = image.shape[:2]
    few = image[:: 1 + height // _SAMPLES, :: 1 + width // _SAMPLES].max(axis=2)
    low, high = np.percentile(few, (5, 95))
    if high < _DARK:
        return ': the picture is dark'
    return ': the picture has no contrast' if high - low < _FLAT else ''


def _degrees(radians: float, positive: str, negative: str) -> str:
    angle = round(math.degrees(radians))
    return f'{positive if angle >= 0 else negative} {abs(angle)}{_DEGREE}'

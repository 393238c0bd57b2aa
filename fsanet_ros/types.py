"""
What flows through the package: boxes, faces, heads.

Image coordinates are pixels, x to the right and y down, with (0, 0) the outer corner of the
first pixel: a box that covers the whole image is ``Box(0, 0, width, height)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.geometry import rotations

FloatArray = NDArray[np.float64]
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Box:
    """An upright rectangle in the image, in pixels; it may reach beyond the border."""

    x: float
    y: float
    width: float
    height: float

    @property
    def center(self) -> tuple[float, float]:
        """The middle (x, y), in pixels."""
        return self.x + self.width / 2, self.y + self.height / 2

    def scaled(self, factor_x: float, factor_y: float) -> Box:
        """Return the same box in an image resized by these factors."""
        return Box(
            self.x * factor_x, self.y * factor_y, self.width * factor_x, self.height * factor_y
        )


@dataclass(frozen=True)
class Square:
    """
    The face square: the region of the image that all weights of this package refer to.

    Its side is sqrt(2) times the larger side of the box around the face's landmarks, its centre
    that box's centre. Detectors map their boxes to it, weights say which part of it they see.
    """

    center_x: float
    center_y: float
    side: float

    def scaled(self, factor: float) -> Square:
        """Return the square with the same centre and ``factor`` times the side."""
        return Square(self.center_x, self.center_y, self.side * factor)


@dataclass(frozen=True, eq=False)
class Face:
    """
    One detected face.

    ``score`` is the detector's confidence, 0 to 1. ``landmarks`` is float64 [5, 2] in pixels or
    None: the person's right eye, left eye, tip of the nose, right and left corner of the mouth.
    """

    box: Box
    score: float
    square: Square
    landmarks: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Head:
    """
    One head with its pose in the camera's optical frame (REP-103: x right, y down, z forward).

    ``rotation_optical``: float64 [3, 3], turns a head frame that agrees with the optical frame
    when the person looks straight along the camera's axis into the camera (Rx(-pitch) Ry(yaw)
    Rz(roll)). ``position_m``: float64 [3], the sellion (the dip of the nose between the eyes) in
    the optical frame in metres, or None where no calibration makes a metric distance possible.
    ``distance_from_depth``: measured by a depth camera, not guessed from the face's size.

    How uncertain both are, in the optical frame, None where it is not known:
    ``rotation_covariance_rad2``, float64 [3, 3], of the rotation vector e for which the true
    rotation is exp(e) times the estimated one; ``position_covariance_m2``, float64 [3, 3].
    """

    face: Face
    rotation_optical: FloatArray
    position_m: FloatArray | None = None
    rotation_covariance_rad2: FloatArray | None = None
    position_covariance_m2: FloatArray | None = None
    distance_from_depth: bool = False

    @cached_property
    def yaw_pitch_roll_deg(self) -> FloatArray:
        """Yaw, pitch, roll in degrees, float64 [3], in FSA-Net's convention."""
        return rotations.yaw_pitch_roll_deg_from_matrix(self.rotation_optical)

    @cached_property
    def face_quaternion_xyzw(self) -> FloatArray:
        """Orientation of the REP-155 face frame in the optical frame, float64 [4]."""
        return rotations.face_quaternion_xyzw(self.rotation_optical)

    @cached_property
    def gaze_quaternion_xyzw(self) -> FloatArray:
        """Orientation of the REP-155 gaze frame in the optical frame, float64 [4]."""
        return rotations.gaze_quaternion_xyzw(self.rotation_optical)

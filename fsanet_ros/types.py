"""What flows through the package: boxes, faces, heads."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fsanet_ros.arrays import FloatArray, Image
from fsanet_ros.geometry import rotations
from fsanet_ros.geometry.regions import Box, Square

# As in sensor_msgs/Imu: not known.
UNKNOWN_COVARIANCE = -1.0

__all__ = ['Box', 'Face', 'FloatArray', 'Head', 'Image', 'Square']


@dataclass(frozen=True, eq=False)
class Face:
    """
    One detected face.

    ``score`` is the detector's, 0 to 1. ``landmarks`` is float64 [5, 2] in pixels or
    None: the person's right eye, left eye, tip of the nose, right and left corner of the mouth.
    ``turn_deg``: by how much the image was turned for the detector, a multiple of 45: a face that
    lies on its side, its top to the right, has 90. Box and square are upright in the image.
    ``seen``: False for a head that has turned away: where it is, without a face.
    """

    box: Box
    score: float
    square: Square
    landmarks: FloatArray | None = None
    turn_deg: float = 0.0
    seen: bool = True

    def moved(self, x: float, y: float) -> Face:
        """Return the same face so many pixels further to the right and down."""
        return replace(
            self,
            box=Box(self.box.x + x, self.box.y + y, self.box.width, self.box.height),
            square=Square(self.square.center_x + x, self.square.center_y + y, self.square.side),
            landmarks=None if self.landmarks is None else self.landmarks + np.array([x, y]),
        )


@dataclass(frozen=True, eq=False)
class Head:
    """
    One head with its pose in the camera's optical frame (REP-103: x right, y down, z forward).

    ``rotation_optical``: float64 [3, 3], turns a head frame that agrees with the optical frame
    when the person looks straight along the camera's axis into the camera (Rx(-pitch) Ry(yaw)
    Rz(roll)); NaN where the face does not show it: it is too small, or turned away.
    ``position_m``: float64 [3], the sellion (the dip of the nose between the eyes) in the optical
    frame in metres, or None where no calibration makes a metric distance possible.
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

    @property
    def rotation_known(self) -> bool:
        """Whether the face shows where the head is turned; else all angles are NaN."""
        return not math.isnan(self.rotation_optical[0, 0])

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

    @property
    def nose_direction(self) -> FloatArray:
        """Where the face points, a unit vector in the optical frame, float64 [3]."""
        return rotations.nose_direction(self.rotation_optical)

    @property
    def expected_error_deg(self) -> float | None:
        """The root mean square of the rotation's expected error, degrees; None: not known."""
        covariance = self.rotation_covariance_rad2
        return None if covariance is None else math.degrees(math.sqrt(float(covariance.trace())))

    @property
    def pose_covariance(self) -> FloatArray:
        """
        Covariance of position and rotation as in PoseWithCovariance, float64 [6, 6].

        Where one of the two is not known, the first element of its block is UNKNOWN_COVARIANCE.
        """
        covariance = np.zeros((6, 6))
        if self.position_m is None or self.position_covariance_m2 is None:
            covariance[0, 0] = UNKNOWN_COVARIANCE
        else:
            covariance[:3, :3] = self.position_covariance_m2
        if self.rotation_covariance_rad2 is None:
            covariance[3, 3] = UNKNOWN_COVARIANCE
        else:
            covariance[3:, 3:] = self.rotation_covariance_rad2
        return covariance

    def to_dict(self) -> dict[str, float | None]:
        """
        Return the head as plain numbers, for tables.

        ``pandas.DataFrame([head.to_dict() for head in heads])`` is one.

        Box in pixels, score, orientation of the REP-155 face frame as quaternion qx, qy, qz, qw,
        yaw, pitch and roll in degrees, nose direction, position in metres, expected error in
        degrees; None for what is not known.
        """
        box = self.face.box
        angles = [*self.face_quaternion_xyzw, *self.yaw_pitch_roll_deg, *self.nose_direction]
        qx, qy, qz, qw, yaw_deg, pitch_deg, roll_deg, nose_x, nose_y, nose_z = (
            float(value) if self.rotation_known else None for value in angles
        )
        unknown = (None, None, None)
        x_m, y_m, z_m = unknown if self.position_m is None else self.position_m.tolist()
        return {
            'box_x': box.x,
            'box_y': box.y,
            'box_width': box.width,
            'box_height': box.height,
            'score': self.face.score,
            'qx': qx,
            'qy': qy,
            'qz': qz,
            'qw': qw,
            'yaw_deg': yaw_deg,
            'pitch_deg': pitch_deg,
            'roll_deg': roll_deg,
            'nose_x': nose_x,
            'nose_y': nose_y,
            'nose_z': nose_z,
            'x_m': x_m,
            'y_m': y_m,
            'z_m': z_m,
            'expected_error_deg': self.expected_error_deg,
        }

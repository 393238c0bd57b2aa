"""Calibrated cameras: from pixels to rays and back, with OpenCV's distortion models."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsanet_ros.geometry.calibration_file import Calibration

FloatArray = NDArray[np.float64]

# How many coefficients OpenCV takes; sensor_msgs/distortion_models names the models.
_COEFFICIENTS = {
    'plumb_bob': (0, 4, 5),
    'rational_polynomial': (0, 8, 12, 14),
    'equidistant': (0, 4),
    'fisheye': (0, 4),
}
_FISHEYE = ('equidistant', 'fisheye')

# A calibration puts (0, 0) into the middle of the first pixel, boxes put it at its corner.
_PIXEL_CENTER = 0.5

# A ray is right when it leads back to its pixel. Newton's last step starts from there: the number
# of right digits doubles.
_MAX_MISS_PX = 0.01
_USABLE_START_PX = 2.0
_NEWTON_STEPS = 20


@dataclass(frozen=True, eq=False)
class CameraModel:
    """
    A calibrated camera as in sensor_msgs/CameraInfo: raw picture, intrinsics, distortion.

    ``k``: float64 [3, 3], pixels. ``d``: float64 [n], coefficients of ``distortion_model``:
    plumb_bob, rational_polynomial, equidistant (also named fisheye). ``width``, ``height``: the
    calibrated picture in pixels.
    """

    width: int
    height: int
    k: FloatArray
    d: FloatArray
    distortion_model: str = 'plumb_bob'

    def __post_init__(self) -> None:
        """Refuse what is no calibration with a ValueError."""
        if self.k.shape != (3, 3) or not np.isfinite(self.k).all():
            raise ValueError(f'expected a finite 3 x 3 camera matrix K, got {self.k.tolist()}')
        if not (self.k[0, 0] > 0 and self.k[1, 1] > 0):
            raise ValueError(
                f'the focal lengths in K are {self.k[0, 0]:g} and {self.k[1, 1]:g}: not calibrated'
            )
        if not np.isfinite(self.d).all():
            raise ValueError(f'expected finite distortion coefficients D, got {self.d.tolist()}')
        # An empty name goes with no distortion.
        counts = _COEFFICIENTS.get(self.distortion_model, (0,) if not self.distortion_model else ())
        if self.d.size not in counts:
            raise ValueError(
                f'distortion model {self.distortion_model!r} with {self.d.size} coefficients: '
                f'expected one of {", ".join(f"{m} {c}" for m, c in _COEFFICIENTS.items())}'
            )

    @classmethod
    def pinhole(
        cls, width: int, height: int, focal_px: float, center: tuple[float, float] | None = None
    ) -> CameraModel:
        """Return a camera without distortion; its centre is the picture's unless given."""
        cx, cy = center or ((width - 1) / 2, (height - 1) / 2)
        k = np.array([[focal_px, 0.0, cx], [0.0, focal_px, cy], [0.0, 0.0, 1.0]])
        return cls(width, height, k, np.zeros(0))

    @classmethod
    def from_calibration(cls, calibration: Calibration) -> CameraModel:
        """Return the camera of a calibration file."""
        return cls(
            calibration.width,
            calibration.height,
            calibration.k,
            calibration.d,
            calibration.distortion_model,
        )

    def rays(self, points_px: ArrayLike) -> FloatArray:
        """
        Return the rays through points of the picture, in the optical frame, with z = 1.

        :param points_px: [n, 2], pixels, (0, 0) the outer corner of the first pixel
        :returns: float64 [n, 3]; NaN where no ray in front of the camera leads to the point
        """
        points = np.asarray(points_px, np.float64).reshape(-1, 2)
        if not self.d.size:
            xy = self._undistorted_pinhole(points)
        elif self.distortion_model in _FISHEYE:
            xy = self._leading_back(self._undistorted_opencv(points), points)
        else:
            xy = self._undistorted_polynomial(points)
        return np.column_stack([xy, np.where(np.isfinite(xy[:, 0]), 1.0, np.nan)])

    def project(self, points_m: ArrayLike) -> FloatArray:
        """
        Return where points in front of the camera appear.

        :param points_m: [n, 3] in the optical frame, z > 0
        :returns: float64 [n, 2], pixels, (0, 0) the outer corner of the first pixel
        """
        points = np.asarray(points_m, np.float64).reshape(-1, 1, 3)
        zero = np.zeros(3)
        if self.distortion_model in _FISHEYE and self.d.size:
            pixels, _ = cv2.fisheye.projectPoints(points, zero, zero, self.k, self.d)
        else:
            pixels, _ = cv2.projectPoints(
                points, zero, zero, self.k, self.d if self.d.size else None
            )
        return np.asarray(pixels, np.float64).reshape(-1, 2) + _PIXEL_CENTER

    def _undistorted_pinhole(self, points_px: FloatArray) -> FloatArray:
        centered = points_px - _PIXEL_CENTER - self.k[:2, 2]
        xy: FloatArray = np.linalg.solve(self.k[:2, :2], centered.T).T
        return xy

    def _undistorted_opencv(self, points_px: FloatArray) -> FloatArray:
        pixels = (points_px - _PIXEL_CENTER).reshape(-1, 1, 2)
        undistort = (
            cv2.fisheye.undistortPoints
            if self.distortion_model in _FISHEYE
            else cv2.undistortPoints
        )
        return np.array(undistort(pixels, self.k, self.d), np.float64).reshape(-1, 2)

    def _undistorted_polynomial(self, points_px: FloatArray) -> FloatArray:
        # OpenCV's few fixed-point steps miss by whole pixels in the corners of wide lenses, and
        # which of its versions can be asked for more differs: Newton's method from there, or
        # where they ran away, from the pinhole's ray, on the safe side of the answer.
        xy = self._undistorted_opencv(points_px)
        zero = np.zeros(3)
        with np.errstate(all='ignore'):
            for number in range(_NEWTON_STEPS):
                rays = np.column_stack([xy, np.ones(len(xy))])
                pixels, slopes = cv2.projectPoints(rays, zero, zero, self.k, self.d)
                miss = points_px - _PIXEL_CENTER - np.reshape(pixels, (-1, 2))
                if number == 0 and not (np.abs(miss) < _USABLE_START_PX).all():
                    xy = self._undistorted_pinhole(points_px)
                    continue
                # The columns of the translation: at z = 1 a shift of the ray.
                (a, b), (c, d) = np.reshape(slopes[:, 3:5], (-1, 2, 2)).transpose(1, 2, 0)
                determinant = a * d - b * c
                # Beyond the fold of the polynomial, pixels come back towards the centre.
                xy[(determinant <= 0) | (a + d <= 0)] = np.nan
                step = np.stack([d * miss[:, 0] - b * miss[:, 1], a * miss[:, 1] - c * miss[:, 0]])
                xy = xy + (step / determinant).T
                if not (np.abs(miss) > _MAX_MISS_PX).any():
                    break
        good = np.abs(miss).max(axis=1) <= _MAX_MISS_PX
        return np.where(good[:, None], xy, np.nan)

    def _leading_back(self, xy: FloatArray, points_px: FloatArray) -> FloatArray:
        seen = self.project(np.column_stack([xy, np.ones(len(xy))]))
        good = np.abs(seen - points_px).max(axis=1) <= _MAX_MISS_PX
        return np.where(good[:, None], xy, np.nan)

"""Calibrated cameras: from pixels to directions and back, with the lenses of CameraInfo."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from fsanet_ros.arrays import FloatArray
from fsanet_ros.files.calibration_file import CalibrationData
from fsanet_ros.geometry.lenses import (
    FisheyeLens,
    Lens,
    PolynomialLens,
    pinhole_points,
    pinhole_rays,
)

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

# Of the picture. Round pictures of fisheyes fill a half and more; a distortion that ends before
# that was fitted to another lens.
_LEAST_COVERED = 0.1


@dataclass(frozen=True, eq=False)
class CameraModel:
    """
    A calibrated camera as in sensor_msgs/CameraInfo: raw picture, intrinsics, distortion.

    ``k``: float64 [3, 3], pixels. ``d``: float64 [n], coefficients of ``distortion_model``:
    plumb_bob, rational_polynomial, equidistant (also named fisheye; for lenses of any angle of
    view, 180 degrees and more included). ``width``, ``height``: the calibrated picture in pixels.
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
        if self.k[1, 0] or self.k[2].tolist() != [0.0, 0.0, 1.0]:
            raise ValueError(
                f'expected K as fx, 0, cx, 0, fy, cy, 0, 0, 1, row by row, got {self.k.tolist()}'
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
        covered = self._share_with_rays()
        if covered < _LEAST_COVERED:
            raise ValueError(
                f'the distortion {self.d.tolist()} ({self.distortion_model}) leads rays to '
                f'{covered:.0%} of the picture only: not the one of this lens, or too far from '
                'what was calibrated'
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
    def from_calibration(cls, calibration: CalibrationData) -> CameraModel:
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
        Return the directions of points of the picture, in the optical frame.

        :param points_px: [n, 2], pixels, (0, 0) the outer corner of the first pixel
        :returns: float64 [n, 3], unit vectors, with z <= 0 for what a fisheye lens sees at 90
            degrees and beyond; NaN where no ray leads to the point: beyond the end of the
            distortion model
        """
        points = np.asarray(points_px, np.float64).reshape(-1, 2)
        xy = (points - self._center_px) @ self._focal_lengths_per_px
        return pinhole_rays(xy) if self._lens is None else self._lens.rays(xy)

    def project(self, points_m: ArrayLike) -> FloatArray:
        """
        Return where points appear; any unit of length will do.

        :param points_m: [n, 3] in the optical frame
        :returns: float64 [n, 2], pixels, (0, 0) the outer corner of the first pixel, not limited
            to the picture; NaN for what the lens can't see: points with z <= 0 unless it is a
            fisheye, and directions beyond the end of the distortion model
        """
        points = np.asarray(points_m, np.float64).reshape(-1, 3)
        xy = pinhole_points(points) if self._lens is None else self._lens.project(points)
        pixels: FloatArray = xy @ self._px_per_focal_length + self._center_px
        return pixels

    def _share_with_rays(self) -> float:
        """Return for which share of the picture there are rays, 1 if its size is not known."""
        if self._lens is None or not (self.width and self.height):
            return 1.0
        at = (np.arange(9) + 0.5) / 9.0
        x, y = np.meshgrid(at * self.width, at * self.height)
        rays = self.rays(np.column_stack([x.ravel(), y.ravel()]))
        return float(np.isfinite(rays[:, 0]).mean())

    @cached_property
    def _lens(self) -> Lens | None:
        """The lens, None for a pinhole."""
        if self.distortion_model in _FISHEYE:
            # The name alone says how angles become pixels, with or without coefficients.
            k1, k2, k3, k4 = self.d.tolist() or [0.0] * 4
            return FisheyeLens((k1, k2, k3, k4))
        return PolynomialLens(self.d) if self.d.any() else None

    @cached_property
    def _center_px(self) -> FloatArray:
        return self.k[:2, 2] + _PIXEL_CENTER

    @cached_property
    def _px_per_focal_length(self) -> FloatArray:
        return np.ascontiguousarray(self.k[:2, :2].T)

    @cached_property
    def _focal_lengths_per_px(self) -> FloatArray:
        return np.ascontiguousarray(np.linalg.inv(self.k[:2, :2]).T)

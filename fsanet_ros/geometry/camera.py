"""Calibrated cameras: from pixels to directions and back, with the lenses of CameraInfo."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from fsanet_ros.arrays import FloatArray
from fsanet_ros.files.calibration_file import (
    CalibrationData,
    CalibrationError,
    read_calibration,
)
from fsanet_ros.files.distortion import EQUIDISTANT, meant_distortion, shown_numbers
from fsanet_ros.geometry.lenses import (
    FisheyeLens,
    Lens,
    PolynomialLens,
    pinhole_points,
    pinhole_rays,
)

# A calibration puts (0, 0) into the middle of the first pixel, boxes put it at its corner.
_PIXEL_CENTER = 0.5

# Of the picture. Round pictures of fisheyes fill a half and more; a distortion that ends before
# that was fitted to another lens.
_LEAST_COVERED = 0.1
# Of the angle from the axis to the corners that there would be without distortion.
_LEAST_SPREAD = 0.25

# Near the axis lenses do next to nothing: so far from it, in sides of the picture, a ray may be off
# by this share of its angle to the axis.
_NEAR, _GREATEST_NEAR = 1.0 / 9.0, 0.5

# The focal length over the longer side of the picture: from 172 down to 0.3 degrees of view for a
# pinhole. Fisheyes of 220 degrees have 0.26, or half of it where their round picture is small.
_LEAST_FOCAL, _GREATEST_FOCAL = 0.05, 200.0
# fx over fy, or the reverse: pixels that are not square, or neighbours that are added up in a row.
_GREATEST_ASPECT = 5.0
# From the middle of the picture to the principal point, in sides of the picture.
_FARTHEST_CENTER = 0.55


@dataclass(frozen=True, eq=False)
class CameraModel:
    """
    A calibrated camera as in sensor_msgs/CameraInfo: raw picture, intrinsics, distortion.

    ``k``: float64 [3, 3], pixels. ``d``: float64 [n], coefficients of ``distortion_model``:
    plumb_bob, rational_polynomial, equidistant (also named fisheye; for lenses of any angle of
    view, 180 degrees and more included); see files.distortion for what else is understood.
    ``width``, ``height``: the calibrated picture in pixels, 0 where that is not known.
    ``whole``: whether it is all of what was calibrated; where it is a part, see ``cropped``, the
    optical axis may lead past it.
    """

    width: int
    height: int
    k: FloatArray
    d: FloatArray
    distortion_model: str = 'plumb_bob'
    whole: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no calibration, or cannot be one of such a picture, with a ValueError."""
        if self.k.shape != (3, 3) or not np.isfinite(self.k).all():
            raise ValueError(
                f'expected a finite 3 x 3 camera matrix K, got {shown_numbers(self.k)}'
            )
        if not (self.k[0, 0] > 0 and self.k[1, 1] > 0):
            raise ValueError(
                f'the focal lengths in K are {self.k[0, 0]:g} and {self.k[1, 1]:g}: not calibrated'
            )
        if self.k[1, 0] or self.k[2].tolist() != [0.0, 0.0, 1.0]:
            raise ValueError(
                'expected K as fx, 0, cx, 0, fy, cy, 0, 0, 1, row by row, got '
                f'{shown_numbers(self.k)}'
            )
        meant_distortion(self.distortion_model, self.d)
        self._check_focal_lengths()
        self._check_center()
        self._check_distortion()

    @classmethod
    def pinhole(
        cls, width: int, height: int, focal_px: float, center: tuple[float, float] | None = None
    ) -> CameraModel:
        """
        Return a camera without distortion.

        :param center: where the optical axis meets the picture, in pixels, also past it: the
            camera of a part. None: the middle of the picture.
        """
        cx, cy = center or ((width - 1) / 2, (height - 1) / 2)
        k = np.array([[focal_px, 0.0, cx], [0.0, focal_px, cy], [0.0, 0.0, 1.0]])
        return cls(width, height, k, np.zeros(0), whole=center is None)

    @classmethod
    def from_calibration(cls, calibration: CalibrationData) -> CameraModel:
        """
        Return the camera of what a calibration file says.

        :raises ValueError: if that cannot be used
        """
        return cls(
            calibration.width,
            calibration.height,
            calibration.k,
            calibration.d,
            calibration.distortion_model,
        )

    @classmethod
    def from_file(cls, path: str | Path) -> CameraModel:
        """
        Return the camera of a file of camera_calibration (YAML).

        :raises CalibrationError: a ValueError that names the file, see read_calibration; also for
            a calibration that cannot be used
        """
        calibration = read_calibration(path)
        try:
            return cls.from_calibration(calibration)
        except ValueError as error:
            raise CalibrationError(f'the calibration {path}: {error}') from error

    def cropped(self, x: int, y: int, width: int, height: int) -> CameraModel:
        """Return the camera of a part of the picture; ``x``, ``y``: its first pixel."""
        k = self.k.copy()
        k[:2, 2] -= x, y
        return replace(self, width=width, height=height, k=k, whole=False)

    def binned(self, binning_x: int, binning_y: int) -> CameraModel:
        """Return the camera of a picture in which so many pixels are one, in each direction."""
        return replace(
            self,
            width=self.width // binning_x,
            height=self.height // binning_y,
            k=_scaled_k(self.k, 1.0 / binning_x, 1.0 / binning_y),
        )

    def resized(self, width: int, height: int) -> CameraModel:
        """
        Return the camera of the whole picture scaled to another size, in pixels.

        :raises ValueError: if the calibrated size is not known, or the sides have another ratio:
            cut off, not scaled
        """
        by_x, by_y = (
            to / max(size, 1) for to, size in ((width, self.width), (height, self.height))
        )
        # Sides are whole pixels.
        if not (self.width and self.height) or abs(by_x - by_y) * max(self.width, self.height) > 2:
            raise ValueError(
                f'a picture of {self.width} x {self.height} pixels cannot be scaled to {width} x '
                f'{height}: expected sides of the same ratio'
            )
        return replace(self, width=width, height=height, k=_scaled_k(self.k, by_x, by_y))

    def fitting(self, width: int, height: int) -> CameraModel:
        """
        Return the camera of pictures of a size in pixels: itself, if they are what it is for.

        A size that is not known is taken from the picture.

        :raises ValueError: if they have another size, or if this cannot be their calibration
        """
        if (self.width, self.height) == (width, height):
            return self
        if self.width not in (0, width) or self.height not in (0, height):
            raise ValueError(
                f'the calibration is for {self.width} x {self.height} pixels, the image has '
                f'{width} x {height}'
            )
        return replace(self, width=width, height=height)

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

    def _check_focal_lengths(self) -> None:
        fx, fy = float(self.k[0, 0]), float(self.k[1, 1])
        if max(fx, fy) > _GREATEST_ASPECT * min(fx, fy) or abs(self.k[0, 1]) > fx:
            raise ValueError(
                f'fx, skew and fy in K are {fx:g}, {self.k[0, 1]:g} and {fy:g}: expected fx and fy '
                'to be about the same, and a skew of about 0'
            )
        longer = max(self.width, self.height)
        if longer and not _LEAST_FOCAL <= np.sqrt(fx) * np.sqrt(fy) / longer <= _GREATEST_FOCAL:
            raise ValueError(
                f'the focal lengths in K are {fx:g} and {fy:g}, expected '
                f'{_LEAST_FOCAL * longer:g} to {_GREATEST_FOCAL * longer:g} for {self.width} x '
                f'{self.height} pixels: not calibrated'
            )

    def _check_center(self) -> None:
        cx, cy = self.k[:2, 2].tolist()
        if not (self.whole and self.width and self.height):
            return
        places = ((cx, self.width), (cy, self.height))
        off = max(abs(place - size / 2) / size for place, size in places)
        if off > _FARTHEST_CENTER or cx == cy == 0.0:
            raise ValueError(
                f'the principal point in K is {cx:g}, {cy:g}, expected a place near the middle of '
                f'{self.width} x {self.height} pixels: not calibrated'
            )

    def _check_distortion(self) -> None:
        if self._lens is None or not (self.width and self.height):
            return
        at = (np.arange(9) + 0.5) / 9.0
        x, y = np.meshgrid(at * self.width, at * self.height)
        points = np.column_stack([x.ravel(), y.ravel()])
        rays = self.rays(points)
        covered = float(np.isfinite(rays[:, 0]).mean())
        if covered < _LEAST_COVERED:
            raise ValueError(
                f'the distortion {shown_numbers(self.d)} ({self.distortion_model}) leads rays to '
                f'{covered:.0%} of the picture only: not the one of this lens, or too far from '
                'what was calibrated'
            )
        straight = (points - self._center_px) @ self._focal_lengths_per_px
        widest, usual = (
            np.arccos(np.nanmin(z)) for z in (rays[:, 2], pinhole_rays(straight)[:, 2])
        )
        if widest < _LEAST_SPREAD * usual:
            raise ValueError(
                f'the distortion {shown_numbers(self.d)} ({self.distortion_model}) leaves '
                f'{np.degrees(widest):.1f} of {np.degrees(usual):.1f} degrees to see: not the one '
                'of this lens'
            )
        self._check_axis()

    def _check_axis(self) -> None:
        x, y = np.meshgrid([-_NEAR, 0.0, _NEAR], [-_NEAR, 0.0, _NEAR])
        size = np.array([self.width, self.height])
        offsets = np.column_stack([x.ravel(), y.ravel()])[[0, 1, 2, 3, 5, 6, 7, 8]] * size
        points = self._center_px + offsets
        points = points[((points >= 0.0) & (points <= size)).all(axis=1)]
        if not len(points):
            return
        usual = pinhole_rays((points - self._center_px) @ self._focal_lengths_per_px)
        off = np.linalg.norm(self.rays(points) - usual, axis=1) / np.arccos(usual[:, 2])
        if not (off <= _GREATEST_NEAR).all():
            raise ValueError(
                f'the distortion {shown_numbers(self.d)} ({self.distortion_model}) bends rays near '
                'the middle of the picture: not the one of this lens'
            )

    @cached_property
    def _lens(self) -> Lens | None:
        """The lens, None for a pinhole."""
        model, d = meant_distortion(self.distortion_model, self.d)
        if model == EQUIDISTANT:
            # The name alone says how angles become pixels, with or without coefficients.
            k1, k2, k3, k4 = d.tolist() or [0.0] * 4
            return FisheyeLens((k1, k2, k3, k4))
        return PolynomialLens(d) if d.any() else None

    @cached_property
    def _center_px(self) -> FloatArray:
        return self.k[:2, 2] + _PIXEL_CENTER

    @cached_property
    def _px_per_focal_length(self) -> FloatArray:
        return np.ascontiguousarray(self.k[:2, :2].T)

    @cached_property
    def _focal_lengths_per_px(self) -> FloatArray:
        return np.ascontiguousarray(np.linalg.inv(self.k[:2, :2]).T)


def _scaled_k(k: FloatArray, by_x: float, by_y: float) -> FloatArray:
    """Return K of a scaled picture; pixel centres are whole numbers in K, so its centre moves."""
    scaled = k.copy()
    scaled[0] *= by_x
    scaled[1] *= by_y
    scaled[0, 2] += 0.5 * by_x - 0.5
    scaled[1, 2] += 0.5 * by_y - 0.5
    return scaled

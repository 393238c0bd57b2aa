"""
Lenses: where a direction appears in the picture of focal length 1, and back.

``project`` takes points in the optical frame to the picture, ``rays`` takes places in the picture
to unit directions. Both give NaN where the model ends: where its polynomial turns back, two
directions would share a pixel, and the farther one is none that the lens was calibrated for.

Inverted here and not by OpenCV: its undistortPoints misses by whole pixels in the corners of wide
lenses, and its fisheye functions go through tan(theta), which ends at 90 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np

from fsanet_ros.arrays import FloatArray

# Newton's method starts from a table over the angle to the axis, so it needs few steps.
_TABLE_SIZE = 1024
_NEWTON_STEPS = 8
# In focal lengths. The step that is made from there doubles the number of right digits.
_MAX_MISS = 1e-5
# The polynomial models divide by z: the table of their rays ends short of 90 degrees.
_WIDEST_POLYNOMIAL = float(np.tan(np.radians(89.5)))
# The small tangential terms may push a pixel beyond the radial table's end.
_TABLE_MARGIN = 1.05
_TINY = 1e-300
_ZERO, _IDENTITY = np.zeros(3), np.eye(3)


class Lens(Protocol):
    """What every lens can do."""

    def project(self, points: FloatArray) -> FloatArray:
        """Return where points, float64 [n, 3], appear: float64 [n, 2], focal lengths, or NaN."""
        ...

    def rays(self, xy: FloatArray) -> FloatArray:
        """Return the unit directions, float64 [n, 3], or NaN, that appear at float64 [n, 2]."""
        ...


def pinhole_points(points: FloatArray) -> FloatArray:
    """Return x / z, y / z of float64 [n, 3], NaN at and behind the image plane."""
    z = points[:, 2:]
    return points[:, :2] / np.where(z > 0.0, z, np.nan)


def pinhole_rays(xy: FloatArray) -> FloatArray:
    """Return the unit directions to (x, y, 1), float64 [n, 3]."""
    rays = np.ones((len(xy), 3))
    rays[:, :2] = xy
    return _unit(rays)


@dataclass(frozen=True, eq=False)
class FisheyeLens:
    """
    The equidistant model, for any angle theta to the axis, also beyond 90 degrees.

    r = theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8) focal lengths from the centre
    (Kannala and Brandt, PAMI 2006; OpenCV's fisheye module). ``k``: the four coefficients.
    """

    k: tuple[float, float, float, float]

    def project(self, points: FloatArray) -> FloatArray:
        """See Lens."""
        xy = points[:, :2]
        aside = np.maximum(np.sqrt(np.einsum('ij,ij->i', xy, xy)), _TINY)
        theta = np.arctan2(aside, points[:, 2])
        theta = np.where(theta < self._table[1][-1], theta, np.nan)
        projected: FloatArray = xy * (self._radius(theta) / aside)[:, None]
        return projected

    def rays(self, xy: FloatArray) -> FloatArray:
        """See Lens."""
        radius = np.sqrt(np.einsum('ij,ij->i', xy, xy))
        theta = np.interp(radius, *self._table, right=np.nan)
        with np.errstate(divide='ignore', invalid='ignore'):
            # The table leaves 1e-6, one step of Newton's method its square.
            theta = theta - (self._radius(theta) - radius) / self._slope(theta)
        theta = np.where(np.abs(self._radius(theta) - radius) <= _MAX_MISS, theta, np.nan)
        rays = np.empty((len(xy), 3))
        rays[:, :2] = xy * (np.sin(theta) / np.maximum(radius, _TINY))[:, None]
        rays[:, 2] = np.cos(theta)
        return rays

    def _radius(self, theta: FloatArray) -> FloatArray:
        k1, k2, k3, k4 = self.k
        t = theta * theta
        return theta * (1.0 + t * (k1 + t * (k2 + t * (k3 + t * k4))))

    def _slope(self, theta: FloatArray) -> FloatArray:
        k1, k2, k3, k4 = self.k
        t = theta * theta
        return 1.0 + t * (3.0 * k1 + t * (5.0 * k2 + t * (7.0 * k3 + t * (9.0 * k4))))

    @cached_property
    def _table(self) -> tuple[FloatArray, FloatArray]:
        """Radii and their angles, float64 [m] both, ascending, up to where the model ends."""
        theta = np.linspace(0.0, np.pi, _TABLE_SIZE)
        theta = _until_turning(theta, self._slope(theta))
        return self._radius(theta), theta


@dataclass(frozen=True, eq=False)
class PolynomialLens:
    """
    OpenCV's model of ordinary lenses: plumb_bob (Brown and Conrady) and rational_polynomial.

    ``d``: float64 [n] in OpenCV's order k1, k2, p1, p2, k3, k4, k5, k6, s1 .. s4 (thin prism),
    tau_x, tau_y (tilted sensor); those that are not given are zero.
    """

    d: FloatArray

    def project(self, points: FloatArray) -> FloatArray:
        """See Lens."""
        xy = pinhole_points(points).T
        x, y = np.where((xy * xy).sum(axis=0) <= self._last_radius**2, xy, np.nan)
        bent = np.stack(self._bent(x, y), axis=1)
        return bent if self._tilt is None else _through(self._tilt, bent)

    def rays(self, xy: FloatArray) -> FloatArray:
        """See Lens."""
        if not len(xy):
            return np.zeros((0, 3))
        if self._tilt is not None:
            xy = _through(np.asarray(np.linalg.inv(self._tilt), np.float64), xy)
        radii, straight = self._table
        goal = np.sqrt(np.einsum('ij,ij->i', xy, xy))
        start = np.interp(goal, radii, straight) / np.maximum(goal, _TINY)
        start[~(goal <= _TABLE_MARGIN * radii[-1])] = np.nan
        rays = np.ones((len(xy), 3))
        rays[:, :2] = xy * start[:, None]
        with np.errstate(all='ignore'):
            for _ in range(_NEWTON_STEPS):
                # In the image plane at distance 1, moving the ray is a translation. OpenCV takes
                # a third of NumPy's time for so few points.
                bent, slopes = cv2.projectPoints(rays, _ZERO, _ZERO, _IDENTITY, self._untilted)
                miss = xy - bent.reshape(-1, 2)
                a, b = slopes[::2, 3:5].T
                c, d = slopes[1::2, 3:5].T
                determinant = a * d - b * c
                x, y = miss.T
                rays[:, 0] += (d * x - b * y) / determinant
                rays[:, 1] += (a * y - c * x) / determinant
                miss = np.abs(miss)
                if not (miss > _MAX_MISS).any():
                    break
            # Beyond the fold of the polynomial, pixels come back towards the centre.
            good = (miss.max(axis=1) <= _MAX_MISS) & (determinant > 0.0) & (a + d > 0.0)
            rays[~good] = np.nan
        return _unit(rays)

    @cached_property
    def _coefficients(self) -> tuple[float, ...]:
        return (*self.d.tolist(), *[0.0] * (14 - self.d.size))

    def _bent(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, *_ = self._coefficients
        xx, yy, xy2 = x * x, y * y, 2.0 * x * y
        rr = xx + yy
        radial = (1.0 + rr * (k1 + rr * (k2 + rr * k3))) / (1.0 + rr * (k4 + rr * (k5 + rr * k6)))
        return (
            x * radial + p1 * xy2 + p2 * (rr + 2.0 * xx) + rr * (s1 + rr * s2),
            y * radial + p1 * (rr + 2.0 * yy) + p2 * xy2 + rr * (s3 + rr * s4),
        )

    def _radial(self, rr: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the radial factor and its derivative by r^2."""
        k1, k2, _, _, k3, k4, k5, k6, *_ = self._coefficients
        below = 1.0 / (1.0 + rr * (k4 + rr * (k5 + rr * k6)))
        radial = (1.0 + rr * (k1 + rr * (k2 + rr * k3))) * below
        change_above = k1 + rr * (2.0 * k2 + rr * (3.0 * k3))
        change_below = k4 + rr * (2.0 * k5 + rr * (3.0 * k6))
        return radial, (change_above - radial * change_below) * below

    @cached_property
    def _untilted(self) -> FloatArray:
        return np.array(self._coefficients[:12])

    @cached_property
    def _table(self) -> tuple[FloatArray, FloatArray]:
        """Radii with and without distortion, float64 [m] both, up to where the model ends."""
        straight = np.tan(np.linspace(0.0, np.arctan(_WIDEST_POLYNOMIAL), _TABLE_SIZE))
        straight[-1] = _WIDEST_POLYNOMIAL
        rr = straight * straight
        with np.errstate(all='ignore'):
            radial, change = self._radial(rr)
            slope = radial + 2.0 * rr * change
            # A factor below 0 lies beyond a pole of the rational polynomial.
            straight = _until_turning(straight, np.where(radial > 0.0, slope, np.nan))
            return straight * self._radial(straight * straight)[0], straight

    @cached_property
    def _last_radius(self) -> float:
        """Beyond this x / z the polynomial has turned back; infinite if it never does."""
        _, straight = self._table
        return float(straight[-1]) if straight[-1] < _WIDEST_POLYNOMIAL else np.inf

    @cached_property
    def _tilt(self) -> FloatArray | None:
        """The tilted sensor's homography, float64 [3, 3] (OpenCV's computeTiltProjectionMatrix)."""
        tau_x, tau_y = self._coefficients[12:]
        if not tau_x and not tau_y:
            return None
        cx, sx, cy, sy = np.cos(tau_x), np.sin(tau_x), np.cos(tau_y), np.sin(tau_y)
        about_x = np.array([[1.0, 0.0, 0.0], [0.0, cx, sx], [0.0, -sx, cx]])
        about_y = np.array([[cy, 0.0, -sy], [0.0, 1.0, 0.0], [sy, 0.0, cy]])
        turned = about_y @ about_x
        z = turned[2, 2]
        onto = np.array([[z, 0.0, -turned[0, 2]], [0.0, z, -turned[1, 2]], [0.0, 0.0, 1.0]])
        return onto @ turned


def _unit(rays: FloatArray) -> FloatArray:
    rays /= np.sqrt(np.einsum('ij,ij->i', rays, rays))[:, None]
    return rays


def _until_turning(at: FloatArray, slope: FloatArray) -> FloatArray:
    """Return the ascending ``at`` up to where the slope, positive at first, reaches 0."""
    falling = ~(slope > 0.0)
    if not falling.any():
        return at
    i = int(falling.argmax())
    share = slope[i - 1] / (slope[i - 1] - slope[i]) if np.isfinite(slope[i]) else 0.0
    turning = at[i - 1] + share * (at[i] - at[i - 1])
    return np.append(at[:i], turning)


def _through(homography: FloatArray, xy: FloatArray) -> FloatArray:
    mapped = xy @ homography[:, :2].T + homography[:, 2]
    return mapped[:, :2] / mapped[:, 2:]

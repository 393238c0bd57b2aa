"""
Lenses: where a direction appears in the picture of focal length 1, and back.

``project`` takes points in the optical frame to the picture, ``rays`` takes places in the picture
to unit directions. Both give NaN where the model ends: where its polynomial turns back, two
directions would share a pixel, and the farther one is none that the lens was calibrated for.

Ordinary lenses are OpenCV's, with criteria for undistortPoints: by default it stops after five
steps and misses by whole pixels in the corners of wide lenses. Fisheyes are inverted here, as
OpenCV's functions for them go through tan(theta), which ends at 90 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import FloatArray

_TABLE_SIZE = 1024  # angles to the axis
# In focal lengths. A fisheye's step of Newton's method from there doubles the right digits.
_MAX_MISS = 1e-5
# At most 200 steps, fewer once it misses by less than 1e-12 focal lengths.
_CRITERIA = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-12)
# The polynomial models divide by z: what is looked at of them ends short of 90 degrees.
_WIDEST_POLYNOMIAL = float(np.tan(np.radians(89.5)))
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
        xy = pinhole_points(points)
        xy[~self._in_model(xy)] = np.nan
        return self._bent(xy)[0]

    def rays(self, xy: FloatArray) -> FloatArray:
        """See Lens."""
        if not len(xy):
            return np.zeros((0, 3))
        straight = _undistorted(xy, self._coefficients)
        bent, slopes = self._bent(straight)
        a, b = slopes[::2].T
        c, d = slopes[1::2].T
        # Beyond the fold of the polynomial, pixels come back towards the centre. Coefficients of
        # nonsense lead to infinity.
        with np.errstate(over='ignore', invalid='ignore'):
            good = (np.abs(bent - xy).max(axis=1) <= _MAX_MISS) & self._in_model(straight)
            good &= (a * d - b * c > 0.0) & (a + d > 0.0)
        straight[~good] = np.nan
        return pinhole_rays(straight)

    def _bent(self, straight: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return places with distortion, float64 [n, 2], and their derivatives, [2 n, 2]."""
        if not len(straight):
            return np.zeros((0, 2)), np.zeros((0, 2))
        points = np.ones((len(straight), 3))
        points[:, :2] = straight
        # In the image plane at distance 1, moving the point is a translation.
        bent, slopes = cv2.projectPoints(points, _ZERO, _ZERO, _IDENTITY, self._coefficients)
        return np.asarray(bent.reshape(-1, 2)), np.asarray(slopes[:, 3:5])

    def _in_model(self, straight: FloatArray) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = (straight * straight).sum(axis=1) <= self._last_radius**2
        return inside

    @cached_property
    def _coefficients(self) -> FloatArray:
        return np.concatenate([self.d, np.zeros(14 - self.d.size)])

    def _radial(self, rr: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the radial factor and its derivative by r^2."""
        k1, k2, _, _, k3, k4, k5, k6, *_ = self._coefficients.tolist()
        below = 1.0 / (1.0 + rr * (k4 + rr * (k5 + rr * k6)))
        radial = (1.0 + rr * (k1 + rr * (k2 + rr * k3))) * below
        change_above = k1 + rr * (2.0 * k2 + rr * (3.0 * k3))
        change_below = k4 + rr * (2.0 * k5 + rr * (3.0 * k6))
        return radial, (change_above - radial * change_below) * below

    @cached_property
    def _last_radius(self) -> float:
        """Beyond this x / z the polynomial has turned back; infinite if it never does."""
        straight = np.tan(np.linspace(0.0, np.arctan(_WIDEST_POLYNOMIAL), _TABLE_SIZE))
        straight[-1] = _WIDEST_POLYNOMIAL
        rr = straight * straight
        with np.errstate(all='ignore'):
            radial, change = self._radial(rr)
            slope = radial + 2.0 * rr * change
            # A factor below 0 lies beyond a pole of the rational polynomial.
            straight = _until_turning(straight, np.where(radial > 0.0, slope, np.nan))
        return float(straight[-1]) if straight[-1] < _WIDEST_POLYNOMIAL else np.inf


def _undistorted(xy: FloatArray, coefficients: FloatArray) -> FloatArray:
    """
    Return places without distortion, float64 [n, 2]; wrong beyond where the model ends.

    OpenCV 4's iteration also fails far outside the picture of a strong plumb_bob lens, from 1.3
    times the picture's size on; OpenCV 5's does not.
    """
    points = np.ascontiguousarray(xy)[:, None]
    # OpenCV 4 has its criteria in a function of another name.
    if hasattr(cv2, 'undistortPointsIter'):
        found = cv2.undistortPointsIter(points, _IDENTITY, coefficients, None, None, _CRITERIA)
    else:
        found = cv2.undistortPoints(points, _IDENTITY, coefficients, criteria=_CRITERIA)
    return np.asarray(found.reshape(-1, 2))


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

"""
The colours of the face, painted on the mean head as seen from the front.

All identities and expressions share the mean head's topology, so the position of a vertex on the
mean head gives its colour.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import FloatArray
from fsanet_ros.research.rendering.appearance import Appearance, linear_from_srgb

Float32Image = NDArray[np.float32]

# The painted area, metres of the head frame, and its resolution.
_LEFT, _TOP = -0.10, -0.10
_WIDTH, _HEIGHT = 0.20, 0.24
_PX_PER_M = 4000.0
# cv2's drawing functions take fixed-point coordinates with this many fractional bits.
_SHIFT = 4


class FacePaint:
    """
    An image of the face's colours in the x-y plane of the head frame.

    ``albedo``: float32 [h, w, 3], linear red, green, blue.
    """

    def __init__(self, landmarks_m: FloatArray, appearance: Appearance) -> None:
        """
        Paint a face.

        :param landmarks_m: float64 [68, 3], of the mean head, in its frame
        """
        self._points = (landmarks_m[:, :2] - (_LEFT, _TOP)) * _PX_PER_M
        self._rng = np.random.default_rng(appearance.seed)
        self._shape = (round(_HEIGHT * _PX_PER_M), round(_WIDTH * _PX_PER_M))
        self.base: FloatArray = linear_from_srgb(appearance.skin)
        self._hair = linear_from_srgb(appearance.hair)
        self.albedo: Float32Image = np.full((*self._shape, 3), self.base, np.float32)
        self._skin(appearance)
        self._beard(appearance)
        self._lips(appearance)
        self._eyes()
        self._brows(appearance)

    def sample(self, points_m: FloatArray) -> FloatArray:
        """
        Return the colours of points on the front of the mean head.

        :param points_m: float64 [k, 3]
        :returns: float64 [k, 3], linear red, green, blue
        """
        x = ((points_m[:, 0] - _LEFT) * _PX_PER_M).astype(np.float32)
        y = ((points_m[:, 1] - _TOP) * _PX_PER_M).astype(np.float32)
        # cv2.remap takes at most 32767 rows.
        rows = -(-len(x) // 1024)
        grid = np.zeros((2, rows * 1024), np.float32)
        grid[:, : len(x)] = x, y
        maps = grid.reshape(2, rows, 1024)
        picked = cv2.remap(
            self.albedo, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return picked.reshape(-1, 3)[: len(x)].astype(np.float64)

    def _blend(self, mask: Float32Image, color: FloatArray) -> None:
        self.albedo += mask[..., None] * (color.astype(np.float32) - self.albedo)

    def _tint(self, mask: Float32Image, factor: tuple[float, float, float]) -> None:
        self.albedo *= 1.0 + mask[..., None] * (np.array(factor, np.float32) - 1.0)

    def _blob(self, x_m: float, y_m: float, width_m: float, height_m: float) -> Float32Image:
        """Return a soft spot: 1 in the middle, 0.6 at the given half sizes."""
        rows, columns = np.indices(self._shape, np.float32)
        x = (columns / _PX_PER_M + _LEFT - x_m) / width_m
        y = (rows / _PX_PER_M + _TOP - y_m) / height_m
        spot: Float32Image = np.exp(-0.5 * (x * x + y * y)).astype(np.float32)
        return spot

    def _polygon(self, points: FloatArray, blur_m: float) -> Float32Image:
        mask = np.zeros(self._shape, np.uint8)
        cv2.fillPoly(mask, [_fixed(points)], 255, cv2.LINE_AA, _SHIFT)
        return _blurred(mask, blur_m)

    def _line(self, points: FloatArray, width_m: float, blur_m: float) -> Float32Image:
        mask = np.zeros(self._shape, np.uint8)
        width = max(1, round(width_m * _PX_PER_M))
        cv2.polylines(mask, [_fixed(points)], False, 255, width, cv2.LINE_AA, _SHIFT)
        return _blurred(mask, blur_m)

    def _mottle(self, cell_m: float) -> Float32Image:
        """Return smooth noise of unit strength with features of this size."""
        noise = self._rng.standard_normal(self._shape).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), cell_m * _PX_PER_M)
        unit: Float32Image = smooth / smooth.std()
        return unit

    def _skin(self, appearance: Appearance) -> None:
        red = appearance.redness
        for side in (-1.0, 1.0):
            self._tint(red * self._blob(side * 0.043, 0.038, 0.016, 0.016), (1.03, 0.78, 0.76))
            self._tint(self._blob(side * 0.031, 0.016, 0.014, 0.006), (0.90, 0.83, 0.84))
            self._tint(self._blob(side * 0.029, -0.007, 0.017, 0.006), (0.93, 0.86, 0.84))
            # Nostrils are deeper than the mesh has them.
            self._tint(self._blob(side * 0.0068, 0.0475, 0.0026, 0.0014), (0.30, 0.20, 0.20))
        self._tint(red * self._blob(0.0, 0.035, 0.012, 0.010), (1.02, 0.78, 0.76))
        self._tint(0.6 * red * self._blob(0.0, 0.097, 0.012, 0.008), (1.02, 0.82, 0.80))
        for cell, strength in ((0.010, 0.020), (0.0025, 0.022), (0.0006, 0.022)):
            self.albedo *= (1.0 + strength * self._mottle(cell))[..., None]
        # Blood varies from place to place, pigment comes in spots.
        self.albedo[..., 1:] *= (1.0 + 0.02 * self._mottle(0.006))[..., None]
        for _ in range(int(self._rng.integers(2, 9))):
            x, y = self._rng.uniform((-0.055, -0.05), (0.055, 0.10))
            self._tint(0.5 * self._blob(x, y, 0.0009, 0.0009), (0.6, 0.5, 0.45))

    def _beard(self, appearance: Appearance) -> None:
        if not appearance.beard:
            return
        jaw = self._points[2:15]
        cheeks = self._points[[35, 33, 31]] + np.array([[40, -5], [0, 5], [-40, -5]])
        below = np.array([[1.02], [1.25]]).T
        lower = (jaw - self._points[33]) * below + self._points[33]
        mask = self._polygon(np.concatenate([lower, cheeks]), 0.008)
        stubble = np.clip(0.75 + 0.25 * self._mottle(0.0005), 0.2, 1.2)
        color = 0.55 * self._hair + 0.45 * self.base * (0.62, 0.62, 0.68)
        self._blend(0.75 * appearance.beard * mask * stubble, color)

    def _lips(self, appearance: Appearance) -> None:
        lips = self._polygon(self._points[48:60], 0.0011)
        red = appearance.lip_redness
        color = self.base * (0.86 - 0.10 * red, 0.58 - 0.22 * red, 0.60 - 0.20 * red)
        self._blend(0.85 * lips, color)
        between = self._points[[48, 60, 61, 62, 63, 64, 54]]
        lower = self._points[[48, 60, 67, 66, 65, 64, 54]]
        self._tint(0.85 * self._line((between + lower) / 2, 0.0014, 0.0005), (0.35, 0.22, 0.22))
        # The upper lip faces away from the light, and is a little darker anyway.
        upper = self._polygon(self._points[[48, 49, 50, 51, 52, 53, 54, 63, 62, 61]], 0.0008)
        self._tint(0.5 * upper, (0.82, 0.78, 0.80))

    def _eyes(self) -> None:
        lash = np.minimum(self._hair, 0.35 * self.base) * 0.35
        for first, outer in ((36, 36), (42, 45)):
            eye = self._points[first : first + 6]
            upper, lower = _curve(eye[:4]), _curve(eye[[3, 4, 5, 0]])
            crease = upper + np.array([0.0, -0.0035 * _PX_PER_M])
            self._tint(0.5 * self._line(crease, 0.001, 0.0008), (0.6, 0.5, 0.48))
            self._blend(0.85 * self._line(upper, 0.0020, 0.0005), lash)
            self._blend(0.45 * self._line(lower, 0.0012, 0.0006), lash)
            away = np.sign(self._points[outer, 0] - eye[:, 0].mean())
            self._lashes(upper, away, lash)

    def _lashes(self, upper: FloatArray, away: float, color: FloatArray) -> None:
        mask = np.zeros(self._shape, np.uint8)
        for t in self._rng.uniform(0.0, len(upper) - 1.0, 60):
            root = _along(upper, t)
            middle = upper.mean(axis=0)
            lean = np.array([0.7 * (root[0] - middle[0]) / 40.0 + 0.2 * away, -1.0])
            tip = root + lean * self._rng.uniform(0.0012, 0.0026) * _PX_PER_M
            cv2.polylines(mask, [_fixed(np.stack([root, tip]))], False, 160, 1, cv2.LINE_AA, _SHIFT)
        self._blend(0.7 * _blurred(mask, 0.00025), color)

    def _brows(self, appearance: Appearance) -> None:
        color = 0.75 * self._hair + 0.05 * self.base
        for brow in (self._points[17:22][::-1], self._points[22:27]):
            # From the nose outwards; hairs rise at the inner end and lie flat at the outer one.
            away = float(np.sign(brow[-1, 0] - brow[0, 0]))
            mask = np.zeros(self._shape, np.uint8)
            for t in self._rng.beta(1.1, 1.25, int(900 * appearance.brow_density)):
                width = appearance.brow_width_m * _PX_PER_M * (1.0 - 0.75 * t**1.6)
                root = _along(brow, 4.0 * t)
                root[1] += 8.0 + self._rng.normal(0.0, 0.42) * width
                lean = np.radians(70.0 - 75.0 * t + self._rng.normal(0.0, 10.0))
                length = self._rng.uniform(0.004, 0.0075) * _PX_PER_M * (1.0 - 0.4 * t)
                tip = root + length * np.array([away * np.cos(lean), -np.sin(lean)])
                hair = _fixed(np.stack([root, tip]))
                cv2.polylines(mask, [hair], False, 255, 1, cv2.LINE_AA, _SHIFT)
            hairs = _blurred(mask, 0.00025)
            shade = np.clip(1.6 * _blurred(mask, 0.0015), 0.0, 1.0)
            self._blend(np.clip(0.45 * hairs + 0.45 * shade, 0.0, 0.9), color)


def _fixed(points: FloatArray) -> NDArray[np.int32]:
    """Return pixels in the fixed-point format of cv2's drawing functions, ``shift=_SHIFT``."""
    return np.round(points * (1 << _SHIFT)).astype(np.int32).reshape(-1, 1, 2)


def _blurred(mask: NDArray[np.uint8], sigma_m: float) -> Float32Image:
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma_m * _PX_PER_M)
    unit: Float32Image = soft / np.float32(255.0)
    return unit


def _along(line: FloatArray, t: float) -> FloatArray:
    """Return the point of a polyline [p, 2] at ``t`` segments from its start."""
    i = min(int(t), len(line) - 2)
    point: FloatArray = line[i] + (t - i) * (line[i + 1] - line[i])
    return point


def _curve(points: FloatArray) -> FloatArray:
    """Return a smooth line of 25 points through four points [4, 2] of monotonic x."""
    middle = points[:, 0].mean()
    cubic = np.polynomial.Polynomial.fit(points[:, 0] - middle, points[:, 1], 3)
    x = np.linspace(points[0, 0], points[-1, 0], 25)
    return np.stack([x, cubic(x - middle)], axis=1)

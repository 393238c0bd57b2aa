"""
A z-buffer in NumPy: which triangle each pixel shows, and which point of it.

Pixel coordinates are those of OpenCV and CameraInfo: (0, 0) is the centre of the first pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fsanet_ros.arrays import FloatArray, IntArray

#: Candidate pixels tested at a time; limits the memory, about 100 bytes each.
_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Fragments:
    """
    The closest surface at each of the k covered pixels.

    ``pixel``: int64 [k], row * width + column, ascending. ``triangle``: int64 [k], index of the
    triangle. ``corners``: int64 [k, 3], its vertices. ``weights``: float64 [k, 3], the barycentric
    coordinates of the pixel, sum 1. ``nearness``: float64 [k].
    """

    pixel: IntArray
    triangle: IntArray
    corners: IntArray
    weights: FloatArray
    nearness: FloatArray

    def interpolate(self, values: FloatArray) -> FloatArray:
        """
        Interpolate values of the vertices at each covered pixel.

        :param values: float64 [n, c], one row per vertex
        :returns: float64 [k, c]
        """
        blended: FloatArray = np.einsum('kc,kcd->kd', self.weights, values[self.corners])
        return blended


def rasterize(
    points_px: FloatArray,
    nearness: FloatArray,
    triangles: IntArray,
    width: int,
    height: int,
    *,
    perspective: bool = True,
) -> Fragments:
    """
    Draw triangles into a z-buffer, visible from both sides.

    :param points_px: float64 [n, 2], vertices in the image
    :param nearness: float64 [n], linear in the image; the largest is visible. 1 / z for a pinhole
        camera, -z for a parallel projection. Triangles with a corner that is not finite, such as
        one behind the camera, are left out.
    :param triangles: int64 [m, 3]
    :param perspective: True if nearness is 1 / z, to correct the weights for perspective
    """
    corners = points_px[triangles]
    low = np.maximum(np.ceil(_lowest(corners)), 0.0)
    high = np.minimum(np.floor(-_lowest(-corners)), (width - 1.0, height - 1.0))
    slopes = _weight_slopes(corners)
    drawn = np.flatnonzero(
        np.all(high >= low, axis=1)
        & np.all(np.isfinite(slopes), axis=1)
        & np.all(np.isfinite(nearness[triangles]), axis=1)
    )
    first, span = low[drawn].astype(np.int64), (high - low)[drawn].astype(np.int64) + 1
    counts = span[:, 0] * span[:, 1]
    ends = np.cumsum(counts)

    nearest = np.full(width * height, -np.inf)
    owner = np.full(width * height, -1, np.int64)
    begin = 0
    while begin < len(drawn):
        done = ends[begin - 1] if begin else 0
        # At least one triangle, however large.
        end = max(begin + 1, int(np.searchsorted(ends, done + _CHUNK)))
        which = np.repeat(np.arange(begin, end), counts[begin:end])
        row, column = np.divmod(
            np.arange(len(which)) - (ends - counts - done)[which], span[which, 0]
        )
        x, y = first[which, 0] + column, first[which, 1] + row
        triangle = drawn[which]
        w0, w1, w2 = _weights(corners, slopes, triangle, x, y)
        inside = np.flatnonzero(np.minimum(np.minimum(w0, w1), w2) >= -1e-9)
        triangle, pixel = triangle[inside], y[inside] * width + x[inside]
        at = nearness[triangles[triangle]]
        depth = w0[inside] * at[:, 0] + w1[inside] * at[:, 1] + w2[inside] * at[:, 2]
        seen = np.flatnonzero(depth > nearest[pixel])
        # Of several assignments to a pixel the last one stays, which is the closest.
        seen = seen[np.argsort(depth[seen], kind='stable')]
        nearest[pixel[seen]] = depth[seen]
        owner[pixel[seen]] = triangle[seen]
        begin = end

    covered = np.flatnonzero(owner >= 0)
    triangle = owner[covered]
    weights = np.stack(
        _weights(corners, slopes, triangle, covered % width, covered // width), axis=1
    )
    if perspective:
        weights *= nearness[triangles[triangle]]
        weights /= weights.sum(axis=1, keepdims=True)
    return Fragments(covered, triangle, triangles[triangle], weights, nearest[covered])


def _lowest(corners: FloatArray) -> FloatArray:
    """Return min(axis=1) of triangles [m, 3, 2], much faster."""
    least: FloatArray = np.minimum(np.minimum(corners[:, 0], corners[:, 1]), corners[:, 2])
    return least


def _weight_slopes(corners: FloatArray) -> FloatArray:
    """
    Return how the weights of triangles [m, 3, 2] change with x and y.

    :returns: float64 [m, 4], the slopes in x and y of the second and of the third corner's
        weight; not finite for triangles without area
    """
    (bx, by), (cx, cy) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    with np.errstate(divide='ignore', invalid='ignore'):
        inverse = 1.0 / (bx * cy - by * cx)
        slopes: FloatArray = np.stack([cy, -cx, -by, bx], axis=1) * inverse[:, None]
    return slopes


def _weights(
    corners: FloatArray, slopes: FloatArray, triangle: IntArray, x: IntArray, y: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the barycentric coordinates of pixels (x, y) [k] in triangles [k]: three [k]."""
    dx, dy = x - corners[triangle, 0, 0], y - corners[triangle, 0, 1]
    second = dx * slopes[triangle, 0] + dy * slopes[triangle, 1]
    third = dx * slopes[triangle, 2] + dy * slopes[triangle, 3]
    return 1.0 - second - third, second, third

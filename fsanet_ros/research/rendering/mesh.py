"""Triangle meshes and solid noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fsanet_ros.arrays import FloatArray, IntArray


def vertex_normals(vertices: FloatArray, triangles: IntArray) -> FloatArray:
    """
    Return the unit normals of a smooth surface, on the side from which triangles are clockwise.

    With x to the right, y down and z away from the viewer, normals point to the viewer (z < 0)
    where the surface faces them.

    :param vertices: float64 [n, 3]
    :param triangles: int64 [m, 3]
    :returns: float64 [n, 3]; zero for vertices without a triangle
    """
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    # Not normalised, so that large triangles count more.
    areas = np.cross(b - a, c - a)
    corners = triangles.ravel()
    sums = np.stack(
        [
            np.bincount(corners, np.repeat(areas[:, axis], 3), minlength=len(vertices))
            for axis in range(3)
        ],
        axis=1,
    )
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    normals: FloatArray = sums / np.maximum(lengths, 1e-20)
    return normals


def loft(rings: Sequence[FloatArray]) -> tuple[FloatArray, IntArray]:
    """
    Return the surface through closed rings with the same number of points each.

    :param rings: float64 [p, 3] each, from the top down, clockwise as seen from above (x right, y
        down, z away), so that the outside is visible.
    :returns: vertices float64 [rings * p, 3] and triangles int64 [2 (rings - 1) p, 3]
    """
    count = len(rings[0])
    around = np.arange(count)
    following = (around + 1) % count
    triangles = []
    for upper in range(0, (len(rings) - 1) * count, count):
        lower = upper + count
        triangles.append(np.stack([upper + around, upper + following, lower + around], axis=1))
        triangles.append(np.stack([upper + following, lower + following, lower + around], axis=1))
    return np.concatenate(rings), np.concatenate(triangles).astype(np.int64)


def smoothstep(low: float, high: float, values: FloatArray) -> FloatArray:
    """Return 0 below ``low``, 1 above ``high``, and a smooth ramp between; either may be larger."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    ramp: FloatArray = t * t * (3.0 - 2.0 * t)
    return ramp


class SolidNoise:
    """Smooth random values in space, repeating every 64 cells, always the same for a seed."""

    _CELLS = 64

    def __init__(self, seed: int) -> None:
        table = np.random.default_rng(seed).uniform(-1.0, 1.0, (self._CELLS,) * 3)
        self._table: FloatArray = table.ravel()

    def __call__(self, points: FloatArray) -> FloatArray:
        """
        Return the noise at points.

        :param points: float64 [k, 3], in cells
        :returns: float64 [k], -1 to 1
        """
        cell = np.floor(points).astype(np.int64)
        t = points - cell
        t = t * t * (3.0 - 2.0 * t)
        total = np.zeros(len(points))
        # Index into the flat table, and weight, of the two neighbours along each axis.
        strides = (self._CELLS**2, self._CELLS, 1)
        rows = [
            [(cell[:, i] + step) % self._CELLS * strides[i] for step in (0, 1)] for i in range(3)
        ]
        shares = [[1.0 - t[:, i], t[:, i]] for i in range(3)]
        for i, j in np.ndindex(2, 2):
            share, row = shares[0][i] * shares[1][j], rows[0][i] + rows[1][j]
            for k in (0, 1):
                total += share * shares[2][k] * self._table[row + rows[2][k]]
        return total

    def octaves(self, points: FloatArray, count: int) -> FloatArray:
        """Return a sum of ``count`` noises, each half as coarse and as strong; about -1 to 1."""
        return sum(
            (0.5**i * self(points * 2.0**i + 17.3 * i) for i in range(count)),
            start=np.zeros(len(points)),
        )

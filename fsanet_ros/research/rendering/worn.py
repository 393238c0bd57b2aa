"""Surfaces around a head, of which hats, masks, scarves, long hair and glasses are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter, grey_closing
from scipy.spatial import cKDTree

from fsanet_ros.arrays import FloatArray, IntArray
from fsanet_ros.research.rendering.mesh import loft, vertex_normals

_AROUND, _OUTWARD = 96, 40  # points of a shell
_NEIGHBOURS = 5
_TUBE_POINTS = 8


@dataclass(frozen=True, eq=False)
class BareHead:
    """
    A head at rest to fit something to, in the head frame, metres.

    ``skin``: float64 [n, 3], vertices of skin and hair. ``landmarks``: float64 [68, 3].
    """

    skin: FloatArray
    landmarks: FloatArray


@dataclass(frozen=True, eq=False)
class Piece:
    """
    A worn thing.

    ``part``: HAIR, FABRIC or SHINY of ``head_model``. ``color``: float64 [3], linear; hair has its
    own. ``vertices``: float64 [k, 3] in the head frame, metres. ``triangles``: int64 [m, 3].
    ``with_jaw``: float64 [k], how much each vertex moves with the chin.
    """

    part: int
    color: FloatArray
    vertices: FloatArray
    triangles: IntArray
    with_jaw: FloatArray


#: Fits a thing to a head.
Wear = Callable[[BareHead], list[Piece]]


@dataclass(frozen=True, eq=False)
class Shell:
    """
    Directions from a point in the head: a cap around ``pole`` that ends at a line.

    ``center``: float64 [3]. ``directions``: float64 [outward, around, 3], unit vectors, starting at
    the pole.
    """

    center: FloatArray
    directions: FloatArray

    @classmethod
    def within(cls, center: ArrayLike, pole: ArrayLike, line: ArrayLike) -> Shell:
        """
        Return the cap that ends at a line.

        :param center: [3]
        :param pole: [3], the direction to the middle of the cap
        :param line: [p, 3], points of the closed line, in any order
        """
        axis = np.asarray(pole, np.float64) / np.linalg.norm(pole)
        helper = np.eye(3)[np.argmin(np.abs(axis))]
        u = np.cross(helper, axis)
        u /= np.linalg.norm(u)
        v = np.cross(axis, u)
        to_line = np.asarray(line, np.float64) - np.asarray(center, np.float64)
        to_line /= np.linalg.norm(to_line, axis=1, keepdims=True)
        at = np.arctan2(to_line @ v, to_line @ u)
        angle = np.linspace(-np.pi, np.pi, _AROUND, endpoint=False)
        end = np.interp(angle, at, np.arccos(to_line @ axis), period=2.0 * np.pi)
        # Corners of the line are rounded off.
        end = gaussian_filter(end, 2.0, mode='wrap')
        from_pole = np.linspace(0.01, 1.0, _OUTWARD)[:, None] * end
        flat = np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v
        directions = np.cos(from_pole)[..., None] * axis + np.sin(from_pole)[..., None] * flat[None]
        return cls(np.asarray(center, np.float64), directions)

    def radius_of(self, skin: FloatArray) -> FloatArray:
        """Return how far the skin reaches in each direction, float64 [outward, around]."""
        from_center = skin - self.center
        distance = np.linalg.norm(from_center, axis=1)
        tree = cKDTree(from_center / distance[:, None])
        angle, nearest = tree.query(self.directions.reshape(-1, 3), _NEIGHBOURS)
        # Points further aside count less, so that the nose does not become a wide cone.
        reach = distance[nearest] - 0.5 * distance[nearest] * np.maximum(angle - angle[:, :1], 0.0)
        radius: FloatArray = reach.max(axis=1).reshape(self.directions.shape[:2])
        return radius

    def stretched(self, radius: FloatArray, span: tuple[int, int], blur: float) -> FloatArray:
        """
        Return the radius of cloth that spans hollows and rests on what sticks out.

        :param radius: float64 [outward, around], of the surface below
        :param span: width of the hollows to span, in points outward and around
        :param blur: in points
        """
        spanned = grey_closing(radius, span, mode=('nearest', 'wrap'))
        smooth = gaussian_filter(spanned, blur, mode=('nearest', 'wrap'))
        tight: FloatArray = np.maximum(smooth, radius)
        return gaussian_filter(tight, 0.7, mode=('nearest', 'wrap'))

    def mesh(self, radius: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return vertices float64 [k, 3] and triangles for a radius [outward, around]."""
        points = self.center + radius[..., None] * self.directions
        return facing_out(*loft(list(points)), self.center)


def facing_out(
    vertices: FloatArray, triangles: IntArray, inside: ArrayLike
) -> tuple[FloatArray, IntArray]:
    """Return a mesh whose normals point away from ``inside``, [3] or one per vertex."""
    normals = vertex_normals(vertices, triangles)
    if np.sum(normals * (vertices - np.asarray(inside, np.float64))) < 0.0:
        triangles = triangles[:, ::-1]
    return vertices, triangles


def tube(path: ArrayLike, radius_m: float, *, closed: bool = False) -> tuple[FloatArray, IntArray]:
    """
    Return the surface of a wire along a path.

    :param path: [p, 3], metres
    :param closed: the path ends where it begins
    :returns: vertices float64 [k, 3], triangles int64 [m, 3]
    """
    points = np.asarray(path, np.float64)
    if closed:
        points = np.concatenate([points, points[:1]])
    along = np.gradient(points, axis=0)
    if closed:
        along[[0, -1]] = points[1] - points[-2]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    # Any slowly turning frame will do, as long as the wire does not run along this direction.
    helper = np.array([0.31, 0.17, 0.94]) if closed else np.array([0.0, 1.0, 0.05])
    u = np.cross(helper, along)
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    v = np.cross(along, u)
    angle = np.linspace(0.0, 2.0 * np.pi, _TUBE_POINTS, endpoint=False)[:, None]
    rings = [
        point + radius_m * (np.cos(angle) * one + np.sin(angle) * other)
        for point, one, other in zip(points, u, v, strict=True)
    ]
    return facing_out(*loft(rings), np.repeat(points, _TUBE_POINTS, axis=0))

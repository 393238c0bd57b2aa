"""
A person to render: the head model with hair, a shirt, colours and soft shadows.

``Figure`` computes once what depends on the person only; its ``vertices`` then adds an expression
and a pose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from fsanet_ros.arrays import FloatArray, IntArray
from fsanet_ros.research.rendering.appearance import Appearance
from fsanet_ros.research.rendering.face_paint import FacePaint
from fsanet_ros.research.rendering.head_model import CLOTH, EYE, SKIN, HeadModel
from fsanet_ros.research.rendering.mesh import SolidNoise, loft, smoothstep, vertex_normals
from fsanet_ros.research.rendering.rasterizer import rasterize
from fsanet_ros.research.rendering.worn import BareHead, Piece, Wear

#: Where the head turns on the neck, metres in the head frame.
NECK_PIVOT_M: FloatArray = np.array([0.0, 0.045, 0.115])

# The shirt's rings: height, half width, half depth, centre in depth (metres in the head frame), and
# how much lower the front is than the back.
_SHIRT_RINGS = (
    (0.138, 0.069, 0.064, 0.118, 0.044),
    (0.127, 0.078, 0.072, 0.118, 0.046),
    (0.130, 0.096, 0.080, 0.120, 0.042),
    (0.140, 0.130, 0.088, 0.123, 0.034),
    (0.156, 0.168, 0.097, 0.126, 0.026),
    (0.176, 0.194, 0.107, 0.128, 0.018),
    (0.205, 0.211, 0.117, 0.130, 0.010),
    (0.250, 0.221, 0.126, 0.130, 0.004),
    (0.320, 0.228, 0.131, 0.130, 0.0),
    (0.480, 0.232, 0.132, 0.130, 0.0),
    (0.950, 0.225, 0.130, 0.130, 0.0),
)
_RING_POINTS = 72
_CHIN = 8  # landmark


class Figure:
    """
    One person.

    ``rest``: float64 [n, 3], the position of each vertex on the mean head (and shirt), which
    decides its colour. ``triangles``: int64 [m, 3]. ``part``: int64 [n]. ``hair``: float64 [n],
    0 for skin to 1 for hair. ``openness``: float64 [n], the share of the sky that a vertex sees.
    ``color``: float64 [n, 3], linear, of worn things.
    """

    def __init__(
        self,
        model: HeadModel,
        appearance: Appearance | None = None,
        identity: ArrayLike = (),
        *,
        worn: Sequence[Wear] = (),
        sky_directions: int = 64,
    ) -> None:
        """
        Dress a head.

        :param identity: coefficients of ``HeadModel.shape``
        :param worn: things to put on (``rendering.coverings``)
        :param sky_directions: quality of the soft shadows; 0 leaves them out
        """
        self.model = model
        self.appearance = Appearance() if appearance is None else appearance
        self.noise = SolidNoise(self.appearance.seed)
        self.paint = FacePaint(model.mean[model.landmarks], self.appearance)
        self._identity = np.asarray(identity, np.float64)
        shirt, shirt_triangles = loft(_shirt_rings())
        count = len(model.mean)
        self.rest: FloatArray = np.concatenate([model.mean, shirt])
        self.triangles: IntArray = np.concatenate([model.triangles, shirt_triangles + count])
        self.part: IntArray = np.concatenate([model.part, np.full(len(shirt), CLOTH)])
        self.hair: FloatArray = np.where(self.part == SKIN, self._hair_cover(self.rest), 0.0)
        self.eye_center: FloatArray = np.stack(
            [
                self.rest[(self.part == EYE) & (side * self.rest[:, 0] > 0)].mean(axis=0)
                for side in (-1.0, 1.0)
            ]
        )
        # 1 turns with the head, 0 stays with the body; the neck twists in between.
        height = self.rest[:, 1] + 0.35 * (self.rest[:, 2] - 0.1)
        self._with_head = np.where(self.part == CLOTH, 0.0, smoothstep(0.165, 0.085, height))
        self._own_triangles = self.triangles
        self._pieces: list[Piece] = []
        self.color: FloatArray = np.zeros_like(self.rest)
        self._put_on(worn)
        self.openness: FloatArray = np.ones(len(self.rest))
        if sky_directions:
            neutral = self.head_vertices()
            self.openness = _openness(neutral, self.triangles, sky_directions)

    def _put_on(self, worn: Sequence[Wear]) -> None:
        if not worn:
            return
        head = BareHead(self.head_vertices()[self.part == SKIN], self.landmarks())
        self._pieces = [piece for wear in worn for piece in wear(head)]
        count = len(self.rest)
        for piece in self._pieces:
            own = len(piece.vertices)
            self.triangles = np.concatenate([self.triangles, piece.triangles + len(self.rest)])
            self.rest = np.concatenate([self.rest, piece.vertices])
            self.part = np.concatenate([self.part, np.full(own, piece.part)])
            self.color = np.concatenate([self.color, np.tile(piece.color, (own, 1))])
        added = len(self.rest) - count
        self.hair = np.concatenate([self.hair, np.zeros(added)])
        self._with_head = np.concatenate([self._with_head, np.ones(added)])

    def head_vertices(self, expression: Mapping[str, float] | None = None) -> FloatArray:
        """Return the vertices in the head frame, with a straight neck, float64 [n, 3], metres."""
        head = self.model.shape(self._identity, expression)
        own = self.rest[: len(self.rest) - sum(len(piece.vertices) for piece in self._pieces)]
        vertices = np.concatenate([head, own[len(head) :]])
        lift = self.appearance.hair_m * self.hair[: len(own)]
        if np.any(lift):
            normals = vertex_normals(vertices, self._own_triangles)
            tufts = 0.85 + 0.3 * self.noise.octaves(own / 0.022, 2)
            # Thicker on top than at the sides and the neck.
            volume = smoothstep(0.03, -0.09, own[:, 1]) * 0.75 + 0.25
            vertices = vertices + normals * (lift * tufts * volume)[:, None]
        if not self._pieces:
            return vertices
        chin_m = self.landmarks(expression)[_CHIN] - self.landmarks()[_CHIN]
        placed = [piece.vertices + piece.with_jaw[:, None] * chin_m for piece in self._pieces]
        return np.concatenate([vertices, *placed])

    def landmarks(self, expression: Mapping[str, float] | None = None) -> FloatArray:
        """Return the 68 landmarks in the head frame, float64 [68, 3], metres."""
        return self.model.shape(self._identity, expression)[self.model.landmarks]

    def vertices(
        self,
        rotation_optical: FloatArray,
        position_m: FloatArray,
        body_rotation: FloatArray,
        expression: Mapping[str, float] | None = None,
    ) -> FloatArray:
        """
        Return the vertices in the camera's optical frame, float64 [n, 3], metres.

        :param rotation_optical: float64 [3, 3], turns the head
        :param position_m: float64 [3], the sellion
        :param body_rotation: float64 [3, 3], turns the body about the neck
        """
        rest = self.head_vertices(expression)
        head = rest @ rotation_optical.T + position_m
        pivot = rotation_optical @ NECK_PIVOT_M + position_m
        body = (rest - NECK_PIVOT_M) @ body_rotation.T + pivot
        share = self._with_head[:, None]
        placed: FloatArray = share * head + (1.0 - share) * body
        return placed

    def hair_at(self, rest: FloatArray) -> FloatArray:
        """Map points of the mean head, float64 [k, 3], to their share of hair, [k], 0 to 1."""
        # Hanging locks: long vertically, narrow across.
        ragged = 0.004 * self.noise.octaves(rest / (0.004, 0.030, 0.004), 2)
        return self._hair_cover(rest, ragged, 0.009)

    def _hair_cover(
        self, rest: FloatArray, ragged: FloatArray | float = 0.0, soft_m: float = 0.014
    ) -> FloatArray:
        if self.appearance.hair_m <= 0.0:
            return np.zeros(len(rest))
        x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
        # The hairline's height seen from the side: forehead, temple, sideburn, over the ear, nape.
        line = np.interp(
            z,
            [0.0, 0.030, 0.050, 0.068, 0.074, 0.090, 0.100, 0.128, 0.135, 0.165, 0.190],
            [-0.068, -0.066, -0.050, -0.022, 0.012, 0.012, -0.012, -0.012, 0.040, 0.070, 0.075],
        )
        line = line - self.appearance.hairline_m * smoothstep(0.08, 0.05, z)
        above = line - y + ragged
        ear = smoothstep(0.079, 0.083, x) * smoothstep(-0.030, -0.020, y)
        return smoothstep(-0.2 * soft_m, soft_m, above) * (1.0 - ear)


def _shirt_rings() -> list[FloatArray]:
    angle = np.linspace(0.0, 2.0 * np.pi, _RING_POINTS, endpoint=False)
    # From the person's left over the front: clockwise as seen from above is x right, z away.
    sine, cosine = np.sin(angle), np.cos(angle)
    rings = []
    for y, half_x, half_z, middle_z, droop in _SHIRT_RINGS:
        front = (1.0 + sine) / 2.0
        # Boxier than an ellipse where the shoulders are.
        power = 1.0 if half_x < 0.1 else 0.75
        x = half_x * np.sign(cosine) * np.abs(cosine) ** power
        z = middle_z - half_z * np.sign(sine) * np.abs(sine) ** power
        rings.append(np.stack([x, y + droop * front, z], axis=1))
    return rings


def _openness(vertices: FloatArray, triangles: IntArray, directions: int) -> FloatArray:
    """
    Return the share of the sky above its surface that each vertex sees.

    This is the ambient occlusion of the head at rest, cosine weighted, from depth images taken from
    all sides.
    """
    size, cell = 320, 0.0024
    normals = vertex_normals(vertices, triangles)
    seen, total = np.zeros(len(vertices)), np.full(len(vertices), 1e-9)
    center = np.array([0.0, 0.06, 0.09])
    for i in range(directions):
        # A Fibonacci spiral covers the sphere evenly.
        z = 1.0 - (2.0 * i + 1.0) / directions
        around = i * np.pi * (3.0 - np.sqrt(5.0))
        flat = np.sqrt(1.0 - z * z)
        sky = np.array([flat * np.cos(around), flat * np.sin(around), z])
        cosine = np.clip(normals @ sky, 0.0, None)
        points, height = parallel_view(vertices - center, sky, cell, size)
        drawn = rasterize(points, height, triangles, size, size, perspective=False)
        surface = np.full(size * size, -np.inf)
        surface[drawn.pixel] = drawn.nearness
        column, row = np.clip(np.round(points).astype(np.int64), 0, size - 1).T
        open_to = height + 0.5 * cell + 0.003 >= surface[row * size + column]
        seen += cosine * open_to
        total += cosine
    return seen / total


def parallel_view(
    points_m: FloatArray, toward: FloatArray, cell_m: float, size: int
) -> tuple[FloatArray, FloatArray]:
    """
    Project points around the origin as a distant observer, or the sun, sees them.

    :param points_m: float64 [n, 3]
    :param toward: float64 [3], unit vector to the observer
    :param cell_m: size of a pixel
    :param size: pixels of the square picture
    :returns: pixels float64 [n, 2] and height towards the observer float64 [n], metres
    """
    helper = np.eye(3)[np.argmin(np.abs(toward))]
    u = np.cross(helper, toward)
    u /= np.linalg.norm(u)
    v = np.cross(toward, u)
    picture = np.stack([points_m @ u, points_m @ v], axis=1) / cell_m + (size - 1) / 2
    return picture, points_m @ toward

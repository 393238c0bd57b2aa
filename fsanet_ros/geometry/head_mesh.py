"""
A plain head as a triangle mesh, to show where a head is and how it is turned.

It has the measures of the mean head of face_model.py and nobody's features: rings around an egg,
with a nose, eye sockets, lips, ears and a neck. meshes/head.dae is written from here with
``python -m fsanet_ros.tools.write_head_mesh``.

Frame: REP-155's face frame, metres: x out of the face, y to the person's left, z to the top of the
head. The origin is the sellion, the dip of the nose between the eyes.
"""

from __future__ import annotations

import numpy as np

from fsanet_ros.arrays import FloatArray, IntArray

# Each ring: height, front (without nose and lips), back, half width.
_RINGS = np.array(
    [
        (0.104, -0.068, -0.138, 0.034),
        (0.096, -0.048, -0.156, 0.049),
        (0.083, -0.029, -0.171, 0.063),
        (0.066, -0.015, -0.184, 0.073),
        (0.046, -0.006, -0.190, 0.078),
        (0.028, -0.001, -0.194, 0.079),
        (0.014, 0.001, -0.194, 0.079),
        (0.004, 0.000, -0.193, 0.078),
        (-0.006, -0.001, -0.191, 0.077),
        (-0.016, -0.001, -0.189, 0.076),
        (-0.026, -0.001, -0.186, 0.075),
        (-0.034, 0.000, -0.183, 0.074),
        (-0.042, 0.001, -0.178, 0.072),
        (-0.050, 0.003, -0.174, 0.070),
        (-0.060, 0.005, -0.170, 0.068),
        (-0.068, 0.004, -0.167, 0.066),
        (-0.074, 0.003, -0.166, 0.065),
        (-0.082, 0.003, -0.165, 0.063),
        (-0.092, 0.000, -0.164, 0.060),
        (-0.104, 0.003, -0.164, 0.057),
        (-0.113, -0.003, -0.165, 0.056),
        (-0.121, -0.030, -0.167, 0.056),
        (-0.132, -0.052, -0.171, 0.057),
        (-0.150, -0.058, -0.178, 0.060),
    ]
)
_CROWN = (-0.105, 0.0, 0.109)
# Directions of a ring's points on the person's left, from the front; the right is their mirror
# image. Closest around the nose.
_ANGLES_DEG = (0, 6, 12, 19, 27, 38, 50, 65, 82, 100, 120, 140, 160, 180)
# Rings of a jaw are wide behind and pointed in front: where the greatest width is, from front 0 to
# back 1, above the eyes and at the chin.
_WIDEST = (0.56, 0.66)
_NECK_M = -0.125
# How far nose and lips stand out, by height.
_NOSE = ((0.004, 0.0), (-0.006, 0.006), (-0.026, 0.018), (-0.034, 0.024), (-0.042, 0.019),
         (-0.050, 0.004), (-0.056, 0.0))  # fmt: skip
_NOSE_WIDTH = ((0.004, 0.006), (-0.026, 0.008), (-0.042, 0.012), (-0.056, 0.012))
# Bumps: y, z of the middle, how wide and high, and how far out; both sides where y is not 0.
_BUMPS = (
    (0.030, -0.003, 0.013, 0.009, -0.011),  # eye sockets
    (0.027, 0.016, 0.016, 0.007, 0.003),  # brows
    (0.040, -0.026, 0.016, 0.012, 0.003),  # cheekbones
    (0.0, -0.067, 0.017, 0.006, 0.006),  # upper lip
    (0.0, -0.080, 0.015, 0.006, 0.005),  # lower lip
    (0.0, -0.105, 0.014, 0.009, 0.004),  # chin
)
# Ears are ellipsoids: middle of the left one, half axes, and how far it is turned out of the side.
_EAR_MIDDLE, _EAR_AXES, _EAR_TURN_DEG = (-0.112, 0.076, -0.018), (0.017, 0.006, 0.031), -24.0


def head_mesh() -> tuple[FloatArray, IntArray]:
    """
    Return the head: vertices float64 [n, 3] in the face frame, metres, and triangles int64 [m, 3].

    Triangles are counterclockwise as seen from outside; the neck is open.
    """
    left = np.radians(_ANGLES_DEG)
    angles = np.concatenate([left, -left[-2:0:-1]])
    skull = _lofted(np.stack([_ring(row, angles) for row in _RINGS]), _CROWN)
    parts = [skull, _ear(side=1), _ear(side=-1)]
    starts = np.cumsum([0] + [len(vertices) for vertices, _ in parts])
    vertices = np.concatenate([vertices for vertices, _ in parts])
    return vertices, np.concatenate(
        [triangles + start for (_, triangles), start in zip(parts, starts, strict=False)]
    )


def mesh_normals(vertices: FloatArray, triangles: IntArray) -> FloatArray:
    """Return the unit normals at the vertices, out of the surface, float64 [n, 3]."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    normals = np.zeros_like(vertices)
    for corner in range(3):
        # Not normalised: large triangles count more.
        np.add.at(normals, triangles[:, corner], np.cross(b - a, c - a))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def _ring(row: FloatArray, angles: FloatArray) -> FloatArray:
    """Return the points around the head at one height, float64 [p, 3]."""
    z, front, back, half_width = row
    # 0 above the eyes, 1 at the chin, where the front is pointed; 0 at the neck again.
    jaw = np.clip(-z / 0.105, 0.0, 1.0) * (z > _NECK_M)
    middle = front + np.interp(jaw, (0, 1), _WIDEST) * (back - front)
    forward, left = np.cos(angles), np.sin(angles)
    sideways = np.where(forward > 0, np.interp(jaw, (0, 1), (0.92, 1.4)), 0.92)
    y = half_width * np.sign(left) * np.abs(left) ** sideways
    reach = np.where(forward > 0, front - middle, middle - back)
    x = middle + reach * np.sign(forward) * np.abs(forward) ** 0.85
    face = np.clip(forward * 1.6, 0.0, 1.0)
    return np.stack([x + face * _relief(y, z), y, np.full_like(y, z)], axis=1)


def _relief(y: FloatArray, z: float) -> FloatArray:
    """Return how far the face stands out at each y of one height."""
    out = _at(z, _NOSE) * np.exp(-((y / _at(z, _NOSE_WIDTH)) ** 2))
    for middle_y, middle_z, width, height, far in _BUMPS:
        sideways = (np.abs(y) - middle_y) / width
        out += far * np.exp(-(sideways**2) - ((z - middle_z) / height) ** 2)
    return out


def _ear(side: int) -> tuple[FloatArray, IntArray]:
    """Return one ear as vertices and triangles; side 1 is the person's left."""
    around, down = np.radians(np.arange(0, 360, 36)), np.radians([30, 60, 90, 120, 150, 170])
    rings = np.stack(
        [
            np.outer(np.sin(down), np.cos(around)),
            np.outer(np.sin(down), np.sin(around)),
            np.outer(np.cos(down), np.ones_like(around)),
        ],
        axis=2,
    )
    unit, triangles = _lofted(rings, (0.0, 0.0, 1.0))
    turn = np.radians(_EAR_TURN_DEG)
    turned = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    left: FloatArray = (unit * _EAR_AXES) @ turned.T + _EAR_MIDDLE
    # Not what faces the head: it shows on the other side of one that is half transparent.
    a, b, c = (left[triangles[:, corner]] for corner in range(3))
    outward = np.cross(b - a, c - a)[:, 1] > 0
    used, corners = np.unique(triangles[outward], return_inverse=True)
    left, triangles = left[used], corners.reshape(-1, 3)
    # A mirror image is seen from inside, unless its triangles go round the other way.
    return (left, triangles) if side > 0 else (left * (1, -1, 1), triangles[:, ::-1])


def _lofted(rings: FloatArray, top: tuple[float, float, float]) -> tuple[FloatArray, IntArray]:
    """Return the surface through rings, float64 [r, p, 3], from the top down, closed above."""
    count, points, _ = rings.shape
    around = np.arange(points)
    following = np.roll(around, -1)
    triangles = [np.stack([np.full(points, count * points), around, following], axis=1)]
    for upper in range(0, (count - 1) * points, points):
        lower = upper + points
        triangles.append(np.stack([upper + around, lower + around, lower + following], axis=1))
        triangles.append(np.stack([upper + around, lower + following, upper + following], axis=1))
    vertices = np.vstack([rings.reshape(-1, 3), top])
    return vertices, np.concatenate(triangles).astype(np.int64)


def _at(z: float, table: tuple[tuple[float, float], ...]) -> float:
    heights, values = np.array(table[::-1]).T
    return float(np.interp(z, heights, values))

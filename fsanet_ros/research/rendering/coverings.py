"""Glasses, masks, hats, head scarves and long hair, each fitted to its wearer's head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import FloatArray
from fsanet_ros.research.rendering.appearance import Color, linear_from_srgb
from fsanet_ros.research.rendering.head_model import FABRIC, HAIR, SHINY
from fsanet_ros.research.rendering.mesh import smoothstep
from fsanet_ros.research.rendering.worn import BareHead, Piece, Shell, facing_out, tube

_UP, _BACK, _FRONT = (0.0, -1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, -1.0)


def _piece(
    part: int,
    color: Color,
    mesh: tuple[FloatArray, NDArray[np.int64]],
    with_jaw: FloatArray | None = None,
) -> Piece:
    vertices, triangles = mesh
    follows = np.zeros(len(vertices)) if with_jaw is None else with_jaw
    return Piece(part, linear_from_srgb(color), vertices, triangles, follows)


def _both_sides(points: list[tuple[float, float, float]]) -> FloatArray:
    """Return points [p, 3] of one side (x > 0, or 0) and of the other."""
    one = np.array(points)
    aside = one[one[:, 0] > 0.0]
    return np.concatenate([one, aside * (-1.0, 1.0, 1.0)])


@dataclass(frozen=True)
class Glasses:
    """
    Glasses with sRGB colours for frame and lenses; ``lens`` is None if transparent.

    ``half_width_m``, ``half_height_m``: of a lens. ``squareness``: 2: an ellipse, more: a box.
    """

    frame: Color = (0.08, 0.08, 0.09)
    lens: Color | None = None
    wire_m: float = 0.0015
    half_width_m: float = 0.025
    half_height_m: float = 0.019
    squareness: float = 3.0

    def __call__(self, head: BareHead) -> list[Piece]:
        """Put them on."""
        points = head.landmarks
        pieces = []
        inner, hinge = [], []
        for first, side in ((36, -1.0), (42, 1.0)):
            center = points[first : first + 6].mean(axis=0)
            center = center + np.array([side * 0.001, 0.003, 0.0])
            rim = self._rim(head, center, side)
            pieces.append(_piece(SHINY, self.frame, tube(rim, self.wire_m, closed=True)))
            if self.lens is not None:
                pieces.append(_piece(SHINY, self.lens, _disc(rim)))
            across = side * rim[:, 0]
            inner.append(rim[across.argmin()] + (0.0, -0.003, 0.0))
            hinge.append(rim[across.argmax()] + (0.0, -0.006, 0.0))
        middle = (inner[0] + inner[1]) / 2 + (0.0, -0.003, -0.002)
        bridge = np.stack([inner[0], middle, inner[1]])
        pieces.append(_piece(SHINY, self.frame, tube(bridge, self.wire_m)))
        for start, side in zip(hinge, (-1.0, 1.0), strict=True):
            temple = self._temple(head, start, side)
            pieces.append(_piece(SHINY, self.frame, tube(temple, self.wire_m)))
        return pieces

    def _rim(self, head: BareHead, center: FloatArray, side: float) -> FloatArray:
        angle = np.linspace(0.0, 2.0 * np.pi, 36, endpoint=False)
        sine, cosine = np.sin(angle), np.cos(angle)
        power = 2.0 / self.squareness
        x = self.half_width_m * np.sign(cosine) * np.abs(cosine) ** power
        y = self.half_height_m * np.sign(sine) * np.abs(sine) ** power
        # Lenses rest on the brow and the nose, and curve a little around the face.
        near = (np.abs(head.skin[:, 0] - center[0]) < 0.022) & (
            np.abs(head.skin[:, 1] - center[1]) < self.half_height_m
        )
        front = np.percentile(head.skin[near & (head.skin[:, 2] < 0.06), 2], 8.0)
        outward = np.maximum(side * (center[0] + x) - 0.02, 0.0)
        z = front - 0.003 + 4.0 * outward**2 + 0.10 * y
        return np.stack([center[0] + x, center[1] + y, z], axis=1)

    def _temple(self, head: BareHead, start: FloatArray, side: float) -> FloatArray:
        depths = np.linspace(start[2], 0.100, 9)
        height = np.interp(depths, [start[2], 0.100], [start[1], -0.018])
        path = [start]
        for depth, y in zip(depths[1:], height[1:], strict=True):
            near = (np.abs(head.skin[:, 2] - depth) < 0.010) & (np.abs(head.skin[:, 1] - y) < 0.008)
            wide = float((side * head.skin[near, 0]).max()) if near.any() else 0.075
            # Ears stick out; the temple piece lies between ear and head.
            wide = min(wide, 0.084) + 0.0015
            path.append(np.array([side * max(wide, side * start[0] - 0.004), y, depth]))
        path.append(path[-1] + (0.0, 0.012, 0.012))
        return np.stack(path)


def _disc(rim: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    count = len(rim)
    around = np.arange(count)
    center = rim.mean(axis=0) - (0.0, 0.0, 0.002)
    triangles = np.stack([around, (around + 1) % count, np.full(count, count)], axis=1)
    vertices = np.concatenate([rim, center[None]])
    return facing_out(vertices, triangles, center + np.array([0.0, 0.0, 0.05]))


@dataclass(frozen=True)
class Mask:
    """
    A face mask; ``color``: sRGB.

    ``top_m``: moves its edge up (negative) or down on the nose.
    """

    color: Color = (0.55, 0.70, 0.80)
    top_m: float = 0.0

    def __call__(self, head: BareHead) -> list[Piece]:
        """Put it on."""
        points = head.landmarks
        top = points[28] * 0.4 + points[29] * 0.6 + (0.0, self.top_m, 0.0)
        line = [top]
        for ear, angle, jaw, eye, nose in ((1, 3, 5, 41, 31), (15, 13, 11, 46, 35)):
            cheek = 0.45 * points[eye] + 0.55 * points[nose] + (0.0, 0.6 * self.top_m, 0.0)
            line += [cheek, 0.75 * points[ear] + 0.25 * points[nose]]
            line += [0.94 * points[angle] + 0.06 * points[33]]
            line += [points[jaw] + (0.0, 0.010, 0.012)]
        line.append(points[8] + (0.0, 0.008, 0.022))
        center = np.array([0.0, points[51, 1], 0.085])
        shell = Shell.within(center, _FRONT, np.stack(line))
        skin = shell.radius_of(head.skin)
        cloth = shell.stretched(skin, (15, 17), 2.0)
        edge = np.linspace(0.0, 1.0, len(skin))[:, None]
        radius = np.maximum(cloth + 0.0035 * (1.0 - edge**4), skin + 0.0025)
        mesh = shell.mesh(radius)
        nose_y, chin_y = points[33, 1], points[8, 1]
        with_jaw = smoothstep(nose_y, chin_y, mesh[0][:, 1])
        pieces = [_piece(FABRIC, self.color, mesh, with_jaw)]
        for side, ear in ((-1.0, 1), (1.0, 15)):
            start = 0.8 * points[ear] + 0.2 * points[31 if side < 0 else 35]
            strap = [start + np.array([side * 0.004, 0.0, 0.0]), (side * 0.083, -0.012, 0.095)]
            pieces.append(_piece(FABRIC, self.color, tube(np.array(strap), 0.0012)))
        return pieces


@dataclass(frozen=True)
class Hat:
    """
    A knitted hat, or a cap with a peak; ``color``: sRGB.

    ``edge_m``: moves its edge up (negative) or down on the forehead. ``loose_m``: gap to the hair.
    ``peak_m``: length of the peak, 0 for none.
    """

    color: Color = (0.2, 0.2, 0.25)
    edge_m: float = 0.0
    loose_m: float = 0.006
    peak_m: float = 0.0

    def __call__(self, head: BareHead) -> list[Piece]:
        """Put it on."""
        shape = [(0.0, -0.052, 0.0), (0.045, -0.046, 0.015), (0.068, -0.036, 0.050)]
        shape += [(0.080, -0.030, 0.100), (0.065, -0.005, 0.165), (0.0, 0.015, 0.195)]
        line = _both_sides(shape) + np.array([0.0, self.edge_m, 0.0])
        center = np.array([0.0, -0.02, 0.095])
        shell = Shell.within(center, _UP, line)
        skin = shell.radius_of(head.skin)
        radius = np.maximum(
            shell.stretched(skin, (9, 9), 2.5) + self.loose_m, skin + 0.5 * self.loose_m + 0.002
        )
        mesh = shell.mesh(radius)
        pieces = [_piece(FABRIC, self.color, mesh)]
        if self.peak_m:
            edge = mesh[0].reshape(*radius.shape, 3)[-1]
            pieces.append(_piece(FABRIC, self.color, _peak(edge, self.peak_m)))
        return pieces


def _peak(edge: FloatArray, length_m: float) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the peak of a cap that ends at ``edge`` [p, 3]."""
    front = edge[edge[:, 2] < 0.055]
    front = front[np.argsort(front[:, 0])]
    across = front[:, 0] / np.abs(front[:, 0]).max()
    reach = length_m * np.sqrt(np.clip(1.0 - across**2, 0.0, 1.0))
    shares = np.linspace(0.0, 1.0, 7)[:, None]
    # Level at first, then down, and lower at the sides.
    z = front[:, 2] - shares * reach
    y = front[:, 1] + shares**2 * 0.25 * reach
    y = y + 0.012 * shares * (1.0 - np.sqrt(1.0 - 0.9 * across**2))
    rows = np.stack([np.broadcast_to(front[:, 0], z.shape), y, z], axis=2)
    count = len(front)
    at = (np.arange(6)[:, None] * count + np.arange(count - 1)).ravel()
    triangles = np.concatenate(
        [
            np.stack([at, at + 1, at + count], axis=1),
            np.stack([at + 1, at + count + 1, at + count], axis=1),
        ]
    )
    return facing_out(
        rows.reshape(-1, 3), triangles, rows.mean(axis=(0, 1)) + np.array([0.0, 0.5, 0.0])
    )


@dataclass(frozen=True)
class Scarf:
    """A scarf around head and neck that leaves the face free; ``color``: sRGB."""

    color: Color = (0.35, 0.30, 0.40)
    edge_m: float = 0.0
    loose_m: float = 0.008

    def __call__(self, head: BareHead) -> list[Piece]:
        """Put it on."""
        chin = head.landmarks[8]
        shape = [(0.0, -0.060 + self.edge_m, -0.002), (0.040, -0.052 + self.edge_m, 0.012)]
        shape += [(0.066, -0.025, 0.042), (0.070, 0.020, 0.058), (0.064, 0.060, 0.055)]
        shape += [(0.045, chin[1] - 0.012, 0.040), (0.0, chin[1] + 0.008, 0.030)]
        center = np.array([0.0, 0.03, 0.10])
        shell = Shell.within(center, _BACK, _both_sides(shape))
        skin = shell.radius_of(head.skin)
        edge = np.linspace(0.0, 1.0, len(skin))[:, None]
        thick = self.loose_m * (1.0 - 0.6 * edge**6)
        radius = np.maximum(shell.stretched(skin, (13, 13), 2.5) + thick, skin + 0.003)
        # Cloth falls straight from the chin to the shoulders.
        down = np.maximum(shell.directions[..., 1], 1e-6)
        falling = np.minimum(_to_column(shell, 0.072, 0.080), 0.155 / down)
        share = smoothstep(0.0, 0.3, shell.directions[..., 1]) * (1.0 - edge**4)
        radius = radius + share * np.maximum(falling - radius, 0.0)
        return [_piece(FABRIC, self.color, shell.mesh(radius))]


@dataclass(frozen=True)
class LongHair:
    """Long hair; ``length_m``: below the eyes, ``loose_m``: how full it is."""

    length_m: float = 0.16
    loose_m: float = 0.012
    forward_m: float = 0.0

    def __call__(self, head: BareHead) -> list[Piece]:
        """Let it hang."""
        side = 0.078 - self.forward_m
        shape = [(0.0, -0.100, 0.030), (0.045, -0.085, 0.040), (0.074, -0.045, 0.065)]
        shape += [(0.080, 0.0, side), (0.084, 0.05, side), (0.086, 0.10, side)]
        shape += [(0.080, self.length_m, side + 0.01), (0.0, self.length_m, 0.150)]
        center = np.array([0.0, 0.02, 0.115])
        shell = Shell.within(center, _BACK, _both_sides(shape))
        skin = shell.radius_of(head.skin)
        edge = np.linspace(0.0, 1.0, len(skin))[:, None]
        full = self.loose_m * (1.0 - edge**3)
        radius = shell.stretched(skin, (9, 9), 2.0) + full + 0.001
        down = np.maximum(shell.directions[..., 1], 1e-6)
        column = _to_column(shell, 0.082 + self.loose_m, 0.082 + self.loose_m)
        end = (self.length_m - center[1]) / down
        share = smoothstep(-0.2, 0.15, shell.directions[..., 1])
        hanging = radius + share * np.maximum(np.minimum(column, end) - radius, 0.0)
        radius = np.minimum(hanging, end)
        return [_piece(HAIR, (0.0, 0.0, 0.0), shell.mesh(radius))]


def _to_column(shell: Shell, half_x_m: float, half_z_m: float) -> FloatArray:
    """Return the distance from a shell's centre to an upright column, [outward, around]."""
    x, z = shell.directions[..., 0] / half_x_m, shell.directions[..., 2] / half_z_m
    distance: FloatArray = 1.0 / np.sqrt(np.maximum(x * x + z * z, 1e-6))
    return distance

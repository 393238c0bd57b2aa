"""From surface to light: materials, lamps and shadows, in linear colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import FloatArray
from fsanet_ros.research.rendering.appearance import Lighting, linear_from_srgb
from fsanet_ros.research.rendering.figure import Figure, parallel_view
from fsanet_ros.research.rendering.head_model import (
    CLOTH,
    EYE,
    EYE_SOCKET,
    FABRIC,
    GUMS,
    HAIR,
    MOUTH,
    SHINY,
    SKIN,
    TEETH,
)
from fsanet_ros.research.rendering.mesh import smoothstep, vertex_normals
from fsanet_ros.research.rendering.rasterizer import Fragments, rasterize

_SHADOW_CELL_M = 0.0016
_SHADOW_SIZE = 400
# Light that enters skin leaves it nearby: red reaches furthest into the shade.
_SKIN_WRAP = np.array([0.30, 0.14, 0.10])
_IRIS_RAD, _PUPIL_RAD = 0.40, 0.17


@dataclass(frozen=True, eq=False)
class _Surface:
    """
    The surface at each of the k covered pixels.

    ``part``: int64 [k]. ``rest``: float64 [k, 3], its position on the mean head. ``position``,
    ``normals``, ``to_camera``: float64 [k, 3] in the camera's optical frame. ``hair``,
    ``openness``: float64 [k], 0 to 1. ``albedo``: float64 [k, 3], linear.
    """

    part: NDArray[np.int64]
    rest: FloatArray
    position: FloatArray
    normals: FloatArray
    to_camera: FloatArray
    hair: FloatArray
    openness: FloatArray
    albedo: FloatArray


def shade(
    figure: Figure, vertices: FloatArray, fragments: Fragments, lighting: Lighting
) -> FloatArray:
    """
    Return the light that each visible point sends to the camera, float64 [k, 3], linear.

    :param vertices: float64 [n, 3], of the figure in the camera's optical frame
    """
    surface = _surface(figure, vertices, fragments)
    normals, openness = surface.normals, surface.openness[:, None]
    cloth = np.isin(surface.part, (CLOTH, FABRIC, SHINY))[:, None]
    wrap = np.where(cloth | (surface.hair > 0.5)[:, None], 0.05, _SKIN_WRAP)
    key = _unit(np.array(lighting.key_direction))
    fill = _unit(np.array(lighting.fill_direction))
    lit = _lit(vertices, figure, surface, key)
    upward = 0.5 - 0.5 * normals[:, 1]
    ambient = np.array(lighting.ambient) * (0.55 + 0.45 * upward)[:, None]
    light = ambient * openness**1.3
    light += np.array(lighting.key) * _wrapped(normals @ key, wrap) * lit[:, None]
    light += np.array(lighting.fill) * _wrapped(normals @ fill, wrap) * openness
    # Light reflected between skin and skin turns red.
    reddening = np.where(cloth, 0.0, np.array([0.0, 0.10, 0.12]) * (1.0 - openness))
    gloss = _gloss(figure, surface, key, lighting, lit)
    return surface.albedo * light * (1.0 - reddening) + gloss


def _surface(figure: Figure, vertices: FloatArray, fragments: Fragments) -> _Surface:
    part = figure.part[fragments.corners[:, 0]]
    rest = fragments.interpolate(figure.rest)
    position = fragments.interpolate(vertices)
    to_camera = _unit(-position)
    normals = _unit(fragments.interpolate(vertex_normals(vertices, figure.triangles)))
    # The back of a surface (inside a nostril, edge of the collar) is lit like its front.
    normals *= np.where(np.sum(normals * to_camera, axis=1) < -0.2, -1.0, 1.0)[:, None]
    hair = np.zeros(len(part))
    hair[part == SKIN] = figure.hair_at(rest[part == SKIN])
    hair[part == HAIR] = 1.0
    openness = np.clip(fragments.interpolate(figure.openness[:, None])[:, 0], 0.0, 1.0)
    openness = np.where(part == EYE, np.minimum(openness, _lid_shade(figure, rest)), openness)
    color = figure.color[fragments.corners[:, 0]]
    albedo = _albedo(figure, part, rest, hair, color)
    return _Surface(part, rest, position, normals, to_camera, hair, openness, albedo)


def _unit(vectors: FloatArray) -> FloatArray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: FloatArray = vectors / np.maximum(length, 1e-12)
    return unit


def _wrapped(cosine: FloatArray, wrap: FloatArray) -> FloatArray:
    """Return diffuse light [k, 3] for cosines [k]; ``wrap`` lets it reach beyond 90 degrees."""
    light: FloatArray = np.clip((cosine[:, None] + wrap) / (1.0 + wrap), 0.0, None)
    return light


def _lit(vertices: FloatArray, figure: Figure, surface: _Surface, key: FloatArray) -> FloatArray:
    """Return how much of the key light reaches each point [k], 0 to 1, from its depth image."""
    head = np.median(vertices[figure.part != CLOTH], axis=0)
    points, height = parallel_view(vertices - head, key, _SHADOW_CELL_M, _SHADOW_SIZE)
    drawn = rasterize(
        points, height, figure.triangles, _SHADOW_SIZE, _SHADOW_SIZE, perspective=False
    )
    nearest = np.full(_SHADOW_SIZE * _SHADOW_SIZE, -np.inf)
    nearest[drawn.pixel] = drawn.nearness
    # Start a little outside the surface, or it would shade itself.
    lifted = surface.position - head + 0.004 * surface.normals
    at, level = parallel_view(lifted, key, _SHADOW_CELL_M, _SHADOW_SIZE)
    lit = np.zeros(len(lifted))
    taps = [(dx, dy) for dx in (-3, -1, 1, 3) for dy in (-3, -1, 1, 3)]
    for dx, dy in taps:
        column, row = np.clip(np.rint(np.add(at, (dx, dy))).astype(np.int64), 0, _SHADOW_SIZE - 1).T
        above = nearest[row * _SHADOW_SIZE + column] - level
        lit += smoothstep(0.004, 0.001, above)
    # Nothing shades what is outside the depth image.
    beyond = np.any((at < 4) | (at > _SHADOW_SIZE - 5), axis=1)
    return np.where(beyond, 1.0, lit / len(taps))


def _albedo(
    figure: Figure,
    part: NDArray[np.int64],
    rest: FloatArray,
    hair: FloatArray,
    color: FloatArray,
) -> FloatArray:
    look = figure.appearance
    albedo = figure.paint.sample(rest)
    # Outside the painted front: plain skin, a little uneven.
    front = smoothstep(0.085, 0.06, rest[:, 2]) * smoothstep(0.135, 0.12, rest[:, 1])
    uneven = 1.0 + 0.04 * figure.noise.octaves(rest / 0.008, 3)
    plain = figure.paint.base * uneven[:, None]
    albedo = plain + front[:, None] * (albedo - plain)
    ear = smoothstep(0.079, 0.086, np.abs(rest[:, 0])) * (rest[:, 1] < 0.07)
    albedo *= 1.0 - ear[:, None] * np.array([0.0, 0.16, 0.16])
    hairy = np.flatnonzero(hair > 0.0)
    # Hair that hangs has longer waves.
    length = np.where((part == HAIR)[hairy, None], (1.0, 0.3, 1.0), 1.0)
    albedo[hairy] += hair[hairy, None] * (_strands(figure, rest[hairy] * length) - albedo[hairy])

    cloth = part == CLOTH
    weave = 1.0 + 0.10 * figure.noise.octaves(rest[cloth] / 0.03, 3)
    albedo[cloth] = linear_from_srgb(look.shirt) * weave[:, None]
    worn = (part == FABRIC) | (part == SHINY)
    threads = 1.0 + 0.12 * figure.noise.octaves(rest[worn] / 0.012, 3)
    albedo[worn] = color[worn] * threads[:, None]
    albedo[part == EYE] = _eye(figure, rest[part == EYE])
    red_inside = figure.paint.base * (0.55, 0.28, 0.28)
    albedo[(part == MOUTH) | (part == GUMS)] = red_inside
    albedo[part == EYE_SOCKET] = red_inside * 0.6
    albedo[part == TEETH] = linear_from_srgb((0.86, 0.83, 0.76))
    return albedo


def _strands(figure: Figure, rest: FloatArray) -> FloatArray:
    """Return the colour of hair [k, 3]: strands run down from the crown."""
    from_crown = rest - np.array([0.0, -0.09, 0.125])
    around = np.arctan2(from_crown[:, 0], from_crown[:, 2])
    down = np.linalg.norm(from_crown, axis=1)
    waves = 0.25 * figure.noise(rest / 0.03)
    lines = np.stack([(around + waves) * 48.0, down / 0.02, np.zeros(len(rest))], axis=1)
    coarse = figure.noise(lines * (0.25, 1.0, 1.0))
    fine = figure.noise(lines + 9.0)
    brightness = np.clip(1.0 + 0.42 * fine + 0.38 * coarse, 0.25, 2.2)
    return linear_from_srgb(figure.appearance.hair) * brightness[:, None]


def _eye_angle(figure: Figure, rest: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the angle [k] from the eye's axis, radians, and the unit direction [k, 3]."""
    center = figure.eye_center[(rest[:, 0] > 0).astype(np.int64)]
    direction = _unit(rest - center)
    return np.arccos(np.clip(-direction[:, 2], -1.0, 1.0)), direction


def _eye(figure: Figure, rest: FloatArray) -> FloatArray:
    angle, direction = _eye_angle(figure, rest)
    white = linear_from_srgb((0.80, 0.76, 0.73)) * np.ones((len(rest), 1))
    white *= 1.0 - smoothstep(0.5, 1.1, angle)[:, None] * np.array([0.10, 0.28, 0.28])
    spokes = figure.noise(direction / np.sin(np.maximum(angle, 0.1))[:, None] * (9.0, 9.0, 0.0))
    iris = linear_from_srgb(figure.appearance.iris) * (1.0 + 0.35 * spokes)[:, None]
    rim = smoothstep(_IRIS_RAD - 0.09, _IRIS_RAD, angle)[:, None]
    iris = iris * (1.0 - 0.75 * rim)
    color = white + smoothstep(_IRIS_RAD + 0.02, _IRIS_RAD - 0.02, angle)[:, None] * (iris - white)
    pupil: FloatArray = color * smoothstep(_PUPIL_RAD - 0.02, _PUPIL_RAD + 0.02, angle)[:, None]
    return pupil + 0.003


def _lid_shade(figure: Figure, rest: FloatArray) -> FloatArray:
    """Return how much light points of an eyeball get [k]: lids and lashes shade the upper part."""
    _, direction = _eye_angle(figure, rest)
    return 0.45 + 0.5 * smoothstep(-0.30, 0.15, direction[:, 1])


def _gloss(
    figure: Figure, surface: _Surface, key: FloatArray, lighting: Lighting, lit: FloatArray
) -> FloatArray:
    """Return specular light [k, 3]: sharp on eyes, soft on skin and hair, none on cloth."""
    eye, cloth, hair = surface.part == EYE, surface.part == CLOTH, surface.hair
    cloth |= surface.part == FABRIC
    shiny = surface.part == SHINY
    pores = 1.0 + 0.4 * figure.noise(surface.rest / 0.0016)
    # Brows and shades painted on the skin are matt.
    dull = np.clip(surface.albedo[:, 1] / figure.paint.base[1], 0.0, 1.0)
    strength = np.where(hair > 0.5, 0.03, 0.085 * pores * dull * (1.0 - hair))
    strength = np.where(eye, 0.9, np.where(cloth, 0.0, np.where(shiny, 0.4, strength)))
    sharpness = np.where(eye, 260.0, np.where(shiny, 60.0, np.where(hair > 0.5, 12.0, 18.0)))
    half = np.clip(np.sum(surface.normals * _unit(key + surface.to_camera), axis=1), 0.0, 1.0)
    # Grazing light is reflected more (Schlick).
    grazing = 1.0 - np.clip(np.sum(surface.normals * surface.to_camera, axis=1), 0.0, 1.0)
    rim = np.where(eye | cloth, 0.0, np.where(shiny, 0.5, 0.06)) * grazing**4 * surface.openness
    mirrored = strength * half**sharpness * lit
    out: FloatArray = mirrored[:, None] * np.array(lighting.key)
    return out + rim[:, None] * np.array(lighting.ambient)
